from __future__ import annotations

import pytest

from portal_gateway.http11.body import BodyError, ChunkedBody, LengthBody


def read(reader: LengthBody | ChunkedBody, data: bytes, step: int) -> tuple[bytes, bytes]:
    """The body, fed by pieces of `step` bytes as a connection does, and what follows it."""
    pieces: list[bytes] = []
    unread = b""
    for at in range(0, len(data), step):
        unread += data[at : at + step]
        if not reader.complete:
            unread = unread[reader.feed(unread, 0, pieces) :]
    return b"".join(pieces), unread


@pytest.mark.parametrize("step", [1, 2, 3, 100])
@pytest.mark.parametrize("length", [1, 5])
def test_a_body_by_its_length(length: int, step: int) -> None:
    reader = LengthBody(length)
    assert read(reader, b"hello, next"[:11], step) == (b"hello, next"[:length], b"hello, next"[length:])
    assert reader.complete


def test_a_body_that_is_not_all_there() -> None:
    reader = LengthBody(5)
    assert read(reader, b"hell", 2) == (b"hell", b"")
    assert not reader.complete


@pytest.mark.parametrize("step", [1, 2, 3, 7, 100])
@pytest.mark.parametrize(
    ("data", "body", "trailers"),
    [
        pytest.param(b"0\r\n\r\n", b"", [], id="empty"),
        pytest.param(b"5\r\nhello\r\n0\r\n\r\n", b"hello", [], id="one"),
        pytest.param(b"1\r\nh\r\n4\r\nello\r\n0\r\n\r\n", b"hello", [], id="two"),
        pytest.param(b"00A\r\n0123456789\r\n0000\r\n\r\n", b"0123456789", [], id="zeros-and-capitals"),
        pytest.param(b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n", [], id="line-ends-in-it"),
        pytest.param(b'5;a=b;c="d e"\r\nhello\r\n0;x\r\n\r\n', b"hello", [], id="extensions"),
        pytest.param(b"5 ;a\r\nhello\r\n0\r\n\r\n", b"hello", [], id="blank-before-an-extension"),
        pytest.param(b"0\r\nA: 1\r\nb:2 \r\n\r\n", b"", [(b"a", b"1"), (b"b", b"2")], id="trailers"),
    ],
)
def test_a_chunked_body(data: bytes, body: bytes, trailers: list[tuple[bytes, bytes]], step: int) -> None:
    reader = ChunkedBody(1000, 5)
    assert read(reader, data + b"next", step) == (body, b"next")
    assert reader.complete
    assert reader.trailers == trailers


@pytest.mark.parametrize("step", [1, 3, 100_000])
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\r\n", id="no-size"),
        pytest.param(b"x\r\n", id="no-number"),
        pytest.param(b"0x5\r\nhello\r\n", id="0x"),
        pytest.param(b"+5\r\nhello\r\n", id="sign"),
        pytest.param(b"-1\r\n", id="negative"),
        pytest.param(b" 5\r\nhello\r\n", id="blank-before"),
        pytest.param(b"5 \r\nhello\r\n", id="blank-behind"),
        pytest.param(b"5_0\r\n", id="underscore"),
        pytest.param(b"1" * 16 + b"\r\n", id="too-many-digits"),
        pytest.param(b"5\nhello\r\n", id="size-ends-in-lf"),
        pytest.param(b"5\rhello\r\n", id="size-ends-in-cr"),
        pytest.param(b"5;a\nb\r\nhello\r\n", id="lf-in-an-extension"),
        pytest.param(b"5;a\rb\r\nhello\r\n", id="cr-in-an-extension"),
        pytest.param(b"5;\x00\r\nhello\r\n", id="nul-in-an-extension"),
        pytest.param(b"5;" + b"a" * 1100 + b"\r\nhello\r\n", id="long-extension"),
        pytest.param(b"5;" + b"a" * 1100, id="endless-extension"),
        pytest.param(b"5\r\nhello0\r\n\r\n", id="no-end-of-the-chunk"),
        pytest.param(b"5\r\nhello\n0\r\n\r\n", id="chunk-ends-in-lf"),
        pytest.param(b"5\r\nhello\rX", id="chunk-ends-in-cr"),
        pytest.param(b"0\r\nA : 1\r\n\r\n", id="blank-before-colon"),
        pytest.param(b"0\r\nA: 1\r\n b\r\n\r\n", id="folded-trailer"),
        pytest.param(b"0\r\nA: 1\nB: 2\r\n\r\n", id="lf-in-a-trailer"),
        pytest.param(b"0\r\nno colon\r\n\r\n", id="trailer-without-colon"),
        pytest.param(b"0\r\n" + b"a: 1\r\n" * 6 + b"\r\n", id="too-many-trailers"),
        pytest.param(b"0\r\na: " + b"b" * 1000 + b"\r\n\r\n", id="long-trailers"),
        pytest.param(b"0\r\na: " + b"b" * 2000, id="endless-trailer"),
    ],
)
def test_chunks_that_end_nobody_knows_where(data: bytes, step: int) -> None:
    with pytest.raises(BodyError):
        read(ChunkedBody(1000, 5), data, step)
