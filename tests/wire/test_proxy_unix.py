"""An app that listens on a Unix socket."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from proxy_harness import PATIENCE_S, ask, get, ok, proxied
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, unix_serve

pytestmark = pytest.mark.usefixtures("both_ways")


async def test_requests_go_to_the_socket_and_its_connection_is_kept(tmp_path: Path) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(writer)
        while head := await reader.readuntil(b"\r\n\r\n"):
            heads.append(head)
            writer.write(ok(b"over a socket"))

    heads: list[bytes] = []
    accepted: list[asyncio.StreamWriter] = []
    path = tmp_path / "app.sock"
    async with await asyncio.start_unix_server(handler, path), proxied(f"unix:{path}") as sidecar:
        for _ in range(2):
            assert (await ask(sidecar.port, get(b"/a"))).body == b"over a socket"
        await ask(sidecar.port, b"GET /old HTTP/1.0\r\n\r\n")
        assert len(accepted) == 1
        assert heads[0].startswith(b"GET /a HTTP/1.1\r\nhost: app.acme.com\r\n")
        assert heads[2].startswith(b"GET /old HTTP/1.1\r\nhost: localhost\r\n")
        accepted[0].close()


async def test_websockets_too(tmp_path: Path) -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    path = tmp_path / "app.sock"
    async with (
        unix_serve(echo, str(path)),
        proxied(f"unix:{path}") as sidecar,
        connect(f"ws://127.0.0.1:{sidecar.port}/", proxy=None) as socket,
        asyncio.timeout(PATIENCE_S),
    ):
        await socket.send("hello")
        assert await socket.recv() == "hello"


async def test_no_socket_is_a_502(tmp_path: Path) -> None:
    async with proxied(f"unix:{tmp_path}/none.sock") as sidecar:
        response = await ask(sidecar.port, get())
        assert (response.status, response.values(b"x-error")) == (502, [b"upstream_unavailable"])
