"""The head of a response as bytes, and how the body behind it is delimited (RFC 9112 section 6.3). No IO."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from portal_gateway.http11.fields import FieldError, head_bytes
from portal_gateway.http11.framing import Framing, content_length
from portal_gateway.wire.headers import elements

_REASONS = {status.value: status.phrase for status in HTTPStatus}
STATUS_LINES = {status: f"HTTP/1.1 {status} {_REASONS.get(status, '')}".encode("ascii") for status in range(100, 600)}
_CHUNKED = (b"transfer-encoding", b"chunked")
_CLOSE = (b"connection", b"close")


@dataclass(slots=True)
class ResponseHead:
    """`data` is the head as it is sent; `length` that of the body if the framing is by length."""

    data: bytes
    framing: Framing
    length: int
    keep_alive: bool


def response_head(
    status: int, headers: Iterable[tuple[bytes, bytes]], *, method: str, version: str, keep_alive: bool
) -> ResponseHead:
    """The head of the final response to a `method` request of HTTP/`version`.

    Raises FieldError and FramingError (both ValueError) for headers that must not be sent.
    """
    lines = [(name.lower(), value) for name, value in headers]
    fields = dict(lines)
    if _CHUNKED[0] in fields:  # that is for the server to say
        lines = [pair for pair in lines if pair[0] != _CHUNKED[0]]
    length = 0
    if method == "HEAD" or status in (204, 304):
        framing = Framing.NONE
    elif b"content-length" in fields:
        framing, length = Framing.LENGTH, content_length(lines) or 0
    elif version == "1.1":
        framing = Framing.CHUNKED
        lines.append(_CHUNKED)
    else:
        framing = Framing.CLOSE
    asked_to_close = b"connection" in fields and b"close" in elements(fields[b"connection"])
    keep_alive = keep_alive and not asked_to_close and framing is not Framing.CLOSE
    if not (keep_alive or asked_to_close):
        lines.append(_CLOSE)
    start_line = STATUS_LINES.get(status)
    if start_line is None or status < 200:
        raise FieldError(f"{status} is no status of a final response")
    return ResponseHead(head_bytes(start_line, lines), framing, length, keep_alive)


def plain_response(status: int, message: str) -> bytes:
    """A whole response of the server's own, after which it closes the connection."""
    body = message.encode("ascii", "replace")
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        _CLOSE,
    ]
    return head_bytes(STATUS_LINES[status], headers) + body
