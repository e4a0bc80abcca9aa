"""The reverse proxy as an ASGI app: whatever is asked of it, it asks its one upstream."""

from __future__ import annotations

from collections.abc import Awaitable

from portal_gateway.proxy.connection import StaleConnection
from portal_gateway.proxy.exchange import ClientLeft, Exchange
from portal_gateway.proxy.headers import upstream_request
from portal_gateway.proxy.limits import Limits, Timeouts
from portal_gateway.proxy.origin import Origin
from portal_gateway.proxy.pool import ConnectionPool
from portal_gateway.proxy.websocket import WebSocketRelay
from portal_gateway.wire.asgi import Receive, Scope, Send
from portal_gateway.wire.trust import TrustedPeers


class UpstreamProxy:
    """Relays http and websocket scopes to `upstream`, an http or https URL without a path.

    Headers of `trusted` peers about the client are believed and passed on; those of others are replaced.

    Raises MalformedRequest, UpstreamUnavailable or UpstreamTimeout for http scopes. Before the response has
    started the caller renders them; after that it leaves the response unfinished, so that the server breaks
    the connection. A caller that returns then, instead of raising, keeps uvicorn from printing a stack trace.
    """

    def __init__(
        self,
        upstream: str,
        *,
        trusted: TrustedPeers,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 (frozen)
        limits: Limits = Limits(),  # noqa: B008
    ) -> None:
        self._origin = Origin.parse(upstream)
        self._trusted = trusted
        self._timeouts = timeouts
        self._limits = limits
        self.pool = ConnectionPool(self._origin, timeouts, limits)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http":
            return self._http(scope, receive, send)
        if scope["type"] == "websocket":
            return WebSocketRelay(self._origin, self._trusted, self._timeouts, self._limits)(scope, receive, send)
        if scope["type"] == "lifespan":
            return self._lifespan(receive, send)
        raise NotImplementedError(f"unknown ASGI scope type {scope['type']!r}")

    async def aclose(self) -> None:
        """Close all upstream connections; requests still under way fail."""
        await self.pool.aclose()

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = upstream_request(scope, self._trusted, self._origin.authority)
        offers = scope.get("extensions") or ()
        retrying = False
        while True:
            connection = await self.pool.acquire(fresh=retrying)
            try:
                await Exchange(connection, request, receive, send, offers).run()
            except ClientLeft:
                pass
            except StaleConnection:
                if retrying or not request.is_repeatable:
                    raise
                retrying = True
                continue
            finally:
                self.pool.release(connection)
            return

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self.aclose()
                await send({"type": "lifespan.shutdown.complete"})
                return
            await send({"type": "lifespan.startup.complete"})
