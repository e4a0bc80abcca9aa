"""Autobahn's WebSocket test suite at either end: the client of an echo server, or the server of an echoing client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from processes import PATIENCE_S, Process, running_process
from upstreams_kit import SOURCES, python
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

_PROGRAM = str(SOURCES / "autobahn_cases.py")
# The longest message of the cases, and what the sidecar lets pass.
_MESSAGE_BYTES = 16 * 1024 * 1024

# With these a library fails a connection, and gives a reason in words of its own.
_FAILED = (1002, 1007, 1009)

# What was observed, by case.
Report = dict[str, dict[str, Any]]


async def echo(connection: ServerConnection | ClientConnection) -> None:
    """Send back each message, of however many fragments (`recv` takes up to 4096), until the connection closes."""
    with suppress(ConnectionClosed):
        while True:
            parts: list[Any] = [part async for part in connection.recv_streaming()]
            await connection.send(type(parts[0])().join(parts))


@asynccontextmanager
async def echo_server() -> AsyncIterator[str]:
    async with serve(echo, "127.0.0.1", 0, max_size=_MESSAGE_BYTES, ping_interval=None, close_timeout=1) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"http://127.0.0.1:{port}"


async def report_on_server(url: str, *cases: str) -> Report:
    """What Autobahn's client observes of the echo server at `url`."""
    async with running_process(python(), _PROGRAM, url.replace("http:", "ws:"), *cases) as process:
        return await _report(process)


@asynccontextmanager
async def running_cases(*cases: str) -> AsyncIterator[tuple[Process, str]]:
    """Autobahn's server: its process, and where it is."""
    async with running_process(python(), _PROGRAM, "serve", *cases) as process:
        yield process, f"http://127.0.0.1:{int(await process.line())}"


async def report_on_client(process: Process, url: str) -> Report:
    """What the server of `running_cases` observes of a client that echoes, at the server itself or at a proxy."""

    async def step(target: str) -> list[Any]:
        options: dict[str, Any] = {"proxy": None, "ping_interval": None, "max_size": _MESSAGE_BYTES, "close_timeout": 1}
        heard: list[Any] = []
        async with connect(url.replace("http:", "ws:") + target, **options) as connection:
            if target.startswith("/runCase"):
                await echo(connection)
            else:
                with suppress(ConnectionClosed):
                    heard.append(await connection.recv())
        return heard

    async def case(number: int) -> None:
        async with several_at_once:
            await step(f"/runCase?case={number}&agent=it")

    several_at_once = asyncio.Semaphore(16)
    (count,) = await step("/getCaseCount")
    await asyncio.gather(*(case(number + 1) for number in range(int(count))))
    await step("/updateReports?agent=it")
    return await _report(process)


async def _report(process: Process) -> Report:
    assert process.process.stdout is not None
    async with asyncio.timeout(2 * PATIENCE_S):
        lines = (await process.process.stdout.read()).splitlines()
    assert await process.ended() == 0, process.log
    report: Report = dict(json.loads(line) for line in lines)
    for seen in report.values():
        if seen["code"] in _FAILED:
            del seen["reason"]
    return report
