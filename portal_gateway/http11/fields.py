"""Header fields out of lines, and lines out of header fields (RFC 9112 section 5), strictly both ways.

The rules of this file: no byte that could end a line early, or that readers understand differently, passes in either
direction; a field is a token, a colon right behind it, and a value of visible characters, blanks and tabs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar

from portal_gateway.wire.asgi import RawHeaders
from portal_gateway.wire.memo import Memo

TOKEN_BYTES: Final = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_UNSAFE_IN_VALUE: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
#: In a head that is not complete yet; where it is, such a line end makes a field malformed.
BARE_LINE_END: Final = re.compile(rb"(?<!\r)\n|\r[^\n]")

# Lines that are remembered; their lengths are bounded, so that all of them together are.
_KEPT_LINES: Final = 1024
_KEPT_LINE_BYTES: Final = 256
# They are somebody's own, or one request's, and do not come again from anybody else.
_NOT_KEPT: Final = frozenset(
    {b"authorization", b"cookie", b"proxy-authorization", b"set-cookie", b"traceparent", b"x-request-id"}
)

Field: TypeAlias = tuple[bytes, bytes]
K = TypeVar("K", bytes, Field)
V = TypeVar("V", bytes, Field)


class FieldError(ValueError):
    """A header field that is malformed."""


def parse_field(line: bytes) -> Field:
    """Name, in lower case, and value of a line without its end. Raises FieldError."""
    name, colon, value = line.partition(b":")
    if not colon:
        raise FieldError("malformed header name")
    name = _NAMES[name]
    return name, _checked(value).strip(b" \t")


def field_line(field: Field) -> bytes:
    """The line of a field, its end included, with the name in lower case. Raises FieldError."""
    return _NAMES[field[0]] + b": " + _checked(field[1]) + b"\r\n"


def _lower_name(name: bytes) -> bytes:
    if not name or name.translate(None, TOKEN_BYTES):
        # Folded lines and blanks before the colon are among them (RFC 9112 sections 5.1 and 5.2).
        raise FieldError("malformed header name")
    return name.lower()


# The same object for every spelling of a name, as far as names are kept.
_NAMES: Final[Memo[bytes, bytes]] = Memo(_lower_name)


def _checked(value: bytes) -> bytes:
    if not value.isalnum() and _UNSAFE_IN_VALUE.search(value):
        raise FieldError("a header value with control characters")
    return value


class _Memo(dict[K, V]):
    """Most header lines of a message are those of messages before, so they are looked at once, both ways."""

    def _kept(self, key: K, value: V, line: bytes, name: bytes) -> V:
        if len(line) <= _KEPT_LINE_BYTES and name not in _NOT_KEPT:
            if len(self) >= _KEPT_LINES:
                self.clear()
            self[key] = value
        return value


class FieldMemo(_Memo[bytes, Field]):
    """Fields by their lines without the end. A look-up raises what `parse` does."""

    def __init__(self, parse: Callable[[bytes], Field] = parse_field) -> None:
        super().__init__()
        self._parse = parse

    def __missing__(self, line: bytes) -> Field:
        field = self._parse(line)
        return self._kept(line, field, line, field[0])


class LineMemo(_Memo[Field, bytes]):
    """What `field_line` says of a field. A look-up raises FieldError."""

    def __missing__(self, field: Field) -> bytes:
        line = field_line(field)
        return self._kept(field, line, line, field[0].lower())


LINES: Final = LineMemo()


def head_bytes(start_line: bytes, headers: RawHeaders) -> bytes:
    """A start line, safe by itself, and a header block, ready to be sent. Raises FieldError."""
    return b"".join([start_line, b"\r\n", *[LINES[field] for field in headers], b"\r\n"])


def parse_fields(block: bytes, memo: FieldMemo, max_fields: int) -> RawHeaders:
    """The fields of a block of lines without the end of the last one. Raises FieldError."""
    lines = block.split(b"\r\n")
    if len(lines) > max_fields:
        raise FieldError("too many header fields")
    return [memo[line] for line in lines]
