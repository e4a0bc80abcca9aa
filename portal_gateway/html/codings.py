"""Content codings, incrementally (RFC 9110 section 8.4.1): identity, gzip and deflate with the standard library.

A decoder yields pieces of at most `MAX_PIECE` bytes, so that a body that unpacks to a thousand times its size
streams in bounded memory instead of being refused or filling it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Protocol

# What one step of a decoder returns at most, in bytes.
MAX_PIECE = 64 * 1024
# Level 1 costs a fifth of level 6 and gives a tenth more bytes.
_LEVEL = 1
_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS


class CodingError(Exception):
    """The body is not in the coding that its header names, is cut off, or has something behind its end."""


class Decoder(Protocol):
    def decode(self, data: bytes) -> Iterator[bytes]:
        """What `data` adds, in bounded pieces. Raises CodingError. To be exhausted before the next call."""

    def finish(self) -> Iterator[bytes]:
        """What is left. Raises CodingError if the body is incomplete."""


class Encoder(Protocol):
    def encode(self, data: bytes) -> bytes: ...

    def flush(self) -> bytes:
        """Everything encoded so far, so that the receiver can show it."""

    def finish(self) -> bytes: ...


class Identity:
    """Both directions of "identity"."""

    def decode(self, data: bytes) -> Iterator[bytes]:
        if data:
            yield data

    def encode(self, data: bytes) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


class IdentityDecoder(Identity):
    def finish(self) -> Iterator[bytes]:
        return iter(())


class IdentityEncoder(Identity):
    def finish(self) -> bytes:
        return b""


class GzipDecoder:
    """A gzip body is one member or several, one after the other (RFC 1952 section 2.2)."""

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
        self._stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, window_bits)

    def encode(self, data: bytes) -> bytes:
        return self._stream.compress(data)

    def flush(self) -> bytes:
        return self._stream.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._stream.flush(zlib.Z_FINISH)


_WINDOW_BITS = {b"gzip": _GZIP, b"x-gzip": _GZIP, b"deflate": _ZLIB}


def is_decodable(content_encoding: bytes) -> bool:
    """Whether the value of Content-Encoding names one coding that we read and write, or none at all."""
    name = content_encoding.strip().lower()
    return name in _WINDOW_BITS or name in (b"", b"identity")


def decoder(content_encoding: bytes) -> Decoder:
    """Raises CodingError for a coding that is not `is_decodable`."""
    bits = _window_bits(content_encoding)
    if bits is None:
        return IdentityDecoder()
    return GzipDecoder() if bits == _GZIP else DeflateDecoder()


def encoder(content_encoding: bytes) -> Encoder:
    """Raises CodingError for a coding that is not `is_decodable`."""
    bits = _window_bits(content_encoding)
    return IdentityEncoder() if bits is None else ZlibEncoder(bits)


def _window_bits(content_encoding: bytes) -> int | None:
    if not is_decodable(content_encoding):
        raise CodingError("the content coding is not one that we read")
    return _WINDOW_BITS.get(content_encoding.strip().lower())


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
