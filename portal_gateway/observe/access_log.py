"""One line per request, without query strings: they may hold tokens, and uvicorn's own log prints them."""

from __future__ import annotations

import logging
import time
from urllib.parse import quote

from portal_gateway.wire.asgi import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger("portal_gateway.access")


class AccessLog:
    """Logs method, path, status and milliseconds of each http request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0
        began = time.perf_counter()

        async def relay(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, relay)
        finally:
            spent_ms = (time.perf_counter() - began) * 1000
            # Quoted: a path with a line break must not write a line of its own.
            logger.info("%s %s %d %.1fms", scope["method"], quote(scope["path"]), status, spent_ms)
