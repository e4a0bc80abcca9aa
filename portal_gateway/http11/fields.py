"""Header fields out of lines, and lines out of header fields (RFC 9112 section 5), strictly both ways.

The rules of this file: no byte that could end a line early, or that readers understand differently, passes in either
direction; a field is a token, a colon right behind it, and a value of visible characters, blanks and tabs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from portal_gateway.wire.asgi import RawHeaders

TOKEN_BYTES = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_UNSAFE_IN_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")

# Lines that are remembered; their lengths are bounded, so that all of them together are.
_KEPT_LINES = 1024
_KEPT_LINE_BYTES = 256
# They are somebody's own, and come from nobody else.
_CREDENTIALS = frozenset({b"authorization", b"cookie", b"proxy-authorization", b"set-cookie"})


class FieldError(ValueError):
    """A header field that is malformed."""


def parse_field(line: bytes) -> tuple[bytes, bytes]:
    """Name, in lower case, and value of a line without its end. Raises FieldError."""
    name, colon, value = line.partition(b":")
    if not colon or not name or name.translate(None, TOKEN_BYTES):
        # Folded lines and blanks before the colon are among them (RFC 9112 sections 5.1 and 5.2).
        raise FieldError("malformed header name")
    if _UNSAFE_IN_VALUE.search(value):
        raise FieldError("a header value with control characters")
    return name.lower(), value.strip(b" \t")


class FieldMemo(dict[bytes, tuple[bytes, bytes]]):
    """Fields by their lines: most lines of a message are those of messages before, so they are parsed once."""

    def __init__(self, parse: Callable[[bytes], tuple[bytes, bytes]] = parse_field) -> None:
        super().__init__()
        self._parse = parse

    def __missing__(self, line: bytes) -> tuple[bytes, bytes]:
        field = self._parse(line)
        if len(line) <= _KEPT_LINE_BYTES and field[0] not in _CREDENTIALS:
            if len(self) >= _KEPT_LINES:
                self.clear()
            self[line] = field
        return field


def head_bytes(start_line: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A start line and header block, ready to be sent. Raises FieldError if a part could end its line early.

    The name of each field is to be in lower case. The start line is the caller's responsibility but for its end.
    """
    headers = headers if isinstance(headers, list) else list(headers)
    head = b"\r\n".join([start_line, *map(b": ".join, headers), b"", b""])
    ends = len(headers) + 2
    names = b"".join([name for name, _ in headers])
    if head.count(b"\r") != ends or head.count(b"\n") != ends or b"\0" in head or b"\n:" in head:
        raise FieldError("a header with bytes that no header may have")
    if names.translate(None, TOKEN_BYTES):
        raise FieldError("malformed header name")
    return head


def parse_fields(block: bytes, memo: FieldMemo, max_fields: int) -> RawHeaders:
    """The fields of a block of lines without the end of the last one. Raises FieldError."""
    lines = block.split(b"\r\n")
    if len(lines) > max_fields:
        raise FieldError("too many header fields")
    return [memo[line] for line in lines]
