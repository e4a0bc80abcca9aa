"""Bytes that two readers could take for different requests: none of them reaches the app as a request.

After https://portswigger.net/web-security/request-smuggling, the cases of the HTTP Garden and what RFC 9112 calls
invalid. Each row goes over a socket of its own, with a second request behind it that nobody must ever see.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

import pytest
from proxy_harness import PATIENCE_S, Upstream, answering, ask, get, ok, proxied, upstream

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: app\r\n\r\n"
HOST = b"Host: app"


def post(*lines: bytes, body: bytes = b"", line: bytes = b"POST / HTTP/1.1") -> bytes:
    return b"\r\n".join([line, HOST, *lines, b"", b""]) + body


def rows() -> Iterator[tuple[str, bytes]]:
    yield from lengths_and_codings()
    yield from obscured_codings()
    yield from obscured_lengths()
    yield from control_characters()
    yield from line_ends()
    yield from request_lines()
    yield from hosts()


def lengths_and_codings() -> Iterator[tuple[str, bytes]]:
    length, coding, chunks = b"Content-Length: 6", b"Transfer-Encoding: chunked", b"0\r\n\r\nG"
    yield "cl-te", post(length, coding, body=chunks)
    yield "te-cl", post(coding, length, body=chunks)
    yield "cl0-te", post(b"Content-Length: 0", coding, body=chunks)
    yield "cl-te-capitals", post(length, b"TRANSFER-ENCODING: CHUNKED", body=chunks)
    yield "cl-te-apart", post(length, b"A: b", b"Connection: keep-alive", coding, body=chunks)
    yield "cl-te-http-1.0", post(length, coding, body=chunks, line=b"POST / HTTP/1.0")
    yield "te-http-1.0", post(coding, body=chunks, line=b"POST / HTTP/1.0")
    yield "cl-te-nominated", post(length, coding, b"Connection: Content-Length", body=chunks)
    yield "cl-te-get", post(length, coding, body=chunks, line=b"GET / HTTP/1.1")
    yield "cl-cl", post(b"Content-Length: 5", b"Content-Length: 6", body=b"12345G")
    yield "cl-cl-equal", post(b"Content-Length: 6", b"content-length: 6", body=b"123456")
    yield "cl-cl-zero", post(b"Content-Length: 0", b"Content-Length: 6", body=b"123456")
    yield "te-te", post(coding, coding, body=chunks)
    yield "te-te-other", post(coding, b"Transfer-Encoding: x", body=chunks)
    yield "te-other-te", post(b"Transfer-Encoding: x", coding, body=chunks)
    yield "te-identity-te", post(b"Transfer-Encoding: identity", coding, body=chunks)


def obscured_codings() -> Iterator[tuple[str, bytes]]:
    values = [
        b"", b"identity", b"gzip", b"xchunked", b"chunkedx", b"chunked,", b",chunked", b"chunked, chunked",
        b"gzip, chunked", b"chunked, gzip", b"chunked, identity", b"chunked;q=1", b"chunked ; a", b'"chunked"',
        b"[chunked]", b"chunked\xa0", b"\xa0chunked", b"chunked\xff", b"chun ked", b"c\xc3\xa7hunked", b"chunked\\n",
        b"chunked'", b"chunke", b"\xef\xbb\xbfchunked",
    ]  # fmt: skip
    for value in values:
        yield f"te-value-{value!r}", post(b"Transfer-Encoding: " + value, body=b"0\r\n\r\n")
        yield f"te-value-{value!r}-cl", post(b"Transfer-Encoding: " + value, b"Content-Length: 5", body=b"0\r\n\r\n")
    lines = [
        b"Transfer-Encoding : chunked", b"Transfer-Encoding\t: chunked", b" Transfer-Encoding: chunked",
        b"\tTransfer-Encoding: chunked", b"Transfer-Encoding:\r\n chunked", b"Transfer-Encoding: \r\n\tchunked",
        b"Transfer-Encoding: chunked\r\n ", b"A: b\r\n Transfer-Encoding: chunked", b"Transfer-Encoding",
        b"Transfer Encoding: chunked", b"Transfer-Encoding; chunked", b"Transfer-Encoding= chunked",
        b"A: b\rTransfer-Encoding: chunked", b"A: b\nTransfer-Encoding: chunked", b": chunked", b"(x): chunked",
        b"Transfer-Encoding\xad: chunked", b'"Transfer-Encoding": chunked', b"Transfer-Encoding\x00: chunked",
        b"Transfer-Encoding:\x00chunked", b"Transfer-Encoding:\x0bchunked", b"Transfer-Encoding:\x0cchunked",
        b"Transfer-Encoding:\rchunked", b"Transfer-Encoding:\nchunked", b"A\r: b",
    ]  # fmt: skip
    for line in lines:
        yield f"te-line-{line!r}", post(line, b"Content-Length: 5", body=b"0\r\n\r\n")


def obscured_lengths() -> Iterator[tuple[str, bytes]]:
    values = [
        b"", b"+5", b"-5", b"-0", b"0x5", b"5x", b"5 5", b"5, 5", b"5,5", b"5,6", b"5,", b",5", b"5;", b"5.0", b"5e0",
        b"5_0", b'"5"', b"\xc2\xb5", b"\xb2", b"\xd9\xa5", b"5\x00", b"5\x0b", b"\x0c5", b"5\xa0", b"1" * 16, b"9" * 40,
        b"NaN", b"five", b"5\r\n 5", b"0\r\n\t5",
    ]  # fmt: skip
    for value in values:
        yield f"cl-value-{value!r}", post(b"Content-Length: " + value, body=b"12345")
    for line in (
        b"Content-Length : 5",
        b"Content-Length\t: 5",
        b" Content-Length: 5",
        b"Content-Length",
        b"Content Length: 5",
    ):
        yield f"cl-line-{line!r}", post(line, body=b"12345")


def control_characters() -> Iterator[tuple[str, bytes]]:
    for code in [*range(0x20), 0x7F]:
        char = bytes([code])
        if char != b"\t":
            yield f"value-with-{code:#04x}", post(b"A: b" + char + b"c", line=b"GET / HTTP/1.1")
        yield f"name-with-{code:#04x}", post(b"A" + char + b"B: c", line=b"GET / HTTP/1.1")
        yield f"target-with-{code:#04x}", post(line=b"GET /a" + char + b"b HTTP/1.1")
    for char in b'()<>@,;:\\"/[]?={} \xe4':
        if char != ord(":"):
            yield f"name-with-{char:#04x}", post(b"A" + bytes([char]) + b"B: c", line=b"GET / HTTP/1.1")


def line_ends() -> Iterator[tuple[str, bytes]]:
    lines = [b"GET / HTTP/1.1", HOST, b"A: b", b"", b""]
    yield "lf", b"\n".join(lines)
    yield "cr", b"\r".join(lines) + b"\r\n\r\n"
    yield "lf-cr", b"\n\r".join(lines)
    yield "cr-cr-lf", b"\r\r\n".join(lines)
    yield "lf-after-the-request-line", b"GET / HTTP/1.1\nHost: app\r\n\r\n"
    yield "lf-after-a-field", b"GET / HTTP/1.1\r\nHost: app\nA: b\r\n\r\n"
    yield "lf-at-the-end", b"GET / HTTP/1.1\r\nHost: app\n\n"
    yield "lf-last", b"GET / HTTP/1.1\r\nHost: app\r\n\n"
    yield "cr-last", b"GET / HTTP/1.1\r\nHost: app\r\n\r" + b"\r\n\r\n"
    yield "lf-first", b"\nGET / HTTP/1.1\r\nHost: app\r\n\r\n"
    yield "fold", post(b"A: b", b" c", line=b"GET / HTTP/1.1")
    yield "fold-first", b"GET / HTTP/1.1\r\n Host: app\r\n\r\n"
    yield "fold-empty", post(b"A: b", b" ", line=b"GET / HTTP/1.1")
    yield "no-colon", post(b"A", line=b"GET / HTTP/1.1")


def request_lines() -> Iterator[tuple[str, bytes]]:
    lines = [
        b"GET /", b"GET / ", b"GET  / HTTP/1.1", b"GET /  HTTP/1.1", b"GET\t/\tHTTP/1.1", b" GET / HTTP/1.1",
        b"GET / HTTP/1.1 ", b"GET / HTTP/1.1\t", b"GET / HTTP/1.1 HTTP/1.0", b"GET / http/1.1", b"GET / HTTP/1,1",
        b"GET / HTTP/01.1", b"GET / HTTP/1.01", b"GET / HTTP/1.10", b"GET / HTTP/1", b"GET / HTTP/-1.1",
        b"GET / HTTP/1.\xb9", b"GET / XTTP/1.1", b"GET / HTTPS/1.1", b"GET / HTTP /1.1", b"GET /a b HTTP/1.1",
        b"GE(T / HTTP/1.1", b"G\xc3\x8bT / HTTP/1.1", b"GET: / HTTP/1.1", b"/ HTTP/1.1", b"GET HTTP/1.1",
        b"GET http://app/ HTTP/1.1", b"GET http://other/ HTTP/1.1", b"GET HTTP://app HTTP/1.1", b"GET //[ HTTP/1.2",
        b"GET ftp://app/ HTTP/1.1", b"GET app/ HTTP/1.1", b"GET app:80 HTTP/1.1", b"GET @app/ HTTP/1.1",
        b"GET ?a HTTP/1.1", b"GET #a HTTP/1.1", b"GET /#a HTTP/1.1", b"GET * HTTP/1.1", b"POST * HTTP/1.1",
        b"GET \\ HTTP/1.1", b"CONNECT app:443 HTTP/1.1", b"CONNECT / HTTP/2.0", b"PRI * HTTP/2.0", b"GET / HTTP/0.9",
        b"GET / HTTP/1.2", b"GET / HTTP/2.0", b"GET / HTTP/3.0", b"GET / HTTP/9.9",
    ]  # fmt: skip
    for line in lines:
        yield f"line-{line!r}", post(line=line)


def hosts() -> Iterator[tuple[str, bytes]]:
    yield "no-host", b"GET / HTTP/1.1\r\nA: b\r\n\r\n"
    yield "two-hosts", post(b"Host: other", line=b"GET / HTTP/1.1")
    yield "two-equal-hosts", post(HOST, line=b"GET / HTTP/1.1")
    yield "two-hosts-http-1.0", post(b"Host: other", line=b"GET / HTTP/1.0")
    for host in (
        b"a b",
        b"a\tb",
        b"a,b",
        b"a/b",
        b"a?b",
        b"a#b",
        b"a@b",
        b"a:b",
        b"a:80:80",
        b"[::1",
        b"a\\b",
        b"\xe4",
    ):
        yield f"host-{host!r}", b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"


ROWS = dict(rows())


async def sent_to(port: int, data: bytes) -> bytes:
    """All that comes back before the connection is closed; it must be."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        async with asyncio.timeout(PATIENCE_S):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def test_the_table_is_as_long_as_it_was() -> None:
    assert len(ROWS) >= 300


