"""The front door: an ASGI middleware around the host app.

Invariants (docs/rules.md): what is not ours passes untouched, with the server's own `receive` and `send` (rule 1);
identity headers that an untrusted peer sent reach nobody, on any path and for WebSockets too (rule 7).
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Mapping
from functools import lru_cache
from typing import Any

from portal_gateway.gateway import Gateway
from portal_gateway.identity.callback import Identify
from portal_gateway.identity.subrequest import SUBREQUEST_KEY, keep_state
from portal_gateway.injection.compress import CompressedSend, coding_for, compressed_whole
from portal_gateway.injection.requests import page_request_headers, request_refusal
from portal_gateway.injection.rules import PagePlacements
from portal_gateway.injection.stream import Injector, PageResponder, announcing
from portal_gateway.lifespan import Lifespan
from portal_gateway.settings import Settings, load_settings
from portal_gateway.wire import headers as h
from portal_gateway.wire.asgi import ASGIApp, RawHeaders, Receive, Scope, Send
from portal_gateway.wire.requests import own_origin, route_path
from portal_gateway.wire.trust import strip_headers
from portal_gateway.wire.urls import origin_of

# Ways of sending a body that we could not look into.
_OPAQUE_BODIES = frozenset({"http.response.pathsend", "http.response.zerocopysend"})


class PortalGatewayMiddleware:
    """Puts vendor portals into `app`.

    `config` is the path of a YAML file, a mapping of the same shape, or Settings. `identify` is asked first for the
    end user of a request; it gets the ASGI scope and returns an EndUser or None, directly or as an awaitable.
    `compress` asks `app` for uncompressed pages and compresses them for clients that accept that: right when the app
    is in another process, as it is behind the sidecar.

    Raises SettingsError for a configuration that cannot be used.
    """

    def __init__(
        self,
        app: ASGIApp,
        config: Settings | Mapping[str, Any] | str | os.PathLike[str],
        identify: Identify | None = None,
        *,
        compress: bool = False,
    ) -> None:
        self._compresses = compress
        self.gateway = Gateway(load_settings(config), app, identify)
        self.app = self.gateway.watched(app)
        self._mount = self.gateway.settings.mount_path
        self._mount_prefix = self._mount + "/"
        self._identity_headers = self.gateway.identity_headers
        self._trusted = self.gateway.trusted
        self._page_at = self.gateway.rules.for_path
        # A request of our own to the app needs the scope as it was before the app.
        self._copies_scopes = self.gateway.decider.asks_the_app
        public_url = self.gateway.settings.public_url
        self._public_origin = None if public_url is None else _usable_origin(public_url)
        self._injector = Injector(
            self.gateway.decider,
            self.gateway.tags,
            self.gateway.events,
            self._own_origin,
            self.gateway.settings.server_timing,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or SUBREQUEST_KEY in scope:
            await self._no_page(scope, receive, send)
            return
        scope = self.believed(scope)
        path = route_path(scope)
        if self.is_own(path):
            await self.gateway.routes(scope, receive, send, path[len(self._mount) :])
            return
        page = self._page_at(path)
        if page is None:
            await self._pass(scope, receive, send, "no_rule")
            return
        refusal = request_refusal(scope)
        if refusal is not None:
            await self._pass(scope, receive, send, refusal)
            return
        client_headers = scope["headers"]
        scope, revalidates = self.page_request(scope)
        response = self.page_response(client_headers, scope, send, page, revalidates=revalidates)
        try:
            await self.app(scope, receive, response.send)
        finally:
            if not response.done:
                await response.aclose()

    def _no_page(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """What is not asked for by a client over HTTP."""
        if scope["type"] == "lifespan":
            return Lifespan(self.app, self.gateway.aclose)(scope, receive, send)
        if scope["type"] in ("http", "websocket"):
            scope = self.believed(scope)
        return self.app(scope, receive, send)

    def believed(self, scope: Scope) -> Scope:
        """`scope` without what only trusted proxies may say: who the end user is."""
        headers = h.as_pairs(scope["headers"])
        if self._identity_headers and not self._trusted.trusts(scope):
            headers = strip_headers(headers, self._identity_headers)
        return scope if headers is scope["headers"] else {**scope, "headers": headers}

    def is_own(self, path: str) -> bool:
        """Whether `path` is one of the gateway's own, which the app never sees."""
        return path.startswith(self._mount_prefix) or path == self._mount

    def _pass(self, scope: Scope, receive: Receive, send: Send, reason: str) -> Awaitable[None]:
        self.gateway.events.not_injected(reason)
        if self._injector.server_timing:
            send = announcing(send, reason)
        return self.app(scope, receive, send)

    def page_request(self, scope: Scope) -> tuple[Scope, bool]:
        """The request as the app gets it, and whether it carries a validator of ours.

        Mostly the server's own scope. The app's session middleware will fill this very mapping, which is where identity
        looks later.
        """
        headers, revalidates = page_request_headers(scope["headers"], self.gateway.tags, uncompressed=self._compresses)
        if headers is scope["headers"] and not self._copies_scopes and not scope.get("extensions"):
            return scope, revalidates
        scope = {**scope, "headers": headers}
        if extensions := scope.get("extensions"):
            scope["extensions"] = {k: v for k, v in extensions.items() if k not in _OPAQUE_BODIES}
        keep_state(scope)
        return scope, revalidates

    def page_response(
        self, client_headers: RawHeaders, scope: Scope, send: Send, page: PagePlacements, *, revalidates: bool
    ) -> PageResponder | CompressedPage:
        """What sends the app's response, in place of `send`; `scope` and `revalidates` are what `page_request` gave."""
        if not self._compresses:
            return PageResponder(self._injector, scope, send, page, revalidates=revalidates)
        compressed = CompressedSend(send, scope["method"], client_headers)
        return CompressedPage(
            PageResponder(self._injector, scope, compressed.send, page, revalidates=revalidates), compressed
        )

    def whole_page(
        self,
        client_headers: RawHeaders,
        scope: Scope,
        page: PagePlacements,
        status: int,
        headers: RawHeaders,
        body: bytes,
    ) -> tuple[RawHeaders, bytes] | None:
        """What `page_response` would send, if that is known at once."""
        made = self._injector.whole(scope, page, status, headers, body)
        if made is None or not self._compresses:
            return made
        return compressed_whole(coding_for(client_headers), *made)

    def _own_origin(self, scope: Scope) -> str:
        """The origin of the page in the browser, empty if the request does not tell a usable one."""
        if self._public_origin is not None:
            return self._public_origin
        return _usable_origin(own_origin(scope, behind_proxy=self._trusted.trusts(scope)))


class CompressedPage:
    """A responder whose messages are compressed on their way."""

    #: What the compression holds back, nobody else knows of.
    done = False

    def __init__(self, responder: PageResponder, compressed: CompressedSend) -> None:
        self.send = responder.send
        self._responder = responder
        self._compressed = compressed

    async def aclose(self) -> None:
        try:
            if not self._responder.done:
                await self._responder.aclose()
        finally:
            await self._compressed.aclose()


@lru_cache(maxsize=256)
def _usable_origin(claimed: str) -> str:
    return origin_of(claimed) or ""
