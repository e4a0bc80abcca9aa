"""The head of a request out of bytes (RFC 9112 sections 2 to 6), strictly. No IO.

The rules of this file: what two readers could take for different requests is refused, whoever of them is right; what
is accepted is passed on byte for byte.
"""

from __future__ import annotations

import re
from typing import Final

from portal_gateway.http11.fields import BARE_LINE_END, TOKEN_BYTES, Field, FieldError, FieldMemo, parse_field
from portal_gateway.http11.framing import Framing, FramingError, UnsupportedCoding, request_framing
from portal_gateway.http11.limits import ClientLimits
from portal_gateway.wire.asgi import RawHeaders
from portal_gateway.wire.headers import tokens, values
from portal_gateway.wire.memo import Memo

# The version is looked at last, so that other versions get an answer of their own. Bytes above 0x7f are no part of a
# URI, but older browsers and scripts send them and servers take them.
_REQUEST_LINE: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}) ([\x21-\x7e\x80-\xff]+) HTTP/(\d\.\d)")
_HOST: Final = re.compile(rb"(?:[A-Za-z0-9\-._~%!$&'()*+;=]*|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?")
# Method, version and blanks of a request line.
_MORE_IN_LINE: Final = 96
# What the reading of a request depends on.
_DECISIVE: Final = frozenset({b"connection", b"content-length", b"expect", b"host", b"transfer-encoding", b"upgrade"})
_VERSIONS: Final = {b"1.1": "1.1", b"1.0": "1.0"}


class BadRequest(Exception):
    """A request that goes nowhere. `status` says how it is answered before the connection is closed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class RequestHead:
    """A request without its body; header names are in lower case."""

    def __init__(
        self,
        method: str,
        target: bytes,
        version: str,
        headers: RawHeaders,
        framing: Framing,
        length: int,
        keep_alive: bool,
        expects_continue: bool,
        is_websocket: bool,
    ) -> None:
        self.method = method
        self.target = target
        self.version = version
        self.headers = headers
        self.framing = framing
        self.length = length
        self.keep_alive = keep_alive
        self.expects_continue = expects_continue
        self.is_websocket = is_websocket


def parse_request_head(head: bytes, limits: ClientLimits) -> RequestHead:
    """The request whose head, without its last two line ends, is `head`. Raises BadRequest."""
    if len(head) > limits.head_bytes:
        raise BadRequest(431, f"a head of more than {limits.head_bytes} bytes")
    lines = head.split(b"\r\n")
    method, target, version = _request_line(lines.pop(0), limits)
    if len(lines) > limits.fields:
        raise BadRequest(431, f"more than {limits.fields} header fields")
    try:
        headers = [_FIELDS[line] for line in lines]
        decisive = tuple([field for field in headers if field[0] in _DECISIVE])
        framing, length, keep_alive, expects_continue, upgrades = _FRAMING_AND_OPTIONS[version, decisive]
    except (FieldError, FramingError) as error:
        raise BadRequest(501 if isinstance(error, UnsupportedCoding) else 400, str(error)) from error
    is_websocket = upgrades and method == "GET"
    return RequestHead(method, target, version, headers, framing, length, keep_alive, expects_continue, is_websocket)


def _framing_and_options(key: tuple[str, tuple[Field, ...]]) -> tuple[Framing, int, bool, bool, bool]:
    version, decisive = key
    framing, length = request_framing(decisive)
    fields = dict(decisive)
    is_current = version == "1.1"
    if is_current and b"host" not in fields:
        raise BadRequest(400, "no Host")
    if len(fields) != len(decisive) and len(values(decisive, b"host")) > 1:
        raise BadRequest(400, "more than one Host")
    if framing is Framing.CHUNKED and not is_current:
        raise BadRequest(400, "Transfer-Encoding in HTTP/1.0")
    has_body = framing is Framing.CHUNKED or length > 0
    options = tokens(decisive, b"connection")
    return (
        framing,
        length,
        is_current and b"close" not in options,
        is_current and has_body and fields.get(b"expect", b"").lower() == b"100-continue",
        is_current and not has_body and b"upgrade" in options and fields.get(b"upgrade", b"").lower() == b"websocket",
    )


# How the body is delimited and its length; whether another request may follow, a 100 is expected and, in a GET, a
# WebSocket is asked for: by version and the lines that decide it, which are much the same for many requests.
_FRAMING_AND_OPTIONS: Final = Memo(_framing_and_options, max_key=512)


def check_unfinished(data: bytes, start: int, looked_at: int, limits: ClientLimits) -> None:
    """Look at the beginning of a head, from `start` on. Raises BadRequest for one that no end could save.

    The first `looked_at` bytes have been seen before: a head that comes byte by byte is not read over and over.
    """
    if start == len(data) or data == b"\r":
        return
    longest_line = start + limits.target_bytes + _MORE_IN_LINE
    if len(data) > longest_line and data.find(b"\r\n", start, longest_line) < 0:
        raise BadRequest(414, f"a request target of more than {limits.target_bytes} bytes")
    if len(data) - start > limits.head_bytes:
        raise BadRequest(431, f"a head of more than {limits.head_bytes} bytes")
    # TLS to a plain port, say.
    if data[start] not in TOKEN_BYTES:
        raise BadRequest(400, "no HTTP")
    if BARE_LINE_END.search(data, max(start, looked_at - 1)):
        raise BadRequest(400, "a line end that is not CRLF")


def _request_line(line: bytes, limits: ClientLimits) -> tuple[str, bytes, str]:
    # Queries are seldom the same again.
    parsed = _parsed_line(line) if b"?" in line else _LINES[line]
    if len(parsed[1]) > limits.target_bytes:
        raise BadRequest(414, f"a request target of more than {limits.target_bytes} bytes")
    return parsed


def _parsed_line(line: bytes) -> tuple[str, bytes, str]:
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise BadRequest(400, "malformed request line")
    method, target, number = match.groups()
    version = _VERSIONS.get(number)
    if version is None:
        raise BadRequest(505, "not HTTP/1.1")
    # Servers disagree on what counts in an absolute target, and only forward proxies need one.
    if target[0] != 0x2F and not (target == b"*" and method == b"OPTIONS"):
        raise BadRequest(400, "a request target that is no path")
    if b"#" in target:
        raise BadRequest(400, "a request target with a fragment")
    return method.decode("ascii"), target, version


# Method, target and version by request line.
_LINES: Final[Memo[bytes, tuple[str, bytes, str]]] = Memo(_parsed_line, max_key=256)


def _parse_request_field(line: bytes) -> tuple[bytes, bytes]:
    """As `parse_field`, for whom a Host is a field as any other."""
    field = parse_field(line)
    if field[0] == b"host" and not _HOST.fullmatch(field[1]):
        raise FieldError("malformed Host")
    return field


_FIELDS: Final = FieldMemo(_parse_request_field)
