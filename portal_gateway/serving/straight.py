"""The sidecar's shortcut: what passes from socket to socket, and what is done about it on the way.

What the layers of the app do about such a request one after the other (observer, runtimes, middleware, error pages) is
done here at once. Whatever is more than a look at two heads is left to them.
"""

from __future__ import annotations

from collections.abc import Awaitable

from portal_gateway.errors import GatewayError
from portal_gateway.front_door import FrontDoor
from portal_gateway.http11.connection import Connection
from portal_gateway.http11.request_head import RequestHead
from portal_gateway.injection.compress import IS_COMPRESSIBLE_TYPE
from portal_gateway.injection.responder import PageResponder
from portal_gateway.injection.rules import OWN_PATH, PagePlacements
from portal_gateway.observe.requests import RequestObserver
from portal_gateway.proxy.headers import UpstreamRequest
from portal_gateway.proxy.straight import StraightCycle
from portal_gateway.proxy.upstreams import Upstream
from portal_gateway.serving.runtimes import Runtimes
from portal_gateway.wire.asgi import ASGIApp, Message, RawHeaders, Receive, Scope, Send
from portal_gateway.wire.headers import as_pairs
from portal_gateway.wire.requests import route_path


class StraightPath:
    """Finds the requests that can take it."""

    def __init__(self, runtimes: Runtimes, observer: RequestObserver) -> None:
        self._runtimes = runtimes
        self._observer = observer

    def __call__(self, connection: Connection, request: RequestHead, scope: Scope) -> StraightCycle | None:
        sidecar = self._runtimes.sidecar
        door, settings = sidecar.front_door, sidecar.gateway.settings
        path = route_path(scope)
        signs_out = settings.logout is not None and path in settings.logout.paths
        if signs_out or settings.server_timing:
            return None
        try:
            page = door.pages[path]
            if isinstance(page, str) and page == OWN_PATH:
                return None
            passage = StraightPassage(self._runtimes, self._observer, scope, page)
        except Exception:
            return None  # a fault of ours, which the layers of the app meet, too, and answer
        return StraightCycle(connection, request, scope, passage)


class StraightPassage:
    """One request for the app behind."""

    # Where a page may come of it.
    _responder: PageResponder | None = None

    def __init__(self, runtimes: Runtimes, observer: RequestObserver, scope: Scope, page: PagePlacements | str) -> None:
        self._runtimes = runtimes
        self._sidecar = runtimes.sidecar
        self._scope = self._admit(self._sidecar.front_door, scope, page)
        # Last, since what is counted as begun has to end.
        self._observed = observer.begin(self._scope)
        self._runtime = runtimes.enter()

    def _admit(self, door: FrontDoor, scope: Scope, page: PagePlacements | str) -> Scope:
        """The request as the app behind gets it."""
        scope = door.believed(scope)
        responder = door.page_responder(scope, page)
        if responder is None:
            return scope
        self._responder = responder
        return responder.scope

    def outgoing(self) -> tuple[Upstream, UpstreamRequest]:
        return self._sidecar.proxy.outgoing(self._scope)

    def passing(self, status: int, headers: RawHeaders) -> RawHeaders | None:
        if self._responder is not None:
            if status == 304:  # perhaps to a validator of ours
                return None
            reason = "content_type" if status == 200 else "status"
            for name, value in headers:
                if name == b"content-type":
                    if IS_COMPRESSIBLE_TYPE[value]:  # pages are, too
                        return None
                    reason = "content_type"
            self._sidecar.gateway.events.not_injected(reason)
        return self._observed.named(headers)

    def changed(self, status: int, headers: RawHeaders, body: bytes) -> tuple[RawHeaders, bytes] | None:
        assert self._responder is not None
        made = self._responder.whole(status, headers, body)
        return None if made is None else (self._observed.named(made[0]), made[1])

    def around(self, relay: ASGIApp) -> ASGIApp:
        responder = self._responder
        assert responder is not None

        def injecting(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            responder.through(send)
            return relay(scope, receive, responder)

        answering = self._sidecar.pages.around(injecting)

        def naming(_: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            return answering(self._scope, receive, self._named(send))

        return naming

    def failed(self, error: GatewayError) -> ASGIApp:
        async def answering(_: Scope, receive: Receive, send: Send) -> None:
            await self._sidecar.pages.answer(error, self._scope, receive, self._named(send))

        return answering

    def over(self, status: int, size: int) -> None:
        self._observed.ended(status, size)
        self._runtimes.leave(self._runtime)

    def _named(self, send: Send) -> Send:
        def relay(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                message["headers"] = self._observed.named(as_pairs(message.get("headers", ())))
            return send(message)

        return relay
