"""Where a message body ends (RFC 9112 section 6), decided strictly.

The rules of this file: two answers to the question are an error, never a choice, since the next hop may
choose the other one and then reads a body as the next message (request smuggling). What senders may do and
what they do in practice differ; only what they do in practice is accepted.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final

from portal_gateway.wire.headers import HeaderPairs, tokens, values
from portal_gateway.wire.memo import Memo

# 15 digits are a petabyte; more would not fit the parsers further on.
_MAX_LENGTH_DIGITS: Final = 15
FRAMING_FIELDS: Final = frozenset({b"content-length", b"transfer-encoding"})


class Framing(Enum):
    """How a body is delimited."""

    NONE = "none"
    LENGTH = "length"
    CHUNKED = "chunked"
    CLOSE = "close"


class FramingError(ValueError):
    """The headers of a message contradict each other or are not understood."""


class UnsupportedCoding(FramingError):
    """A transfer coding other than chunked."""


def content_length(headers: HeaderPairs) -> int | None:
    """The declared length in bytes. Repeated, signed and listed lengths are refused, equal ones too."""
    lines = values(headers, b"content-length")
    if not lines:
        return None
    value = lines[0]
    if len(lines) > 1 or not value.isdigit() or len(value) > _MAX_LENGTH_DIGITS:
        raise FramingError("repeated or malformed Content-Length")
    return int(value)


def is_chunked(headers: HeaderPairs) -> bool:
    """Whether the body is chunked. Any other transfer coding is refused: nobody uses one."""
    lines = values(headers, b"transfer-encoding")
    if not lines:
        return False
    if len(lines) > 1:
        raise FramingError("repeated Transfer-Encoding")
    if lines[0].lower() != b"chunked":
        raise UnsupportedCoding("unsupported Transfer-Encoding")
    return True


def request_framing(headers: HeaderPairs) -> tuple[Framing, int]:
    """How the body of a request is delimited, and its length where that is known (RFC 9112 section 6.3)."""
    fields = [pair for pair in headers if pair[0].lower() in FRAMING_FIELDS]
    if not fields:
        return Framing.NONE, 0
    chunked, length = is_chunked(fields), content_length(fields)
    if chunked and length is not None:
        raise FramingError("both Transfer-Encoding and Content-Length")
    if chunked:
        return Framing.CHUNKED, 0
    if length is None:
        return Framing.NONE, 0
    return Framing.LENGTH, length


def response_framing(method: str, status: int, version: str, headers: Sequence[tuple[bytes, bytes]]) -> Framing:
    """How the body of the response to a `method` request is delimited.

    The steps are those of RFC 9112 section 6.3; the contradictions of steps 3 and 5 are errors here even
    where step 1 ends the question, since they tell of a sender that cannot be relied on.
    """
    chunked, length = is_chunked(headers), content_length(headers)
    if chunked and (length is not None or version == "1.0"):
        raise FramingError("Transfer-Encoding beside Content-Length or in HTTP/1.0")
    if method == "HEAD" or status in (204, 304):
        return Framing.NONE
    if chunked:
        return Framing.CHUNKED
    return Framing.CLOSE if length is None else Framing.LENGTH


def keeps_alive(version: str, headers: Sequence[tuple[bytes, bytes]], framing: Framing) -> bool:
    """Whether the connection can carry another message after this response (RFC 9112 section 9.3)."""
    if framing is Framing.CLOSE:
        return False
    options = list(tokens(headers, b"connection"))
    return b"close" not in options and (version == "1.1" or b"keep-alive" in options)


def _response_delimiting(
    key: tuple[str, int, str, tuple[tuple[bytes, bytes], ...]],
) -> tuple[Framing, int, bool]:
    method, status, version, deciding = key
    framing = response_framing(method, status, version, deciding)
    length = content_length(deciding) if framing is Framing.LENGTH else None
    return framing, length or 0, keeps_alive(version, deciding, framing)


#: How the body of a response is delimited, its length, and whether another message can follow on the connection: by the
#: request's method, the response's status and version, and its lines of Content-Length, Transfer-Encoding and
#: Connection, which are much the same for many responses. A look-up raises FramingError.
RESPONSE_DELIMITING: Final = Memo(_response_delimiting, max_key=512)
