"""One upstream response out of bytes, as strict as the reading of requests. No IO."""

from __future__ import annotations

import re
from typing import Final

from portal_gateway.http11.body import Body, BodyError, ChunkedBody, LengthBody
from portal_gateway.http11.fields import BARE_LINE_END, FieldError, FieldMemo
from portal_gateway.http11.framing import RESPONSE_DELIMITING, Framing, FramingError
from portal_gateway.wire.asgi import RawHeaders
from portal_gateway.wire.memo import Memo

_STATUS_LINE: Final = re.compile(rb"HTTP/(1\.[01]) ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?")
_BEGINNING: Final = b"HTTP/1."
_DECIDE_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding", b"connection"})
# Nobody sends more of them, and each one counts as a sign of life.
_MAX_INTERIM: Final = 32
_MAX_TRAILER_FIELDS: Final = 100


class BadResponse(ValueError):
    """The upstream's bytes are no HTTP/1.1 response that can be passed on."""


class ResponseHead:
    """Status and raw headers (names in lower case, hop-by-hop ones included) of a final or interim response."""

    def __init__(self, status: int, headers: RawHeaders, framing: Framing, keep_alive: bool) -> None:
        self.status = status
        self.headers = headers
        self.framing = framing
        self.keep_alive = keep_alive


class ResponseParser:
    """Parses the response to one `method` request.

    After `feed`: `interim` holds heads of status 1xx, `head` that of the final response once known, body bytes come
    through `take`, then `complete` and `trailers`. `is_clean` is false when bytes followed the end: the connection
    then must not be used again.
    """

    head: ResponseHead | None = None
    buffered = 0
    started = False
    continued = False
    complete = False
    is_clean = True
    # The beginning of a head or of a line, to be seen again with more behind it.
    _unread = b""
    _body: Body | None = None
    _interim_count = 0

    def __init__(self, method: str, max_head_bytes: int) -> None:
        self._method = method
        self._max_head_bytes = max_head_bytes
        self._pieces: list[bytes] = []
        self.interim: list[ResponseHead] = []

    @property
    def trailers(self) -> RawHeaders:
        return [] if self._body is None else self._body.trailers

    def feed(self, data: bytes) -> None:
        """Take in bytes of the response. Raises BadResponse."""
        self.started = True
        if self._unread:
            data, self._unread = self._unread + data, b""
        at = 0
        while self.head is None:
            end = data.find(b"\r\n\r\n", at)
            if end < 0:
                self._unread = self._beginning(data[at:])
                return
            if end - at > self._max_head_bytes:
                raise BadResponse(f"more than {self._max_head_bytes} bytes of headers")
            self._on_head(data[at:end])
            at = end + 4
        if not self.complete and at < len(data):
            at = self._on_body(self.head, data, at)
        if self.complete and at < len(data):
            self.is_clean = False

    def feed_eof(self) -> None:
        """The upstream closed its side. Raises BadResponse if that cuts the response off."""
        if self.head is not None and self.head.framing is Framing.CLOSE:
            self.complete = True
        if not self.complete:
            raise BadResponse("closed the connection before the response was complete")

    def take(self) -> bytes:
        """All body bytes that have arrived since the last call."""
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self.buffered = 0
        return data

    @property
    def whole_body(self) -> bytes | None:
        """All of the body if it is there and nothing comes behind it; it stays to be taken."""
        if not self.complete or self.trailers:
            return None
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    def _beginning(self, data: bytes) -> bytes:
        """`data` if it may become a head."""
        if len(data) > self._max_head_bytes:
            raise BadResponse(f"more than {self._max_head_bytes} bytes of headers")
        if not data.startswith(_BEGINNING[: len(data)]) or BARE_LINE_END.search(data):
            raise BadResponse("no HTTP/1.1")
        return data

    def _on_head(self, data: bytes) -> None:
        lines = data.split(b"\r\n")
        version, status = _STATUSES[lines.pop(0)]
        try:
            headers = [_FIELDS[line] for line in lines]
            if status < 200:
                self._on_interim(ResponseHead(status, headers, Framing.NONE, keep_alive=True))
                return
            deciding = tuple([field for field in headers if field[0] in _DECIDE_FRAMING])
            framing, length, keep_alive = RESPONSE_DELIMITING[self._method, status, version, deciding]
        except (FieldError, FramingError) as error:
            raise BadResponse(str(error)) from error
        self.head = ResponseHead(status, headers, framing, keep_alive)
        if framing is Framing.CHUNKED:
            self._body = ChunkedBody(self._max_head_bytes, _MAX_TRAILER_FIELDS)
        elif framing is Framing.LENGTH:
            self._body = LengthBody(length)
        self.complete = framing is Framing.NONE or (framing is Framing.LENGTH and not length)

    def _on_interim(self, head: ResponseHead) -> None:
        self._interim_count += 1
        if head.status == 101:
            raise BadResponse("switched protocols without being asked")
        if self._interim_count > _MAX_INTERIM:
            raise BadResponse("interim responses without an end")
        if head.status == 100:
            self.continued = True
        else:
            self.interim.append(head)

    def _on_body(self, head: ResponseHead, data: bytes, at: int) -> int:
        """Up to where `data` is done with."""
        if self._body is None:
            self._pieces.append(data[at:])
            end = len(data)
        else:
            try:
                end = self._body.feed(data, at, self._pieces)
            except BodyError as error:
                raise BadResponse(str(error)) from error
            self.complete = self._body.complete
            if not self.complete:
                self._unread = data[end:]
        self.buffered += end - at
        return end


def _version_and_status(line: bytes) -> tuple[str, int]:
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise BadResponse("no HTTP/1.1 status line")
    return match[1].decode("ascii"), int(match[2])


_STATUSES: Final[Memo[bytes, tuple[str, int]]] = Memo(_version_and_status)
_FIELDS: Final = FieldMemo()
