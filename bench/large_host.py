"""The host app of the large chapter: one long page, made while it is sent, in pieces of 64 KiB."""

from __future__ import annotations

import os
import random
import zlib
from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

from bench import host
from portal_gateway import PortalGatewayMiddleware, load_settings

# By the first segment of the path, `/late/gzip/1024` and the like: where the link goes.
PLACES = {"early": "nav .links", "late": "#late", "body": "body", "none": ".nowhere"}
CODINGS = ("identity", "gzip")

_PIECE = 64 * 1024
_PIECES_PER_MB = 1024 * 1024 // _PIECE
_HEAD = (
    b'<!doctype html>\n<html lang="en"><head><title>Records</title></head>\n'
    b'<body><nav><ul class="links"><li><a href="/">Home</a></li></ul></nav>\n<main>\n'
)
_TAIL = b'<p id="late">the end</p>\n</main>\n</body>\n</html>\n'
_WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "omikron")


def bare() -> Any:
    return _App()


def gateway() -> PortalGatewayMiddleware:
    values = host.config(os.environ[host.VENDOR_URL], host.HEADERS_IDENTITY, PLACES)
    return PortalGatewayMiddleware(bare(), load_settings(values, environ={"PLANHAT_API_TOKEN": host.TOKEN}))


class _App:
    """`/{place}/{coding}/{MB}` is the page, `/made` how many bytes of it have been made so far, unpacked."""

    def __init__(self) -> None:
        self._made = 0
        self._records = _records()
        # Packed once: the app is not what is measured.
        self._packed = {piece: _packed(piece) for piece in (_HEAD, self._records, _TAIL)}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == "/made":
            await _answer(send, [(b"content-type", b"text/plain")], [str(self._made).encode()])
            return
        _, _, coding, size = scope["path"].split("/")
        headers = [(b"content-type", b"text/html; charset=utf-8")]
        pieces = self._page(int(size))
        if coding == "gzip":
            headers.append((b"content-encoding", b"gzip"))
            pieces = self._gzip(pieces)
        await _answer(send, headers, pieces)

    def _page(self, size_mb: int) -> Iterator[bytes]:
        self._made = 0
        for piece in chain([_HEAD], repeat(self._records, size_mb * _PIECES_PER_MB), [_TAIL]):
            self._made += len(piece)
            yield piece

    def _gzip(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        checksum = 0
        yield b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
        for piece in pieces:
            checksum = zlib.crc32(piece, checksum)
            yield self._packed[piece]
        yield b"\x03\0" + checksum.to_bytes(4, "little") + (self._made % 2**32).to_bytes(4, "little")


def _packed(data: bytes) -> bytes:
    pack = zlib.compressobj(6, wbits=-15)
    return pack.compress(data) + pack.flush(zlib.Z_FULL_FLUSH)


def _records() -> bytes:
    chance = random.Random(1)
    out = bytearray()
    while len(out) < _PIECE:
        name, city = chance.sample(_WORDS, 2)
        number = chance.randrange(10**6)
        out += (
            f'<div class="record"><a href="/r/{number}">{name} {number}</a> <b>{city}</b> &amp; more</div>\n'.encode()
        )
    return bytes(out[: out.rindex(b"\n", 0, _PIECE) + 1]).ljust(_PIECE)


async def _answer(send: Any, headers: list[tuple[bytes, bytes]], pieces: Iterator[bytes] | list[bytes]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})
