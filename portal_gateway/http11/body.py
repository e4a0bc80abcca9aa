"""The body of a message out of bytes, by its length or its chunks (RFC 9112 sections 6 and 7), strictly. No IO.

Both kinds of body take what they can from the bytes at hand and say where they stopped; what they leave is the
beginning of a line, to be seen again with more behind it, or what follows the body.
"""

from __future__ import annotations

import re
from typing import Final

from portal_gateway.http11.fields import FieldError, FieldMemo, parse_fields
from portal_gateway.wire.asgi import RawHeaders

# A size of 15 digits is far beyond what anybody sends, and no parser further on overflows. Extensions mean nothing to
# anybody, but some senders sign chunks in them.
_CHUNK_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?\r\n")
_MAX_CHUNK_LINE_BYTES: Final = 1024
_DATA_END: Final = b"\r\n"


class BodyError(ValueError):
    """The body is not framed as it should be; where it ends is unknown."""


class Body:
    """A body on its way in. `trailers` are known once it is `complete`."""

    def __init__(self) -> None:
        self.complete = False
        self.trailers: RawHeaders = []

    def feed(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        """Append what `data` holds of the body, from `at` on, to `pieces`; up to where `data` is done with."""
        raise NotImplementedError


class LengthBody(Body):
    """A body of `length` bytes."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self._left = length
        self.complete = length == 0

    def feed(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        piece = data[at : at + self._left]
        if piece:
            pieces.append(piece)
            self._left -= len(piece)
            self.complete = not self._left
        return at + len(piece)


class ChunkedBody(Body):
    """A chunked body; its trailer fields are bounded by `max_trailer_bytes` and `max_fields`."""

    def __init__(self, max_trailer_bytes: int, max_fields: int) -> None:
        super().__init__()
        self._max_trailer_bytes = max_trailer_bytes
        self._max_fields = max_fields
        # Bytes of the chunk that are still to come, without the line end behind them; None between chunks.
        self._left: int | None = None
        self._in_trailers = False

    def feed(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        """As any body's. Raises BodyError."""
        while not self.complete:
            if self._in_trailers:
                after = self._trailers(data, at)
            elif self._left is None:
                after = self._chunk_line(data, at)
            else:
                after = self._chunk(data, at, pieces, self._left)
            if after == at:
                break
            at = after
        return at

    def _chunk_line(self, data: bytes, at: int) -> int:
        match = _CHUNK_LINE.match(data, at)
        if match is None:
            if len(data) - at > _MAX_CHUNK_LINE_BYTES or data.find(b"\n", at) >= 0:
                raise BodyError("malformed chunk size")
            return at
        if match.end() - at > _MAX_CHUNK_LINE_BYTES:
            raise BodyError("a chunk extension that is too long")
        self._left = int(match[1], 16) or None
        self._in_trailers = self._left is None
        return match.end()

    def _chunk(self, data: bytes, at: int, pieces: list[bytes], left: int) -> int:
        piece = data[at : at + left]
        if piece:
            pieces.append(piece)
            self._left = left - len(piece)
            return at + len(piece)
        end = data[at : at + 2]
        if not _DATA_END.startswith(end):
            raise BodyError("a chunk that is longer than its size")
        if len(end) == 2:
            self._left = None
            return at + 2
        return at

    def _trailers(self, data: bytes, at: int) -> int:
        if data.startswith(b"\r\n", at):
            self.complete = True
            return at + 2
        end = data.find(b"\r\n\r\n", at)
        if (len(data) if end < 0 else end) - at > self._max_trailer_bytes:
            raise BodyError("trailers that are too long")
        if end < 0:
            return at
        try:
            self.trailers = parse_fields(data[at:end], _FIELDS, self._max_fields)
        except FieldError as error:
            raise BodyError(f"trailers: {error}") from error
        self.complete = True
        return end + 4


_FIELDS: Final = FieldMemo()
