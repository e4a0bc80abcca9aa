"""One upstream response out of bytes: httptools (llhttp) for the syntax, our own rules for what it must mean.

No IO. llhttp in its strict mode refuses bare CR and LF, obs-fold, bad names, values, lengths and chunk sizes;
what it lets through and a proxy must not is refused here.
"""

from __future__ import annotations

from dataclasses import dataclass

import httptools

from portal_gateway.http11.framing import Framing, FramingError, keeps_alive, response_framing
from portal_gateway.wire.asgi import RawHeaders

_DECIDE_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"connection"})


class BadResponse(ValueError):
    """The upstream's bytes are no HTTP/1.1 response that can be passed on."""


@dataclass(slots=True)
class ResponseHead:
    """Status and raw headers (names in lower case, hop-by-hop ones included) of the final response."""

    status: int
    headers: RawHeaders
    framing: Framing
    keep_alive: bool


class ResponseParser:
    """Parses the response to one `method` request; interim responses are skipped, trailers dropped.

    After `feed`: `head` once known, `continued` once a 100 came, body bytes through `take`, `complete` at the
    end. `is_clean` is false when bytes followed the end: the connection then must not be used again.
    """

    def __init__(self, method: str, max_head_bytes: int) -> None:
        self._method = method
        self._max_head_bytes = max_head_bytes
        self._parser = httptools.HttpResponseParser(self)
        self._headers: RawHeaders = []
        # Fields (of head and trailers) that are whole, and input that ended neither in a head nor in a body:
        # one line without an end makes no field, many lines may come in one piece of input.
        self._field_bytes = 0
        self._unfinished_bytes = 0
        self._progressed = False
        self._chunks: list[bytes] = []
        self.head: ResponseHead | None = None
        self.buffered = 0
        self.started = False
        self.continued = False
        self.complete = False
        self.is_clean = True

    def feed(self, data: bytes) -> None:
        """Take in bytes of the response. Raises BadResponse."""
        self.started = True
        if self.complete:
            self.is_clean = False
        else:
            self._parse(data)

    def feed_eof(self) -> None:
        """The upstream closed its side. Raises BadResponse if that cuts the response off."""
        if self.head is not None and self.head.framing is Framing.CLOSE:
            self.complete = True
        if not self.complete:
            raise BadResponse("closed the connection before the response was complete")

    def take(self) -> bytes:
        """All body bytes that have arrived since the last call."""
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self.buffered = 0
        return data

    def _parse(self, data: bytes) -> None:
        self._progressed = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as error:
            raise BadResponse("switched protocols without being asked") from error
        except httptools.HttpParserError as error:
            if not self.complete:
                raise _cause(error) from error
            self.is_clean = False
        if self.complete:
            # A HEAD response may be followed by an unfinished chunk size, of which no callback tells.
            self.is_clean = self.is_clean and (self._method != "HEAD" or data.endswith(b"\r\n\r\n"))
            del self._parser  # it refers back to us
        elif not self._progressed:
            self._unfinished_bytes += len(data)
            self._bound(self._unfinished_bytes)

    def _made_progress(self) -> None:
        self._field_bytes, self._unfinished_bytes, self._progressed = 0, 0, True

    def _bound(self, size: int) -> None:
        if size > self._max_head_bytes:
            raise BadResponse(f"more than {self._max_head_bytes} bytes of headers")

    # Called by httptools.

    def on_message_begin(self) -> None:
        if self.complete:
            self.is_clean = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._field_bytes += len(name) + len(value) + 4
        if self._field_bytes > self._max_head_bytes:
            self._bound(self._field_bytes)
        if self.head is None:
            self._headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        if self.complete:
            return
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            self._skip_interim(status)
            return
        version = self._parser.get_http_version()
        if not 200 <= status < 600 or version not in ("1.0", "1.1"):
            raise BadResponse(f"status {status} in HTTP/{version}")
        deciding = [pair for pair in self._headers if pair[0] in _DECIDE_FRAMING]
        framing = response_framing(self._method, status, version, deciding)
        alive = keeps_alive(version, deciding, framing)
        self.head = ResponseHead(status, self._headers, framing, alive)
        self._made_progress()
        self.complete = framing is Framing.NONE

    def on_chunk_header(self) -> None:
        if self.complete:
            self.is_clean = False

    def on_body(self, data: bytes) -> None:
        if self.complete:
            self.is_clean = False
            return
        self._made_progress()
        self._chunks.append(data)
        self.buffered += len(data)

    def on_message_complete(self) -> None:
        if self.head is not None:
            self.complete = True

    def _skip_interim(self, status: int) -> None:
        if status == 101:
            raise BadResponse("switched protocols without being asked")
        self.continued = self.continued or status == 100
        self._headers = []


def _cause(error: httptools.HttpParserError) -> BadResponse:
    """What a callback of ours raised, which httptools wraps, or what llhttp itself found."""
    inner = error.__context__
    if isinstance(inner, BadResponse):
        return inner
    if isinstance(inner, FramingError):
        return BadResponse(str(inner))
    return BadResponse(f"no valid HTTP: {error}")