async def test_none_of_them_reaches_the_app() -> None:
    async with upstream(answering(ok(b"reached"))) as app, proxied(app.port) as sidecar:
        for name, data in ROWS.items():
            answer = await sent_to(sidecar.port, data + SMUGGLED)
            assert re.match(rb"HTTP/1\.1 (400|501|505) [^\r]+\r\n", answer), (name, answer)
            assert answer.count(b"HTTP/1.1 ") == 1, (name, answer)
            assert b"\r\nconnection: close\r\n" in answer, (name, answer)
            assert app.accepted == 0, name
        assert (await ask(sidecar.port, get())).body == b"reached"


async def test_nor_does_one_that_comes_byte_by_byte() -> None:
    async with upstream(answering(ok())) as app, proxied(app.port) as sidecar:
        for name in ("cl-te", "lf", "te-line-b'Transfer-Encoding : chunked'", "value-with-0x00", "two-hosts"):
            reader, writer = await asyncio.open_connection("127.0.0.1", sidecar.port)
            for at in range(len(ROWS[name])):
                writer.write(ROWS[name][at : at + 1])
                await writer.drain()
                await asyncio.sleep(0)
            async with asyncio.timeout(PATIENCE_S):
                assert re.match(rb"HTTP/1\.1 400 ", await reader.read()), name
            writer.close()
        assert app.accepted == 0


