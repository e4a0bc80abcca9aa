"""What only a WebSocket that passes untouched does; what it has in common with others is in test_proxy_websocket.py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from proxy_harness import (
    PATIENCE_S,
    Handler,
    Response,
    Sidecar,
    Upstream,
    ask,
    client,
    get,
    once,
    proxied,
    reset_on_close,
    upstream,
)
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from portal_gateway.http11.limits import ClientLimits
from portal_gateway.http11.tunnel import close_frame
from portal_gateway.http11.websocket import websocket_protocol

MB = 1024 * 1024
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = get(
    b"/", b"upgrade: websocket", b"connection: upgrade", b"sec-websocket-version: 13", b"sec-websocket-key: " + KEY
)
SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
HELLO = Frame(Opcode.TEXT, b"hello").serialize(mask=False)


def tunnelled(port: int) -> AbstractAsyncContextManager[Sidecar]:
    return proxied(port, ws=websocket_protocol(ClientLimits(send_s=0.5)))


@asynccontextmanager
async def app_behind(handler: Callable[[ServerConnection], Awaitable[None]], **options: Any) -> AsyncIterator[Sidecar]:
    async with serve(handler, "127.0.0.1", 0, **options) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with tunnelled(port) as sidecar:
            yield sidecar


def browser(sidecar: Sidecar, **options: Any) -> connect:
    return connect(f"ws://127.0.0.1:{sidecar.port}/", proxy=None, **options)


async def switched(sidecar: Sidecar, handshake: bytes = HANDSHAKE) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", sidecar.port)
    writer.write(handshake)
    async with asyncio.timeout(PATIENCE_S):
        head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    return reader, writer


async def test_compression_and_pings_are_between_browser_and_app() -> None:
    async def handler(connection: ServerConnection) -> None:
        extensions.append([extension.name for extension in connection.protocol.extensions])
        await (await connection.ping(b"from the app"))
        answered.set()
        await connection.wait_closed()

    extensions: list[list[str]] = []
    answered = asyncio.Event()
    async with app_behind(handler) as sidecar, browser(sidecar, ping_interval=None) as socket:
        await (await socket.ping(b"from the browser"))
        await answered.wait()
        assert extensions == [["permessage-deflate"]]


async def test_a_message_is_as_long_as_the_app_likes() -> None:
    async def handler(connection: ServerConnection) -> None:
        await connection.send(b"x" * (20 * MB))

    async with app_behind(handler, compression=None) as sidecar, browser(sidecar, max_size=None) as socket:
        assert len(await socket.recv()) == 20 * MB


async def test_what_comes_with_the_handshake_is_not_lost() -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        writer.write(SWITCHING + HELLO)
        seen.set_result(await reader.readexactly(len(early)))

    early = Frame(Opcode.TEXT, b"early").serialize(mask=True)
    seen: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    async with upstream(handler) as app, tunnelled(app.port) as sidecar:
        reader, writer = await switched(sidecar, HANDSHAKE + early)
        assert await reader.readexactly(len(HELLO)) == HELLO
        assert await seen == early
        writer.close()


async def test_an_interim_response_may_come_first() -> None:
    async with (
        upstream(once(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + SWITCHING)) as app,
        tunnelled(app.port) as sidecar,
    ):
        _, writer = await switched(sidecar)
        writer.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 403 No\r\ncontent-length: 7\r\n\r\ngo away",
        b"HTTP/1.1 403 No\r\ntransfer-encoding: chunked\r\n\r\n7\r\ngo away\r\n0\r\n\r\n",
        b"HTTP/1.1 403 No\r\n\r\ngo away",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\r\ncontent-length: 7\r\n\r\ngo away",
    ],
    ids=["length", "chunks", "until-the-end", "after-100"],
)
async def test_a_refusal_is_passed_on(answer: bytes) -> None:
    async with upstream(in_pieces(answer)) as app, tunnelled(app.port) as sidecar:
        response = await ask(sidecar.port, HANDSHAKE)
        await app.until(lambda state: state.open == 0)
    assert (response.status, response.body, response.broken) == (403, b"go away", False)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 403 No\r\ncontent-length: 7\r\n\r\ngo",
        b"HTTP/1.1 403 No\r\ncontent-length: %d\r\n\r\n" % (2 * MB) + b"x" * (2 * MB),
        b"HTTP/1.1 101 X\r\nx: " + b"x" * 100_000,
        b"HTTP/1.1 101 X\r\nx y\r\n\r\n",
        b"HTTP/1.1 103 X\r\nlink: </a>\r\n\r\n",
        b"HTTP/1",
    ],
    ids=["cut-off", "too-long", "head-too-long", "malformed", "only-interim", "a-word"],
)
async def test_an_answer_that_is_none_is_a_502(answer: bytes) -> None:
    async with upstream(once(answer)) as app, tunnelled(app.port) as sidecar:
        response: Response = await ask(sidecar.port, HANDSHAKE)
        await app.until(lambda state: state.open == 0)
    assert response.status == 502


async def test_a_browser_that_does_not_wait_frees_the_app() -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        await reader.read()

    async with upstream(handler) as app, tunnelled(app.port) as sidecar:
        async with client(sidecar.port) as waiting:
            waiting.write(HANDSHAKE)
            await app.until(lambda state: bool(state.heads))
        await app.until(lambda state: state.open == 0)


async def test_a_browser_that_takes_nothing_is_given_up() -> None:
    async def handler(connection: ServerConnection) -> None:
        try:
            while True:
                await connection.send(b"x" * MB)
        except ConnectionClosed:
            over.set()

    over = asyncio.Event()
    async with app_behind(handler, compression=None) as sidecar:
        _, writer = await switched(sidecar)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(PATIENCE_S):
            await over.wait()
        writer.transport.abort()


@pytest.mark.parametrize("resets", [True, False])
async def test_the_end_of_the_app_is_that_of_the_browser(resets: bool) -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        writer.write(SWITCHING + HELLO)
        await reader.readexactly(1)
        if resets:
            reset_on_close(writer)

    async with upstream(handler) as app, tunnelled(app.port) as sidecar:
        reader, writer = await switched(sidecar)
        await reader.readexactly(len(HELLO))
        writer.write(b"x")
        async with asyncio.timeout(PATIENCE_S):
            assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize(
    ("last", "told"),
    [(HELLO, HELLO + close_frame(1012, masked=False)), (HELLO[:-1], HELLO[:-1])],
    ids=["between-frames", "within-a-frame"],
)
async def test_a_stop_is_told_where_it_can_be(last: bytes, told: bytes) -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        writer.write(SWITCHING + last)
        seen.set_result(await reader.read())

    seen: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    async with upstream(handler) as app:
        async with tunnelled(app.port) as sidecar:
            reader, writer = await switched(sidecar)
            assert await reader.readexactly(len(last)) == last
        assert last + await reader.read() == told
        frame = await seen
        assert (frame[:2], len(frame)) == (b"\x88\x82", 8)
        writer.close()


async def test_a_stop_does_not_wait_for_an_app_that_says_nothing() -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        await reader.read()

    async with upstream(handler) as app:
        async with tunnelled(app.port) as sidecar, asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", sidecar.port)
            writer.write(HANDSHAKE)
            await app.until(lambda state: bool(state.heads))
        assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
        writer.close()


def in_pieces(data: bytes) -> Handler:
    """Each byte of an answer comes by itself."""

    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        for byte in data:
            writer.write(bytes([byte]))
            await asyncio.sleep(0)

    return handler
