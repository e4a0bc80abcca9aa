from __future__ import annotations

import contextlib
import gzip
import random
import tracemalloc
import zlib

import pytest
from codings_kit import pack, raw_deflate, skippable_frame, unpack, with_dictionary, zstd_frame
from hypothesis import given
from hypothesis import strategies as st

from portal_gateway.html.codings import MAX_PIECE, CodingError, decoder, encoder, is_decodable, preferred_coding

TEXT = b"<p>" + bytes(range(256)) * 50
LARGE = b"".join(b"<li id=i%d>%d</li>" % (n, n * 7919) for n in range(20_000))
SINGLE = ["gzip", "deflate", "br", "zstd"]
STACKS = ["gzip, br", "br, gzip", "zstd,gzip", "deflate, zstd, br"]
CODINGS = st.sampled_from([name.encode() for name in [*SINGLE, *STACKS]])


def decode(coding: bytes, body: bytes, size: int) -> bytes:
    stream = decoder(coding)
    pieces = [p for i in range(0, len(body), size) for p in stream.decode(body[i : i + size])]
    return b"".join([*pieces, *stream.finish()])


CODED = [
    *(pytest.param(name.encode(), pack(name, TEXT), id=name) for name in [*SINGLE, *STACKS]),
    pytest.param(b"X-GZIP", gzip.compress(TEXT), id="x-gzip"),
    pytest.param(b"gzip", gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:]), id="gzip-of-two-members"),
    pytest.param(
        b"gzip",
        b"\x1f\x8b\x08\x1c\0\0\0\0\0\xff\x03\0abcname\0comment\0" + raw_deflate(TEXT) + gzip.compress(TEXT)[-8:],
        id="gzip-with-everything-in-its-header",
    ),
    pytest.param(b"deflate", raw_deflate(TEXT), id="deflate-raw"),
    pytest.param(b"zstd", zstd_frame(TEXT), id="zstd-of-unknown-size"),
    pytest.param(b"zstd", zstd_frame(TEXT, checksum=True), id="zstd-with-checksum"),
    pytest.param(b"zstd", zstd_frame(TEXT, window_log=23), id="zstd-of-the-largest-window"),
    pytest.param(b"zstd", pack("zstd", TEXT[:100]) + zstd_frame(TEXT[100:]), id="zstd-of-two-frames"),
    pytest.param(
        b"zstd",
        skippable_frame(b"1") + pack("zstd", TEXT) + skippable_frame(b"") + skippable_frame(b"23"),
        id="zstd-with-skippable-frames",
    ),
    pytest.param(b"identity", TEXT, id="identity"),
    pytest.param(b"", TEXT, id="none"),
    pytest.param(b"gzip, identity", gzip.compress(TEXT), id="gzip-and-identity"),
]


@pytest.mark.parametrize(("coding", "body"), CODED)
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_decodes(coding: bytes, body: bytes, size: int) -> None:
    assert decode(coding, body, size) == TEXT


@pytest.mark.parametrize("coding", [*SINGLE, *STACKS])
@pytest.mark.parametrize("size", [1000, 1 << 20])
def test_decodes_what_takes_many_pieces(coding: str, size: int) -> None:
    assert decode(coding.encode(), pack(coding, LARGE), size) == LARGE


@pytest.mark.parametrize("coding", [b"identity", b"x-gzip", *(name.encode() for name in [*SINGLE, *STACKS])])
def test_encodes_so_that_every_flush_can_be_read(coding: bytes) -> None:
    encode, decode = encoder(coding), decoder(coding)
    for part in (b"first", b"second" * 1000, b""):
        sent = encode.encode(part) + encode.flush()
        assert b"".join(decode.decode(sent)) == part
    assert b"".join([*decode.decode(encode.encode(b"last") + encode.finish()), *decode.finish()]) == b"last"


@pytest.mark.parametrize("coding", [*SINGLE, *STACKS])
@pytest.mark.parametrize("text", [b"", b"x", TEXT, LARGE], ids=["empty", "byte", "small", "large"])
def test_what_other_readers_say(coding: str, text: bytes) -> None:
    stream = encoder(coding.encode())
    assert unpack(coding, stream.encode(text) + stream.finish()) == text


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_pages_become_a_third_at_most(coding: str) -> None:
    stream = encoder(coding.encode())
    assert len(stream.encode(LARGE) + stream.finish()) < len(LARGE) / 3


