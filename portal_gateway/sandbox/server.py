"""Serves an ASGI app inside this process, on a real socket, for as long as a `with` block lasts."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from starlette.types import ASGIApp

from portal_gateway.listening import base_url, listen

GRACEFUL_SHUTDOWN_S = 2  # a client that still hangs then is cut off


class _Server(uvicorn.Server):
    """uvicorn that says when it is ready, leaves signals to its host, and never exits the process."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        with contextlib.suppress(SystemExit):
            await super().startup(sockets=sockets)
        if not self.started:
            raise RuntimeError("the app's lifespan start-up failed")
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def running(app: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve `app` and yield its base URL; port 0 chooses a free one.

    Raises AddressTaken at once when it is, RuntimeError when the app's lifespan start-up fails.
    """
    with listen(host, port) as listener:
        async with serving(app, listener):
            yield base_url(listener)


@contextlib.asynccontextmanager
async def serving(app: ASGIApp, listener: socket.socket) -> AsyncIterator[None]:
    """Serve `app` on a socket that listens already. Raises RuntimeError when the app's lifespan start-up fails."""
    server = _Server(_config(app))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    ready = asyncio.create_task(server.ready.wait())
    try:
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        yield
    finally:
        ready.cancel()
        server.should_exit = True
        await task


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        log_level="critical",
        access_log=False,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_S,
    )
