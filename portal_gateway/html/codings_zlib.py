"""gzip and deflate (RFC 1952, 1950, 1951)."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from portal_gateway.html.codings_base import MAX_PIECE, Coding, CodingError

_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS


class GzipDecoder:
    """A gzip body is one member or several, one after the other (RFC 1952 section 2.2)."""

    # Not isal's decoder, which is a third faster: 1.9 loses its place in a header that comes in several pieces.
    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)
        self._begun = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP)
            self._begun = True
            yield from _pieces(self._member, data)
            data = self._member.unused_data

    def finish(self) -> Iterator[bytes]:
        # Nothing at all is a legitimate empty body; half a member is not.
        if self._begun and not self._member.eof:
            raise CodingError("the gzip body is cut off")
        return iter(())


class DeflateDecoder:
    """ "deflate" is zlib's format by RFC 9110, and the bare stream by what some servers send: the first two
    bytes tell (RFC 1950 section 2.2: CM is 8, the header divides by 31)."""

    def __init__(self) -> None:
        self._head = b""
        self._stream: zlib._Decompress | None = None

    def decode(self, data: bytes) -> Iterator[bytes]:
        if self._stream is None:
            data = self._head + data
            if len(data) < 2:
                self._head = data
                return
            self._stream = self._open(data)
        if data and self._stream.eof:
            raise CodingError("there is something behind the end of the deflate body")
        yield from _pieces(self._stream, data)
        if self._stream.unused_data:
            raise CodingError("there is something behind the end of the deflate body")

    def finish(self) -> Iterator[bytes]:
        if (self._stream is None and self._head) or (self._stream is not None and not self._stream.eof):
            raise CodingError("the deflate body is cut off")
        return iter(())

    @staticmethod
    def _open(data: bytes) -> zlib._Decompress:
        wrapped = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
        return zlib.decompressobj(_ZLIB if wrapped else _RAW)


class ZlibEncoder:
    """gzip or deflate. A deflate body is written in zlib's format, as RFC 9110 has it."""

    def __init__(self, window_bits: int) -> None:
        compressor, level = _fastest()
        self._stream = compressor(level, zlib.DEFLATED, window_bits)

    def encode(self, data: bytes) -> bytes:
        encoded: bytes = self._stream.compress(data)
        return encoded

    def flush(self) -> bytes:
        encoded: bytes = self._stream.flush(zlib.Z_SYNC_FLUSH)
        return encoded

    def finish(self) -> bytes:
        encoded: bytes = self._stream.flush(zlib.Z_FINISH)
        return encoded


@cache
def _fastest() -> tuple[Callable[[int, int, int], Any], int]:
    """The compressor at hand that costs least, and its level."""
    # µs and ratio for pages of 5, 42 and 100 KB: isal 2 16/3.5, 45/5.4, 142/3.8 (level 3: 28/3.5, 121/5.6, 330/3.9);
    # zlib 1 35/3.4, 145/5.3, 788/3.7; zlib 6 55/3.7, 587/6.7, 3087/5.0.
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib.compressobj, 1
    return isal_zlib.compressobj, 2


def _pieces(stream: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    while True:
        try:
            piece = stream.decompress(data, MAX_PIECE)
        except zlib.error as error:
            raise CodingError("the body is not in the coding that its header names") from error
        if piece:
            yield piece
        data = stream.unconsumed_tail
        # A full piece may leave output inside zlib although all input is consumed.
        if stream.eof or (not data and len(piece) < MAX_PIECE):
            return


GZIP = Coding(GzipDecoder, lambda: ZlibEncoder(_GZIP))
DEFLATE = Coding(DeflateDecoder, lambda: ZlibEncoder(_ZLIB))
