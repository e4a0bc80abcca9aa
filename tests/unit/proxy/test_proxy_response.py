from __future__ import annotations

import gc
import weakref

import pytest

from portal_gateway.http11.framing import Framing
from portal_gateway.proxy.response import BadResponse, ResponseParser

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LIMIT = 1000


def feed_in_steps(parser: ResponseParser, data: bytes, step: int | None) -> None:
    step = step or len(data)
    for at in range(0, len(data), step):
        parser.feed(data[at : at + step])


def parsed(data: bytes, method: str = "GET", step: int | None = None) -> tuple[ResponseParser, bytes]:
    parser, body = ResponseParser(method, LIMIT), b""
    step = step or len(data)
    for at in range(0, len(data), step):
        parser.feed(data[at : at + step])
        body += parser.take()
    return parser, body


COMPLETE = {
    "length": (OK + b"Content-Length: 3\r\n\r\nabc", b"abc"),
    "empty": (OK + b"Content-Length: 0\r\n\r\n", b""),
    "chunked": (CHUNKED + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", b"abcde"),
    "trailers": (CHUNKED + b"1\r\na\r\n0\r\nX-Sum: 1\r\nSet-Cookie: evil=1\r\n\r\n", b"a"),
    "no-content": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "not-modified": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", b""),
    "no-reason": (b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", b"x"),
    "interim": (
        b"HTTP/1.1 100 Continue\r\nX-A: 1\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
        + OK
        + b"Content-Length: 1\r\n\r\nx",
        b"x",
    ),
}


@pytest.mark.parametrize("step", [None, 1, 2, 7])
@pytest.mark.parametrize("name", COMPLETE)
def test_complete_responses_at_any_split(name: str, step: int | None) -> None:
    data, expected = COMPLETE[name]
    parser, body = parsed(data, step=step)
    assert body == expected
    assert parser.complete
    assert parser.is_clean
    assert parser.head is not None
    assert parser.head.keep_alive
    assert not any(name in (b"x-a", b"link", b"x-sum", b"set-cookie") for name, _ in parser.head.headers)


def test_the_head_is_raw_but_for_the_case_of_names() -> None:
    parser, _ = parsed(OK + b"Set-Cookie: A=1\r\nset-cookie: b=\xff \t\r\nX:\r\nContent-Length: 0\r\n\r\n")
    assert parser.head is not None
    assert parser.head.headers == [
        (b"set-cookie", b"A=1"),
        (b"set-cookie", b"b=\xff"),
        (b"x", b""),
        (b"content-length", b"0"),
    ]


def test_a_body_until_close() -> None:
    parser, body = parsed(OK + b"\r\nabc")
    assert (body, parser.complete) == (b"abc", False)
    parser.feed_eof()
    assert parser.complete
    assert parser.head is not None
    assert (parser.head.framing, parser.head.keep_alive) == (Framing.CLOSE, False)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 20",
        OK + b"Content-Length: 3\r\n",
        OK + b"Content-Length: 3\r\n\r\nab",
        CHUNKED,
        CHUNKED + b"3\r\nabc\r\n",
        CHUNKED + b"3\r\nabc\r\n0\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_an_end_too_early_is_an_error(data: bytes) -> None:
    parser = ResponseParser("GET", LIMIT)
    if data:
        parser.feed(data)
    assert not parser.complete
    with pytest.raises(BadResponse, match="before the response was complete"):
        parser.feed_eof()
    assert not parser.complete


BAD = {
    "fold": OK + b"A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "cl-te": OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "te-cl": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "two-lengths": OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "equal-lengths": OK + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "listed-length": OK + b"Content-Length: 3, 3\r\n\r\nabc",
    "signed-length": OK + b"Content-Length: +3\r\n\r\nabc",
    "no-length": OK + b"Content-Length:\r\n\r\nabc",
    "huge-length": OK + b"Content-Length: 9999999999999999\r\n\r\nabc",
    "gzip-chunked": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "gzip": OK + b"Transfer-Encoding: gzip\r\n\r\nabc",
    "chunked-in-1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare-lf": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "bare-cr": OK + b"A: b\rc\r\nContent-Length: 0\r\n\r\n",
    "nul": OK + b"A: b\0c\r\nContent-Length: 0\r\n\r\n",
    "control": OK + b"A: b\x01c\r\nContent-Length: 0\r\n\r\n",
    "space-before-colon": OK + b"Content-Length : 0\r\n\r\n",
    "bad-name": OK + b"A(: b\r\n\r\n",
    "empty-name": OK + b": b\r\n\r\n",
    "chunk-too-long": CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
    "chunk-prefix": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "chunk-overflow": CHUNKED + b"f" * 17 + b"\r\nabc\r\n",
    "chunk-lf": CHUNKED + b"3\nabc\n0\n\n",
    "unasked-upgrade": b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    "unasked-101": b"HTTP/1.1 101 S\r\n\r\n",
    "status-999": b"HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n",
    "status-20": b"HTTP/1.1 20 X\r\nContent-Length: 0\r\n\r\n",
    "http-2": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "http-0.9": b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n",
    "html": b"<html>",
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
}


@pytest.mark.parametrize("step", [None, 1])
@pytest.mark.parametrize("name", BAD)
def test_bad_responses_are_refused_and_never_complete(name: str, step: int | None) -> None:
    parser = ResponseParser("GET", LIMIT)
    with pytest.raises(BadResponse):
        feed_in_steps(parser, BAD[name], step)
    assert not parser.complete


@pytest.mark.parametrize("step", [None, 1, 100])
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(OK + b"A: " + b"x" * 2 * LIMIT, id="one-line"),
        pytest.param(OK + b"A: b\r\n" * LIMIT, id="many-lines"),
        pytest.param(OK + b"x" * 2 * LIMIT, id="one-name"),
        pytest.param(b"HTTP/1.1 200 " + b"x" * 2 * LIMIT, id="reason"),
        pytest.param(b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n" * LIMIT, id="endless-interim"),
        pytest.param(CHUNKED + b"1\r\na\r\n0\r\n" + b"A: b\r\n" * LIMIT, id="trailers"),
        pytest.param(OK + b"A: " + b"x" * 2 * LIMIT + b"\r\nContent-Length: 0\r\n\r\n", id="ends-after-all"),
    ],
)
def test_heads_and_trailers_are_bounded(data: bytes, step: int | None) -> None:
    if step is not None:
        data = data[: LIMIT + 200]
    with pytest.raises(BadResponse, match=r"more than 1000 bytes|too long|without an end"):
        feed_in_steps(ResponseParser("GET", LIMIT), data, step)


@pytest.mark.parametrize("step", [None, 1, 16])
def test_a_head_just_within_the_limit_passes_at_any_split(step: int | None) -> None:
    data = OK + b"A: " + b"x" * (LIMIT - 80) + b"\r\nContent-Length: 2\r\n\r\nab"
    parser, body = parsed(data, step=step)
    assert parser.complete
    assert body == b"ab"


def test_a_body_may_be_longer_than_any_head() -> None:
    _, body = parsed(CHUNKED + b"1\r\na\r\n" * 5000 + b"0\r\n\r\n", step=10)
    assert body == b"a" * 5000


@pytest.mark.parametrize("tail", [b"HTTP/1.1 200 OK\r\n", b"H", b"garbage", b"\0"])
@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("head", [b"", b"Connection: close\r\n"])
def test_bytes_after_the_end_spoil_the_connection_not_the_response(tail: bytes, split: bool, head: bytes) -> None:
    data = OK + head + b"Content-Length: 3\r\n\r\nabc"
    parser, body = parsed(data if split else data + tail)
    if split:
        parser.feed(tail)
    assert (body, parser.complete, parser.is_clean) == (b"abc", True, False)


@pytest.mark.parametrize(
    ("head", "tail", "clean"),
    [
        (b"Content-Length: 3\r\n", b"", True),
        (b"Content-Length: 3\r\n", b"abc", False),
        (b"Content-Length: 3\r\n", b"a", False),
        (b"Transfer-Encoding: chunked\r\n", b"", True),
        (b"Transfer-Encoding: chunked\r\n", b"0", False),
        (b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", False),
        (b"Transfer-Encoding: chunked\r\n", b"zz\r\n\r\n", False),
        (b"", b"", True),
        (b"", b"x", False),
    ],
)
def test_head_responses_have_no_body(head: bytes, tail: bytes, clean: bool) -> None:
    parser, body = parsed(OK + head + b"\r\n" + tail, method="HEAD")
    assert (body, parser.complete, parser.is_clean) == (b"", True, clean)
    assert parser.head is not None
    assert parser.head.framing is Framing.NONE


def test_a_100_is_told_and_only_a_100() -> None:
    parser = ResponseParser("POST", LIMIT)
    parser.feed(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    assert not parser.continued
    parser.feed(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert parser.continued
    assert parser.head is None


def test_buffered_counts_what_take_gives() -> None:
    parser = ResponseParser("GET", LIMIT)
    parser.feed(OK + b"Content-Length: 6\r\n\r\nab")
    parser.feed(b"cd")
    assert (parser.buffered, parser.take(), parser.buffered, parser.take()) == (4, b"abcd", 0, b"")


@pytest.mark.interpreted
def test_a_complete_parser_is_freed_without_the_cycle_collector() -> None:
    gc.disable()
    try:
        parser, _ = parsed(OK + b"Content-Length: 1\r\n\r\nx")
        reference = weakref.ref(parser)
        del parser
        assert reference() is None
    finally:
        gc.enable()
