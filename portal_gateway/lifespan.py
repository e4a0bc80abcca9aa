"""Lifespan: the host app's own passes through, and the gateway closes with it.

https://asgi.readthedocs.io/en/stable/specs/lifespan.html: an app that does not know the protocol raises; then the
server is answered in its place, so that the gateway still learns of the shutdown. The gateway needs no start.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from portal_gateway.wire.asgi import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger("portal_gateway")


class Lifespan:
    """One run of the lifespan protocol."""

    def __init__(self, app: ASGIApp, close: Callable[[], Awaitable[None]]) -> None:
        self._app = app
        self._close = close
        self._startup_received = False
        self._startup_answered = False
        self._closed = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def relay_receive() -> Message:
            message = await receive()
            self._startup_received = True
            return message

        async def relay_send(message: Message) -> None:
            self._startup_answered = True
            if not message["type"].startswith("lifespan.startup.complete"):
                await self._close_once()
            await send(message)

        try:
            await self._app(scope, relay_receive, relay_send)
        except Exception as error:
            if self._startup_answered:
                raise
            logger.info("the app does not take part in lifespan (%s)", type(error).__name__)
        finally:
            if self._startup_answered:
                await self._close_once()
        if not self._startup_answered:
            await self._answer_alone(receive, send)

    async def _answer_alone(self, receive: Receive, send: Send) -> None:
        if not self._startup_received:
            await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._close_once()
        await send({"type": "lifespan.shutdown.complete"})

    async def _close_once(self) -> None:
        if not self._closed:
            self._closed = True
            await self._close()