@pytest.mark.parametrize("coding", SINGLE)
def test_encoders_of_several_pages_do_not_meet(coding: str) -> None:
    texts = [b"%d" % number * 1000 for number in range(20)]
    for _ in range(2):
        streams = [encoder(coding.encode()) for _ in texts]
        begun = [stream.encode(text) for stream, text in zip(streams, texts, strict=True)]
        bodies = [begin + stream.finish() for stream, begin in zip(streams, begun, strict=True)]
        assert [unpack(coding, body) for body in bodies] == texts


@pytest.mark.parametrize("coding", [b"identity", *(name.encode() for name in [*SINGLE, *STACKS])])
def test_an_empty_body_is_complete(coding: bytes) -> None:
    stream = decoder(coding)
    assert [*stream.decode(b""), *stream.finish()] == []


BROKEN = [
    *(pytest.param(name, TEXT, id=f"{name}-plain-text") for name in SINGLE),
    *(pytest.param(name, pack(name, TEXT)[:-1], id=f"{name}-cut-off") for name in SINGLE),
    *(pytest.param(name, pack(name, TEXT)[:1], id=f"{name}-one-byte") for name in SINGLE),
    *(pytest.param(name, pack(name, TEXT) + b"garbage", id=f"{name}-garbage-behind") for name in SINGLE),
    *(pytest.param(name, pack(name, TEXT) + b"x", id=f"{name}-one-byte-behind") for name in SINGLE),
    pytest.param("gzip", gzip.compress(TEXT)[:5], id="gzip-cut-off-in-the-header"),
    pytest.param("gzip", gzip.compress(TEXT)[:-8] + b"\0" * 8, id="gzip-wrong-checksum"),
    pytest.param("deflate", raw_deflate(TEXT)[:-1], id="deflate-raw-cut-off"),
    pytest.param("deflate", b"\xff\xff\xff", id="deflate-nonsense"),
    pytest.param("br", b"\x11\x1e" + pack("br", TEXT), id="br-large-window"),
    pytest.param("zstd", zstd_frame(TEXT, checksum=True)[:-4] + b"\0" * 4, id="zstd-wrong-checksum"),
    pytest.param("zstd", zstd_frame(TEXT, window_log=24), id="zstd-window-too-large"),
    pytest.param("zstd", with_dictionary(TEXT + b"portal customer success " * 4), id="zstd-with-a-dictionary"),
    pytest.param("zstd", skippable_frame(b"12345")[:-1], id="zstd-skippable-cut-off"),
    pytest.param("gzip, br", gzip.compress(TEXT), id="stack-without-its-outer-layer"),
    pytest.param("gzip, br", pack("br", TEXT), id="stack-without-its-inner-layer"),
    pytest.param("gzip, br", pack("br", gzip.compress(TEXT)[:-1]), id="stack-with-the-inner-layer-cut-off"),
    pytest.param("gzip, br", pack("br, gzip", TEXT), id="stack-in-the-wrong-order"),
]


@pytest.mark.parametrize(("coding", "body"), BROKEN)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_broken_bodies(coding: str, body: bytes, size: int) -> None:
    with pytest.raises(CodingError):
        decode(coding.encode(), body, size)


@pytest.mark.parametrize("coding", [*SINGLE, "gzip, br", "zstd, gzip, gzip"])
def test_a_bomb_comes_in_bounded_pieces_and_bounded_memory(coding: str) -> None:
    stream = encoder(coding.encode())
    bomb = b"".join(stream.encode(b"\0" * (1 << 20)) for _ in range(32)) + stream.finish()
    assert len(bomb) < 1 << 18
    total = 0
    tracemalloc.start()
    try:
        for piece in decoder(coding.encode()).decode(bomb):
            assert len(piece) <= MAX_PIECE
            total += len(piece)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == 32 << 20
    assert peak < 1 << 20


@pytest.mark.parametrize(
    "coding",
    [
        b"compress",
        b"dcb",
        b"dcz",
        b"gzip, compress",
        b"gzip gzip",
        b"gzip;q=1",
        b"gzip,gzip,gzip,gzip",
        b"*",
        b"aes128gcm",
    ],
)
def test_other_codings_are_left_alone(coding: bytes) -> None:
    assert not is_decodable(coding)
    for make in (decoder, encoder):
        with pytest.raises(CodingError):
            make(coding)


