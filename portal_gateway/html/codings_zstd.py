"""zstd (RFC 8878), with the standard library's binding or its backport: the older package has no bound on what one
call returns. Importing this needs the extra `codings` before Python 3.14.

Frames that refer to a dictionary fail: there is none (RFC 9842 makes that a coding of its own).
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from portal_gateway.html.codings_base import MAX_PIECE, Coding, CodingError

# 8 MB is what RFC 9659 section 3 lets a sender use and makes a receiver take.
_DECODING: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 23}
_ENCODING: dict[int, int] = {
    # µs and ratio for pages of 5, 42 and 100 KB: level 1 35/3.3, 77/5.6, 280/4.4; 3 55/3.7, 101/5.9, 305/4.6.
    zstd.CompressionParameter.compression_level: 3,
    # 256 KB. The ratio of pages stays within a hundredth; the level's own 2 MB is memory per response.
    zstd.CompressionParameter.window_log: 18,
}
# Setting one up costs more than half of the time that a page of 5 KB takes: 39 µs new, 18 µs used again.
_idle: deque[zstd.ZstdCompressor] = deque(maxlen=8)


class ZstdDecoder:
    """A zstd body is one frame or several, of which some may be skippable and hold nothing (RFC 8878 section 3.1)."""

    def __init__(self) -> None:
        self._frame = zstd.ZstdDecompressor(options=_DECODING)
        self._begun = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._frame.eof:
                self._frame = zstd.ZstdDecompressor(options=_DECODING)
            self._begun = True
            yield from self._pieces(data)
            data = self._frame.unused_data

    def finish(self) -> Iterator[bytes]:
        if self._begun and not self._frame.eof:
            raise CodingError("the zstd body is cut off")
        return iter(())

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        while True:
            try:
                piece = self._frame.decompress(data, MAX_PIECE)
            except zstd.ZstdError as error:
                raise CodingError("the body is not zstd, or needs too large a window") from error
            if piece:
                yield piece
            if self._frame.eof or self._frame.needs_input:
                return
            data = b""


class ZstdEncoder:
    def __init__(self) -> None:
        try:
            self._stream = _idle.pop()
        except IndexError:
            self._stream = zstd.ZstdCompressor(options=_ENCODING)

    def encode(self, data: bytes) -> bytes:
        return self._stream.compress(data)

    def flush(self) -> bytes:
        return self._stream.flush(zstd.ZstdCompressor.FLUSH_BLOCK)

    def finish(self) -> bytes:
        end = self._stream.flush(zstd.ZstdCompressor.FLUSH_FRAME)
        _idle.append(self._stream)
        return end


ZSTD = Coding(ZstdDecoder, ZstdEncoder)