CHUNKS = [
    b"x\r\n", b"\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"+5\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n",
    b" 5\r\nhello\r\n0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n", b"5\nhello\n0\n\n", b"5\rhello\r\n0\r\n\r\n",
    b"5\r\nhello0\r\n\r\n", b"5\r\nhelloX\r\n0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n", b"5\r\nhello\r0\r\n\r\n",
    b"5_\r\nhello\r\n0\r\n\r\n", b"5;\nX\r\nhello\r\n0\r\n\r\n", b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    b"5;\x00\r\nhello\r\n0\r\n\r\n", b"ffffffffffffffff\r\nhello", b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    b"5;" + b"a" * 5000 + b"\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\n\n", b"5\r\nhello\r\n0\r\nA : b\r\n\r\n",
    b"5\r\nhello\r\n0\r\nA: b\nC: d\r\n\r\n", b"5\r\nhello\r\n0\r\n A: b\r\n\r\n",
    b"5\r\nhello\r\n0\r\nA\x00: b\r\n\r\n",
    b"5\r\nhello\r\n0\r\nno colon\r\n\r\n", b"5\r\nhello\r\n0\r\n" + b"a: b\r\n" * 200 + b"\r\n",
    b"\xef\xbc\x95\r\nhello\r\n0\r\n\r\n", b"5,5\r\nhello\r\n0\r\n\r\n",
]  # fmt: skip