@pytest.mark.parametrize(
    "coding",
    [
        b"",
        b"identity",
        b"gzip",
        b" GZip ",
        b"x-gzip",
        b"deflate",
        b"br",
        b"Zstd",
        b"gzip, br",
        b"gzip,,identity,zstd,br",
    ],
)
def test_decodable(coding: bytes) -> None:
    assert is_decodable(coding)


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ([], b"identity"),
        ([b"gzip", b"deflate", b"br", b"zstd"], b"zstd"),
        ([b"gzip", b"deflate", b"br"], b"gzip"),
        ([b"br"], b"br"),
        ([b"gzip;q=0.5", b"br;q=0.8", b"zstd;q=0.1"], b"br"),
        ([b"br ; q=0.3", b"gzip; q=0.9"], b"gzip"),
        ([b"gzip;q=0"], b"identity"),
        ([b"gzip;q=0.000", b"*"], b"identity"),
        ([b"*"], b"gzip"),
        ([b"*;q=0"], b"identity"),
        ([b"*;q=0.1", b"br;q=0.2"], b"br"),
        ([b"identity"], b"identity"),
        ([b"identity", b"gzip"], b"gzip"),
        ([b"identity", b"gzip;q=0.9"], b"identity"),
        ([b"identity;q=0", b"gzip;q=0.1"], b"gzip"),
        ([b"identity;q=0"], b"identity"),
        ([b"deflate", b"compress", b"x-gzip2"], b"identity"),
        ([b"gzip;q=nan"], b"identity"),
        ([b"gzip;q=7", b"br;q=x", b"zstd;q=-1"], b"identity"),
        ([b"gzip;level=9;q=0.5"], b"gzip"),
        ([b";q=1", b"=", b"gzip;"], b"gzip"),
    ],
)
def test_the_preferred_coding(accepted: list[bytes], coding: bytes) -> None:
    assert preferred_coding(accepted) == coding


@given(st.lists(st.binary(max_size=20), max_size=4))
def test_any_accept_encoding_has_an_answer(accepted: list[bytes]) -> None:
    assert preferred_coding(accepted) in (b"identity", b"gzip", b"br", b"zstd")


@given(st.binary(max_size=300), st.integers(1, 50), CODINGS)
def test_any_bytes_decode_or_raise(body: bytes, size: int, coding: bytes) -> None:
    try:
        decode(coding, body, size)
    except CodingError:
        return
    # The shortest complete body of all is br's, of one byte.
    assert body == b"" or b"br" in coding or len(body) > 1


@given(st.lists(st.binary(max_size=200), max_size=5), st.integers(1, 50), st.booleans(), CODINGS)
def test_round_trip(parts: list[bytes], size: int, flush: bool, coding: bytes) -> None:
    stream = encoder(coding)
    body = b"".join(stream.encode(part) + (stream.flush() if flush else b"") for part in parts) + stream.finish()
    assert decode(coding, body, size) == b"".join(parts)


@given(st.integers(0, 100_000), st.sampled_from([1, 100, 40_000, 1 << 20]), CODINGS)
def test_round_trip_around_the_size_of_a_piece(length: int, size: int, coding: bytes) -> None:
    text = (b"hello world " * 9_000)[:length]
    stream = encoder(coding)
    assert decode(coding, stream.encode(text) + stream.finish(), size) == text


@given(CODINGS, st.randoms(use_true_random=False), st.sampled_from([1, 17, 1 << 20]))
def test_a_changed_body_decodes_or_raises_nothing_else(coding: bytes, chance: random.Random, size: int) -> None:
    body = bytearray(pack(coding.decode(), TEXT[:3000]))
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(body))
        body[at : at + chance.randint(0, 2)] = chance.randbytes(chance.randint(0, 3))
        if not body:
            return
    with contextlib.suppress(CodingError):
        assert len(decode(coding, bytes(body), size)) < 1 << 26


@pytest.mark.parametrize("coding", [name.encode() for name in [*SINGLE, *STACKS]])
def test_a_body_cut_anywhere_is_seen_to_be_cut(coding: bytes) -> None:
    body = pack(coding.decode(), TEXT[:400])
    for end in range(1, len(body)):
        with pytest.raises(CodingError):
            decode(coding, body[:end], 50)


def test_zlib_alone_is_enough_for_gzip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal_gateway.html.codings_zlib._fastest", lambda: (zlib.compressobj, 1))
    stream = encoder(b"gzip")
    assert gzip.decompress(stream.encode(TEXT) + stream.flush() + stream.encode(TEXT) + stream.finish()) == TEXT * 2
