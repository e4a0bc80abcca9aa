"""What becomes of a request: an answer of our own, a page to inject into, or something that is none of our business.

Invariants (docs/rules.md): what is not ours passes untouched, with the server's own `receive` and `send` (rule 1);
identity headers that an untrusted peer sent reach nobody, on any path and for WebSockets too (rule 7).
"""

from __future__ import annotations

from collections.abc import Awaitable, MutableMapping
from functools import lru_cache
from typing import Any, Final

from portal_gateway.gateway import Gateway
from portal_gateway.identity.subrequest import SUBREQUEST_KEY, keep_state
from portal_gateway.injection.injector import Injector, announcing
from portal_gateway.injection.requests import fields_of_note, page_request_headers, refusal
from portal_gateway.injection.responder import CompressedPage, PageResponder
from portal_gateway.injection.rules import OWN_PATH, PagePlacements
from portal_gateway.lifespan import Lifespan
from portal_gateway.wire import headers as h
from portal_gateway.wire.asgi import ASGIApp, RawHeaders, Receive, Scope, Send, as_dict
from portal_gateway.wire.header_names import fields_named
from portal_gateway.wire.requests import is_below, own_origin, route_path
from portal_gateway.wire.trust import strip_headers
from portal_gateway.wire.urls import origin_of

# Said once more: compiled code looks a name from elsewhere up each time.
_SUBREQUEST: Final = SUBREQUEST_KEY
# Ways of sending a body that we could not look into.
_OPAQUE_BODIES: Final = frozenset({"http.response.pathsend", "http.response.zerocopysend"})


class FrontDoor:
    """Sees every request before the host app does, and the answers to those that may be pages.

    `compress` asks the app for uncompressed pages and compresses them for clients that accept that.
    """

    def __init__(self, gateway: Gateway, *, compress: bool) -> None:
        settings = gateway.settings
        self._gateway = gateway
        self._compresses = compress
        self._events = gateway.events
        self._tags = gateway.tags
        self._mount = settings.mount_path
        claims = gateway.identity_headers
        self._identity_headers = fields_named(claims, folded=True) if claims else None
        self._trusted = gateway.trusted
        #: What goes into the page at a path, or why nothing does.
        self.pages = gateway.rules.pages
        # A request of our own to the app needs the scope as it was before the app.
        self._copies_scopes = gateway.decider.asks_the_app
        self._public_origin = None if settings.public_url is None else _usable_origin(settings.public_url)
        self._server_timing = settings.server_timing
        self._injector = Injector(
            gateway.decider, gateway.tags, gateway.events, self._own_origin, settings.server_timing
        )

    def admit(self, app: ASGIApp, given: MutableMapping[str, Any], receive: Receive, send: Send) -> Awaitable[None]:
        """What answers the request."""
        scope = as_dict(given)
        kind: str = scope["type"]
        if kind != "http" or _SUBREQUEST in scope:
            return self._no_page(app, scope, receive, send)
        scope = self.believed(scope)
        path = route_path(scope)
        page = self.pages[path]
        if isinstance(page, str) and page == OWN_PATH:
            return self._gateway.routes(scope, receive, send, path[len(self._mount) :])
        responder = self.page_responder(scope, page)
        if isinstance(responder, PageResponder):
            responder.through(send)
            return app(responder.scope, receive, responder)
        if self._server_timing:
            send = announcing(send, responder)
        return app(scope, receive, send)

    def _no_page(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """What is not asked for by a client over HTTP."""
        if scope["type"] == "lifespan":
            return Lifespan(app, self._gateway.aclose)(scope, receive, send)
        if scope["type"] in ("http", "websocket"):
            scope = self.believed(scope)
        return app(scope, receive, send)

    def believed(self, scope: Scope) -> Scope:
        """`scope` without what only trusted proxies may say: who the end user is."""
        sent = scope["headers"]
        headers = h.as_pairs(sent)
        if self._identity_headers is not None and not self._trusted.trusts(scope):
            headers = strip_headers(headers, self._identity_headers)
        return scope if headers is sent else {**scope, "headers": headers}

    def is_own(self, path: str) -> bool:
        """Whether `path` is one of the gateway's own, which the app never sees."""
        return is_below(path, self._mount)

    def page_responder(self, scope: Scope, page: PagePlacements | str) -> PageResponder | str:
        """What is to answer the believed request for what may be `page`, with the scope for the app in it; or the
        reason why it is no page, which is counted.

        That scope is mostly the server's own. The app's session middleware will fill this very mapping, which is where
        identity looks later.
        """
        if isinstance(page, str):
            self._events.not_injected(page)
            return page
        sent: RawHeaders = scope["headers"]
        noted = fields_of_note(sent)
        refused = refusal(scope["method"], noted)
        if refused is not None:
            self._events.not_injected(refused)
            return refused
        headers, revalidates = sent, False
        if noted or self._compresses:
            headers, revalidates = page_request_headers(sent, noted, self._tags, uncompressed=self._compresses)
        extensions = scope.get("extensions")
        if headers is not sent or self._copies_scopes or extensions:
            scope = {**scope, "headers": headers}
            if extensions:
                scope["extensions"] = {k: v for k, v in extensions.items() if k not in _OPAQUE_BODIES}
            keep_state(scope)
        if self._compresses:
            return CompressedPage(self._injector, scope, page, sent, revalidates=revalidates)
        return PageResponder(self._injector, scope, page, revalidates=revalidates)

    def _own_origin(self, scope: Scope) -> str:
        """The origin of the page in the browser, empty if the request does not tell a usable one."""
        if self._public_origin is not None:
            return self._public_origin
        return _usable_origin(own_origin(scope, behind_proxy=self._trusted.trusts(scope)))


@lru_cache(maxsize=256)
def _usable_origin(claimed: str) -> str:
    return origin_of(claimed) or ""