@pytest.mark.parametrize("chunks", CHUNKS, ids=[repr(chunks[:30]) for chunks in CHUNKS])
async def test_a_body_that_ends_nobody_knows_where_never_ends_for_the_app(chunks: bytes) -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        bodies.append(await reader.read())

    bodies: list[bytes] = []
    async with upstream(handler) as app, proxied(app.port) as sidecar:
        answer = await sent_to(sidecar.port, post(b"Transfer-Encoding: chunked", body=chunks + SMUGGLED))
        assert re.match(rb"HTTP/1\.1 400 ", answer)
        assert answer.count(b"HTTP/1.1 ") == 1
        await app.until(lambda state: state.open == 0)
        assert len(app.heads) <= 1
        assert all(not body.endswith(b"0\r\n\r\n") and b"smuggled" not in body for body in bodies)


CHUNKED, HELLO = b"Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("lines", "sent", "received"),
    [
        pytest.param([b"Transfer-Encoding:chunked"], HELLO, HELLO, id="no-blank"),
        pytest.param([b"transfer-ENCODING: \t ChunKed \t"], b"0\r\n\r\n", b"0\r\n\r\n", id="blanks-and-case"),
        pytest.param([CHUNKED], b"005;a=b\r\nhello\r\n000\r\n\r\n", HELLO, id="zeros"),
        pytest.param([CHUNKED], b"0\r\nX-Id: 1\r\n\r\n", b"0\r\n\r\n", id="trailers-of-a-stranger"),
        pytest.param([b"Content-Length: 005"], b"hello", b"hello", id="length-with-zeros"),
    ],
)
async def test_what_is_odd_but_clear_arrives_in_plain_form(lines: list[bytes], sent: bytes, received: bytes) -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        bodies.append(await reader.readexactly(len(received)))
        writer.write(ok())
        await reader.read()

    bodies: list[bytes] = []
    async with upstream(handler) as app, proxied(app.port) as sidecar:
        assert (await ask(sidecar.port, post(*lines, body=sent))).status == 200
        assert bodies == [received]
        head = app.heads[0].lower()
        framing = [line for line in head.split(b"\r\n") if line.startswith((b"content-length", b"transfer-encoding"))]
        assert framing in ([b"transfer-encoding: chunked"], [b"content-length: 5"])
