"""The head of a response as bytes, and how the body behind it is delimited (RFC 9112 section 6.3). No IO."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from portal_gateway.http11.fields import LINES, Field, FieldError, head_bytes
from portal_gateway.http11.framing import Framing, content_length
from portal_gateway.wire.asgi import RawHeaders
from portal_gateway.wire.headers import tokens
from portal_gateway.wire.memo import Memo

_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}
STATUS_LINES: Final = {
    status: f"HTTP/1.1 {status} {_REASONS.get(status, '')}".encode("ascii") for status in range(100, 600)
}
_DECIDING: Final = frozenset({b"connection", b"content-length", b"transfer-encoding"})
# The name in lower case of a header that decides how the body is delimited and what comes after it, nothing of others.
_DECISIVE: Final[Memo[bytes, bytes]] = Memo(lambda name: name.lower() if name.lower() in _DECIDING else b"")


class ResponseHead:
    """`data` is the head as it is sent; `length` that of the body if the framing is by length."""

    def __init__(self, data: bytes, framing: Framing, length: int, keep_alive: bool) -> None:
        self.data = data
        self.framing = framing
        self.length = length
        self.keep_alive = keep_alive


def response_head(status: int, headers: RawHeaders, *, method: str, version: str, keep_alive: bool) -> ResponseHead:
    """The head of the final response to a `method` request of HTTP/`version`.

    Raises FieldError and FramingError (both ValueError) for headers that must not be sent.
    """
    start_line = STATUS_LINES.get(status)
    if start_line is None or status < 200:
        raise FieldError(f"{status} is no status of a final response")
    lines = [start_line, b"\r\n"]
    decisive: RawHeaders = []
    for field in headers:
        name = _DECISIVE[field[0]]
        if name:
            decisive.append((name, field[1]))
        if name != b"transfer-encoding":  # that is for the server to say
            lines.append(LINES[field])
    has_no_body = method == "HEAD" or status in (204, 304)
    framing, length, keep_alive, more = _DELIMITING[has_no_body, version, keep_alive, tuple(decisive)]
    lines.append(more)
    return ResponseHead(b"".join(lines), framing, length, keep_alive)


def _delimiting(key: tuple[bool, str, bool, tuple[Field, ...]]) -> tuple[Framing, int, bool, bytes]:
    has_no_body, version, keep_alive, decisive = key
    length, more = content_length(decisive), b""
    if has_no_body:
        framing = Framing.NONE
    elif length is not None:
        framing = Framing.LENGTH
    elif version == "1.1":
        framing, more = Framing.CHUNKED, b"transfer-encoding: chunked\r\n"
    else:
        framing, keep_alive = Framing.CLOSE, False
    if b"close" in tokens(decisive, b"connection"):
        keep_alive = False
    elif not keep_alive:
        more += b"connection: close\r\n"
    return framing, length or 0, keep_alive, more + b"\r\n"


# How the body is delimited, its length, whether the connection stays, and the end of the header block.
_DELIMITING: Final = Memo(_delimiting, max_key=512)


def plain_response(status: int, message: str) -> bytes:
    """A whole response of the server's own, after which it closes the connection."""
    body = message.encode("ascii", "replace")
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
    ]
    return head_bytes(STATUS_LINES[status], headers) + body
