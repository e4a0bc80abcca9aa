"""Content codings as others write and read them."""

from __future__ import annotations

import gzip
import sys
import zlib
from typing import Any

import brotli

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PACK: dict[str, Any] = {
    "identity": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
}
UNPACK: dict[str, Any] = {
    "identity": bytes,
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "br": brotli.decompress,
    "zstd": zstd.decompress,
}


def pack(content_encoding: str, data: bytes) -> bytes:
    """`data` in the codings of a Content-Encoding, applied in its order."""
    for name in content_encoding.split(","):
        data = PACK[name.strip()](data)
    return data


def unpack(content_encoding: str, data: bytes) -> bytes:
    for name in reversed(content_encoding.split(",")):
        data = UNPACK[name.strip()](data)
    return data


def raw_deflate(data: bytes) -> bytes:
    """The bare stream that some servers call deflate."""
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


def zstd_frame(data: bytes, *, window_log: int = 0, checksum: bool = False) -> bytes:
    """One frame, whose header does not say how much is in it."""
    parameter = zstd.CompressionParameter
    stream = zstd.ZstdCompressor(options={parameter.window_log: window_log, parameter.checksum_flag: checksum})
    return stream.compress(data) + stream.flush()


def skippable_frame(content: bytes) -> bytes:
    """RFC 8878 section 3.1.2."""
    return b"\x50\x2a\x4d\x18" + len(content).to_bytes(4, "little") + content


def with_dictionary(data: bytes) -> bytes:
    dictionary = zstd.ZstdDict(b"portal customer success " * 20, is_raw=True)
    stream = zstd.ZstdCompressor(zstd_dict=dictionary)
    return stream.compress(data) + stream.flush()
