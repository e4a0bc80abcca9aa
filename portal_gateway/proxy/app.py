"""The reverse proxy as an ASGI app: whatever is asked of it, it asks the upstream that the path belongs to."""

from __future__ import annotations

from collections.abc import Awaitable, Container

from portal_gateway.errors import UpstreamError
from portal_gateway.proxy.connection import StaleConnection
from portal_gateway.proxy.exchange import ClientLeft, Exchange
from portal_gateway.proxy.headers import UpstreamRequest, upstream_request
from portal_gateway.proxy.upstreams import Upstream, Upstreams
from portal_gateway.proxy.websocket import WebSocketRelay
from portal_gateway.wire.asgi import Receive, Scope, Send
from portal_gateway.wire.trust import TrustedPeers


class UpstreamProxy:
    """Relays http and websocket scopes to the `upstreams`.

    Headers of `trusted` peers about the client are believed and passed on; those of others are replaced.

    Raises MalformedRequest, UpstreamUnavailable or UpstreamTimeout for http scopes. Before the response has
    started the caller renders them; after that it leaves the response unfinished, so that the server breaks
    the connection. A caller that returns then, instead of raising, keeps uvicorn from printing a stack trace.
    """

    def __init__(self, upstreams: Upstreams, *, trusted: TrustedPeers) -> None:
        self.upstreams = upstreams
        self._trusted = trusted

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http":
            return self._http(scope, receive, send)
        if scope["type"] == "websocket":
            return self._websocket(scope, receive, send)
        if scope["type"] == "lifespan":
            return self._lifespan(receive, send)
        raise NotImplementedError(f"unknown ASGI scope type {scope['type']!r}")

    async def aclose(self) -> None:
        """Close all upstream connections; requests still under way fail."""
        await self.upstreams.aclose()

    def outgoing(self, scope: Scope) -> tuple[Upstream, UpstreamRequest]:
        """Where an http scope goes, and in which form. Raises MalformedRequest."""
        upstream = self._upstream(scope)
        return upstream, upstream_request(scope, self._trusted, upstream.origin.authority)

    def _upstream(self, scope: Scope) -> Upstream:
        root: bytes = scope.get("root_path", "").encode("latin-1", "replace")
        return self.upstreams.route(scope["raw_path"].removeprefix(root))

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        upstream, request = self.outgoing(scope)
        offers = scope.get("extensions") or ()
        try:
            await _exchange(upstream, request, receive, send, offers)
        except UpstreamError as error:
            upstream.failed(error)
            raise

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = self._upstream(scope).origin
        relay = WebSocketRelay(origin, self._trusted, self.upstreams.timeouts, self.upstreams.limits)
        await relay(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self.aclose()
                await send({"type": "lifespan.shutdown.complete"})
                return
            await send({"type": "lifespan.startup.complete"})


async def _exchange(
    upstream: Upstream, request: UpstreamRequest, receive: Receive, send: Send, offers: Container[str]
) -> None:
    """One request and its response, on a second connection if the first has been closed meanwhile."""
    try:
        await _attempt(upstream, request, receive, send, offers, fresh=False)
        return
    except StaleConnection:
        if not request.is_repeatable:
            raise
    await _attempt(upstream, request, receive, send, offers, fresh=True)


async def _attempt(
    upstream: Upstream, request: UpstreamRequest, receive: Receive, send: Send, offers: Container[str], *, fresh: bool
) -> None:
    connection = await upstream.pool.acquire(fresh=fresh)
    try:
        await Exchange(connection, request, receive, send, offers).run()
        upstream.is_failing = False
    except ClientLeft:
        pass
    finally:
        upstream.pool.release(connection)
