"""br (RFC 7932), with Google's own binding: 0.3 to 0.9 of the time of the other one. Importing this needs the extra
`codings`.

The window is 16 MB at most: the "large window" format, which is not part of the coding, is refused.
"""

from __future__ import annotations

from collections.abc import Iterator

import brotli

from portal_gateway.html.codings_base import Coding, CodingError

# Before 1.2 a decoder's output could not be bounded.
if not hasattr(getattr(brotli, "Decompressor", None), "can_accept_more_data"):
    raise ImportError("brotli 1.2 or newer is needed")

# µs and ratio for pages of 5, 42 and 100 KB: quality 0 24/3.0, 68/5.1, 215/3.5; 1 24/3.4, 94/5.3, 301/4.2;
# 3 53/3.6, 200/5.9, 713/4.2; 4 94/3.8, 342/6.3, 1121/4.3.
_QUALITY = 1
# 256 KB. Twice or half of it changes pages by less than a hundredth; the default, 4 MB, is memory per response.
_WINDOW_BITS = 18
# The library goes on until it has this many bytes, in blocks of its own: the first has 32 KB, the second 64.
_LIMIT = 1


class BrotliDecoder:
    def __init__(self) -> None:
        self._stream = brotli.Decompressor()
        self._begun = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        if not data:
            return
        self._begun = True
        # Bytes behind the end make the library fail.
        piece = self._step(data)
        # Output may be waiting although the library says that it takes more input, and not yet although it does not.
        while piece or not self._stream.can_accept_more_data():
            if piece:
                yield piece
            if self._stream.is_finished():
                return
            piece = self._step(b"")

    def finish(self) -> Iterator[bytes]:
        if self._begun and not self._stream.is_finished():
            raise CodingError("the br body is cut off")
        return iter(())

    def _step(self, data: bytes) -> bytes:
        try:
            piece: bytes = self._stream.process(data, output_buffer_limit=_LIMIT)
        except brotli.error as error:
            raise CodingError("the body is not br, or there is something behind its end") from error
        return piece


class BrotliEncoder:
    def __init__(self) -> None:
        self._stream = brotli.Compressor(quality=_QUALITY, lgwin=_WINDOW_BITS)

    def encode(self, data: bytes) -> bytes:
        encoded: bytes = self._stream.process(data)
        return encoded

    def flush(self) -> bytes:
        encoded: bytes = self._stream.flush()
        return encoded

    def finish(self) -> bytes:
        encoded: bytes = self._stream.finish()
        return encoded


BROTLI = Coding(BrotliDecoder, BrotliEncoder)
