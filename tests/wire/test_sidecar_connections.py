"""Clients' connections: one request after the other, interim responses and trailers, and what time-outs end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from proxy_harness import (
    LOOPBACK,
    PATIENCE_S,
    Upstream,
    answering,
    ask,
    client,
    get,
    ok,
    once,
    proxied,
    serving,
    upstream,
)
from websockets.asyncio.server import ServerConnection, serve

from portal_gateway.http11.connection import http11_protocol
from portal_gateway.http11.limits import ClientLimits

pytestmark = pytest.mark.usefixtures("both_ways")

MB = 1024 * 1024
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n"


@asynccontextmanager
async def raw(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield reader, writer
    finally:
        writer.close()


async def exchanged(port: int, data: bytes) -> bytes:
    """All that comes back until the server closes."""
    async with raw(port) as (reader, writer):
        writer.write(data)
        return await reader.read()


async def echo_target(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        head = await state.read_head(reader)
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
        writer.write(ok(head.split(b" ")[1] + b" " + await reader.readexactly(length)))


# One after the other.


async def test_requests_sent_at_once_are_answered_in_their_order() -> None:
    async with upstream(echo_target) as app, proxied(app.port) as sidecar:
        first = get(b"/1", b"content-length: 5", method=b"POST") + b"hello"
        others = get(b"/2") + b"\r\n" + get(b"/3") + get(b"/4", b"connection: close")
        text = await exchanged(sidecar.port, first + others)
        assert [part[:8] for part in text.split(b"\r\n\r\n")[1:]] == [b"/1 hello", b"/2 HTTP/", b"/3 HTTP/", b"/4 "]
        assert app.accepted == 1


async def test_many_requests_ahead_of_their_turn_hold_the_client_back() -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await state.read_head(reader)
            await opened.wait()
            writer.write(ok(b"x"))

    opened, count = asyncio.Event(), 20_000
    async with upstream(handler) as app, proxied(app.port) as sidecar, raw(sidecar.port) as (_, writer):
        transport = writer.transport
        transport.set_write_buffer_limits(0)
        writer.write(get(b"/" + b"a" * 1000) * count)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await writer.drain()
        assert len(app.heads) == 1
        assert transport.get_write_buffer_size() > 0
        transport.abort()
        opened.set()


@pytest.mark.parametrize("request_", [get(b"/", b"connection: close"), b"GET / HTTP/1.0\r\n\r\n"])
async def test_a_connection_ends_with_the_response_if_the_client_wants_it(request_: bytes) -> None:
    async with upstream(answering(ok())) as app, proxied(app.port) as sidecar:
        answer = await exchanged(sidecar.port, request_)
        assert answer.endswith(b"\r\nconnection: close\r\n\r\nok")


async def test_http_1_0_gets_no_chunks_and_no_interim_responses() -> None:
    answer = b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n" + CHUNKED + b"\r\n3\r\nabc\r\n0\r\n\r\n"
    async with upstream(answering(answer)) as app, proxied(app.port) as sidecar:
        head, _, body = (await exchanged(sidecar.port, b"GET / HTTP/1.0\r\n\r\n")).partition(b"\r\n\r\n")
        assert head == b"HTTP/1.1 200 OK\r\nconnection: close"
        assert body == b"abc"


async def test_half_a_body_that_ends_with_the_connection_does_not_look_whole() -> None:
    async with upstream(once(CHUNKED + b"\r\n3\r\nabc\r\n")) as app, proxied(app.port) as sidecar:
        with pytest.raises(ConnectionResetError):
            await exchanged(sidecar.port, b"GET / HTTP/1.0\r\n\r\n")


@pytest.mark.parametrize("target", [b"/?", b"/a?", b"//?", "/ü?ä".encode(), b"/%%%"])
async def test_odd_targets_arrive_byte_for_byte(target: bytes) -> None:
    async with upstream(answering(ok())) as app, proxied(app.port) as sidecar:
        assert (await ask(sidecar.port, get(target))).status == 200
        assert app.heads[0].split(b"\r\n")[0] == b"GET " + target + b" HTTP/1.1"


@pytest.mark.parametrize("method", [b"M-SEARCH", b"get", b"VERSION-CONTROL", b"X"])
async def test_all_methods_pass(method: bytes) -> None:
    async with upstream(answering(ok())) as app, proxied(app.port) as sidecar:
        assert (await ask(sidecar.port, get(method=method))).status == 200
        assert app.heads[0].startswith(method + b" / ")


async def test_the_server_itself_can_be_asked_for_its_options() -> None:
    async with upstream(answering(ok())) as app, proxied(app.port) as sidecar:
        assert (await ask(sidecar.port, get(b"*", method=b"OPTIONS"))).status == 200
        assert app.heads[0].startswith(b"OPTIONS * HTTP/1.1\r\n")


# What goes with a response.


async def test_early_hints_come_early() -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: x\r\nX: 1\r\n\r\n")
        await seen.wait()
        writer.write(ok())

    seen = asyncio.Event()
    async with upstream(handler) as app, proxied(app.port) as sidecar, client(sidecar.port) as browser:
        browser.write(get())
        async with asyncio.timeout(PATIENCE_S):
            hints = await browser.reader.readuntil(b"\r\n\r\n")
        assert hints == b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n"
        seen.set()
        assert (await browser.response()).body == b"ok"


async def test_a_100_that_nobody_waits_for_is_kept_from_the_client() -> None:
    async with upstream(answering(b"HTTP/1.1 100 Continue\r\n\r\n" + ok())) as app, proxied(app.port) as sidecar:
        assert (await exchanged(sidecar.port, get(b"/", b"connection: close"))).startswith(b"HTTP/1.1 200")


async def test_announced_trailers_of_a_response_arrive() -> None:
    head = CHUNKED + b"Trailer: X-Sum, Set-Cookie, Content-Length\r\n\r\n3\r\nabc\r\n0\r\n"
    trailers = b"X-Sum: 1\r\nX-Other: 2\r\nSet-Cookie: a=1\r\nContent-Length: 5\r\n\r\n"
    async with (
        upstream(answering(head + trailers)) as app,
        proxied(app.port) as sidecar,
        client(sidecar.port) as browser,
    ):
        for _ in range(2):
            browser.writer.write(get())
            async with asyncio.timeout(PATIENCE_S):
                answer = await browser.reader.readuntil(b"abc\r\n0\r\n")
                rest = await browser.reader.readuntil(b"\r\n\r\n")
            assert b"\r\ntrailer: x-sum\r\n" in answer
            assert rest == b"x-sum: 1\r\n\r\n"
        assert app.accepted == 1


@pytest.mark.parametrize("believed", [True, False])
async def test_trailers_of_a_request_arrive_if_the_peer_is_believed(believed: bool) -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        bodies.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(ok())
        await reader.read()

    bodies: list[bytes] = []
    trust: dict[str, Any] = {"trusted": LOOPBACK} if believed else {}
    async with upstream(handler) as app, proxied(app.port, **trust) as sidecar:
        request = get(b"/", b"transfer-encoding: chunked", b"trailer: x-sum, host, x-forwarded-for", method=b"PUT")
        body = b"3\r\nabc\r\n0\r\nX-Sum: 1\r\nX-Other: 2\r\nHost: b\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"
        assert (await ask(sidecar.port, request + body)).status == 200
        assert (b"\r\ntrailer: " in app.heads[0]) is believed
        assert bodies == [b"3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n" if believed else b"3\r\nabc\r\n0\r\n\r\n"]


HANDSHAKE = get(
    b"/",
    b"connection: Upgrade",
    b"upgrade: websocket",
    b"sec-websocket-version: 13",
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
)


async def test_a_websocket_after_a_request_on_the_same_connection() -> None:
    async def greet(connection: ServerConnection) -> None:
        await connection.send("hello")
        await connection.wait_closed()

    async with (
        serve(greet, "127.0.0.1", 0) as server,
        proxied(next(iter(server.sockets)).getsockname()[1]) as sidecar,
        raw(sidecar.port) as (reader, writer),
    ):
        writer.write(get(b"/", b"content-length: 0") + HANDSHAKE)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 426 ")  # not without an upgrade
        await reader.readuntil(b"HTTP/1.1 101 Switching Protocols\r\n")
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(7) == b"\x81\x05hello"


# Too much, too late.


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(get(b"/" + b"a" * 300), 414, id="target"),
        pytest.param(b"GET /" + b"a" * 1000, 414, id="endless-target"),
        pytest.param(get(b"/", b"a: " + b"b" * 1000), 431, id="head"),
        pytest.param(b"GET / HTTP/1.1\r\nhost: a\r\na: " + b"b" * 2000, 431, id="endless-head"),
        pytest.param(get(b"/", *[b"a: b"] * 10), 431, id="fields"),
    ],
)
async def test_what_is_too_long_is_told_so(request_: bytes, status: int) -> None:
    limits = ClientLimits(target_bytes=200, head_bytes=900, fields=10)
    async with upstream(answering(ok())) as app, proxied(app.port, clients=limits) as sidecar:
        assert (await exchanged(sidecar.port, request_)).startswith(b"HTTP/1.1 %d " % status)
        assert app.accepted == 0


@pytest.mark.parametrize(
    "beginning",
    [b"G", b"GET / HTTP/1.1\r\nhost: a\r\n", get() + b"GET /"],
    ids=["one-byte", "half-a-head", "half-a-second-head"],
)
async def test_a_head_that_does_not_come_in_time_is_a_408(beginning: bytes) -> None:
    async with upstream(answering(ok())) as app, proxied(app.port, clients=ClientLimits(head_s=0.2)) as sidecar:
        assert b"HTTP/1.1 408 Request Timeout\r\n" in await exchanged(sidecar.port, beginning)


async def test_bytes_now_and_then_do_not_make_a_head_come_in_time() -> None:
    async with (
        upstream(answering(ok())) as app,
        proxied(app.port, clients=ClientLimits(head_s=0.5)) as sidecar,
        raw(sidecar.port) as (reader, writer),
    ):
        writer.write(b"GET / HTTP/1.1\r\n")
        answer = asyncio.create_task(reader.read())
        began = time.monotonic()
        while not answer.done():
            writer.write(b"a: b\r\n")
            await asyncio.sleep(0.05)
        assert (await answer).startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - began < PATIENCE_S / 2
        assert app.accepted == 0


@pytest.mark.parametrize("requests", [b"", get()], ids=["before-any-request", "between-requests"])
async def test_an_idle_connection_is_closed_without_a_word(requests: bytes) -> None:
    async with upstream(answering(ok())) as app, proxied(app.port, clients=ClientLimits(keep_alive_s=0.2)) as sidecar:
        answer = await exchanged(sidecar.port, requests)
        assert answer.count(b"HTTP/1.1 ") == bool(requests)


async def test_a_body_that_stalls_is_a_408_and_frees_the_upstream() -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        await reader.read()

    async with upstream(handler) as app, proxied(app.port, clients=ClientLimits(body_s=0.2)) as sidecar:
        request = get(b"/", b"content-length: 10", method=b"POST") + b"hello"
        assert (await exchanged(sidecar.port, request)).startswith(b"HTTP/1.1 408 ")
        await app.until(lambda state: state.open == 0)


async def test_a_body_may_take_as_long_as_it_likes_if_it_keeps_coming() -> None:
    async with (
        upstream(echo_target) as app,
        proxied(app.port, clients=ClientLimits(body_s=0.6)) as sidecar,
        client(sidecar.port) as browser,
    ):
        browser.write(get(b"/", b"content-length: 10", method=b"POST"))
        for _ in range(10):
            await asyncio.sleep(0.1)
            browser.write(b"x")
        assert (await browser.response()).body == b"/ " + b"x" * 10


async def test_a_client_that_is_not_asked_for_its_body_is_not_late() -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        await asyncio.sleep(0.7)
        writer.write(ok(b"no", status=b"417 Expectation Failed"))

    limits = ClientLimits(body_s=0.2)
    async with upstream(handler) as app, proxied(app.port, clients=limits) as sidecar:
        request = get(b"/", b"expect: 100-continue", b"content-length: 4", method=b"POST")
        assert (await ask(sidecar.port, request)).status == 417


async def test_a_client_that_takes_nothing_of_a_response_is_cut_off() -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * MB)
            await writer.drain()

    async with (
        upstream(handler) as app,
        proxied(app.port, clients=ClientLimits(send_s=0.3)) as sidecar,
        raw(sidecar.port) as (reader, writer),
    ):
        writer.write(get())
        await reader.readuntil(b"\r\n\r\n")
        await app.until(lambda state: state.open == 0)
        assert sidecar.pool.busy_count == 0


async def test_an_answer_before_the_end_of_an_upload_is_seen_by_a_client_that_only_reads_then() -> None:
    answer = ok(b"too much", b"connection: close", status=b"413 Content Too Large")
    async with upstream(once(answer)) as app, proxied(app.port) as sidecar, raw(sidecar.port) as (reader, writer):
        writer.write(get(b"/", b"content-length: %d" % (4 * MB), method=b"PUT") + b"x" * 4 * MB)
        await writer.drain()
        text = await reader.read()
        assert text.startswith(b"HTTP/1.1 413 ")
        assert text.endswith(b"too much")


async def test_what_nobody_reads_is_not_waited_for_for_long() -> None:
    async def keep_writing(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"more")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with (
        upstream(answering(ok())) as app,
        proxied(app.port, clients=ClientLimits(linger_s=0.2)) as sidecar,
        raw(sidecar.port) as (reader, writer),
    ):
        writer.write(b"no http\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        with pytest.raises(ConnectionError):
            await keep_writing(writer)


# Apps that fail, and the server's end.


async def test_an_app_that_fails_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/fails":
            raise ValueError("a fault")

    async with serving(app, http=http11_protocol(), lifespan="off") as port:
        for path in (b"/fails", b"/says-nothing"):
            assert (await exchanged(port, get(path))).startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["a fault"]


START = {"type": "http.response.start", "status": 200}


@pytest.mark.parametrize(
    ("messages", "status"),
    [
        pytest.param([{"type": "http.response.body"}], 500, id="body-first"),
        pytest.param([{**START, "headers": [(b"a", b"b\r\nc: d")]}], 500, id="split"),
        pytest.param([{**START, "headers": [(b"a b", b"c")]}], 500, id="bad-name"),
        pytest.param([{**START, "status": 99}], 500, id="no-status"),
        pytest.param(
            [{**START, "headers": [(b"content-length", b"5")]}, {"type": "http.response.body", "body": b"longer"}],
            None,
            id="longer-than-said",
        ),
    ],
)
async def test_what_an_app_must_not_send_is_not_sent(messages: list[Any], status: int | None) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    async with serving(app, http=http11_protocol(), lifespan="off") as port:
        answer = await exchanged(port, get())
        assert b"c: d" not in answer
        assert b"longer" not in answer
        assert answer.startswith(b"" if status is None else b"HTTP/1.1 %d " % status)


async def test_at_the_end_idle_connections_close_and_responses_are_finished() -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        await stopping.wait()
        await asyncio.sleep(0.1)
        writer.write(ok())
        await reader.read()

    stopping = asyncio.Event()
    async with upstream(handler) as app:
        async with proxied(app.port) as sidecar:
            idle_reader, idle = await asyncio.open_connection("127.0.0.1", sidecar.port)
            busy_reader, busy = await asyncio.open_connection("127.0.0.1", sidecar.port)
            busy.write(get())
            await app.until(lambda state: len(state.heads) == 1)
            stopping.set()
        async with asyncio.timeout(PATIENCE_S):
            assert await idle_reader.read() == b""
            answer = await busy_reader.read()
        assert answer.endswith(b"\r\nconnection: close\r\n\r\nok")
        idle.close()
        busy.close()
