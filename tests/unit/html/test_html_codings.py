from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal_gateway.html.codings import MAX_PIECE, CodingError, decoder, encoder, is_decodable

TEXT = b"<p>" + bytes(range(256)) * 50


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


CODED = [
    pytest.param(b"gzip", gzip.compress(TEXT), id="gzip"),
    pytest.param(b"X-GZIP", gzip.compress(TEXT), id="x-gzip"),
    pytest.param(b"gzip", gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:]), id="gzip-of-two-members"),
    pytest.param(b"deflate", zlib.compress(TEXT), id="deflate-zlib"),
    pytest.param(b"deflate", raw_deflate(TEXT), id="deflate-raw"),
    pytest.param(b"identity", TEXT, id="identity"),
    pytest.param(b"", TEXT, id="none"),
]


def decode(coding: bytes, body: bytes, size: int) -> bytes:
    stream = decoder(coding)
    pieces = [p for i in range(0, len(body), size) for p in stream.decode(body[i : i + size])]
    return b"".join([*pieces, *stream.finish()])


@pytest.mark.parametrize(("coding", "body"), CODED)
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_decodes(coding: bytes, body: bytes, size: int) -> None:
    assert decode(coding, body, size) == TEXT


@pytest.mark.parametrize("coding", [b"gzip", b"x-gzip", b"deflate", b"identity"])
def test_encodes_so_that_every_flush_can_be_read(coding: bytes) -> None:
    encode, decode = encoder(coding), decoder(coding)
    for part in (b"first", b"second" * 1000):
        sent = encode.encode(part) + encode.flush()
        assert b"".join(decode.decode(sent)) == part
    assert b"".join([*decode.decode(encode.encode(b"last") + encode.finish()), *decode.finish()]) == b"last"


def test_what_other_readers_say() -> None:
    stream = encoder(b"gzip")
    assert gzip.decompress(stream.encode(TEXT) + stream.finish()) == TEXT
    stream = encoder(b"deflate")
    assert zlib.decompress(stream.encode(TEXT) + stream.finish()) == TEXT


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"identity"])
def test_an_empty_body_is_complete(coding: bytes) -> None:
    stream = decoder(coding)
    assert [*stream.decode(b""), *stream.finish()] == []


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        pytest.param(b"gzip", TEXT, id="gzip-plain-text"),
        pytest.param(b"gzip", gzip.compress(TEXT)[:-1], id="gzip-cut-off"),
        pytest.param(b"gzip", gzip.compress(TEXT)[:5], id="gzip-cut-off-in-the-header"),
        pytest.param(b"gzip", gzip.compress(TEXT)[:-8] + b"\0" * 8, id="gzip-wrong-checksum"),
        pytest.param(b"gzip", gzip.compress(TEXT) + b"garbage", id="gzip-garbage-behind"),
        pytest.param(b"deflate", zlib.compress(TEXT)[:-1], id="deflate-cut-off"),
        pytest.param(b"deflate", raw_deflate(TEXT)[:-1], id="deflate-raw-cut-off"),
        pytest.param(b"deflate", zlib.compress(TEXT) + b"x", id="deflate-garbage-behind"),
        pytest.param(b"deflate", b"\xff\xff\xff", id="deflate-nonsense"),
        pytest.param(b"deflate", b"x", id="deflate-one-byte"),
    ],
)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_broken_bodies(coding: bytes, body: bytes, size: int) -> None:
    with pytest.raises(CodingError):
        decode(coding, body, size)


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
def test_a_bomb_comes_in_bounded_pieces(coding: bytes) -> None:
    stream = encoder(coding)
    bomb = b"".join(stream.encode(b"\0" * (1 << 20)) for _ in range(32)) + stream.finish()
    total = 0
    for piece in decoder(coding).decode(bomb):
        assert len(piece) <= MAX_PIECE
        total += len(piece)
    assert total == 32 << 20


@pytest.mark.parametrize("coding", [b"br", b"zstd", b"compress", b"gzip, gzip", b"gzip,identity", b"aes128gcm"])
def test_other_codings_are_left_alone(coding: bytes) -> None:
    assert not is_decodable(coding)
    for make in (decoder, encoder):
        with pytest.raises(CodingError):
            make(coding)


@pytest.mark.parametrize("coding", [b"", b"identity", b"gzip", b" GZip ", b"x-gzip", b"deflate"])
def test_decodable(coding: bytes) -> None:
    assert is_decodable(coding)


@given(st.binary(max_size=300), st.integers(1, 50), st.sampled_from([b"gzip", b"deflate"]))
def test_any_bytes_decode_or_raise(body: bytes, size: int, coding: bytes) -> None:
    try:
        decode(coding, body, size)
    except CodingError:
        return
    assert body == b"" or len(body) > 1


@given(st.lists(st.binary(max_size=200), max_size=5), st.integers(1, 50), st.sampled_from([b"gzip", b"deflate"]))
def test_round_trip(parts: list[bytes], size: int, coding: bytes) -> None:
    stream = encoder(coding)
    body = b"".join(stream.encode(part) + stream.flush() for part in parts) + stream.finish()
    assert decode(coding, body, size) == b"".join(parts)
