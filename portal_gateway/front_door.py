"""What becomes of a request: an answer of our own, a page to inject into, or something that is none of our business.

Invariants (docs/rules.md): what is not ours passes untouched, with the server's own `receive` and `send` (rule 1);
identity headers that an untrusted peer sent reach nobody, on any path and for WebSockets too (rule 7).
"""

from __future__ import annotations

from collections.abc import Awaitable, MutableMapping
from functools import lru_cache
from typing import Any, Final, TypeAlias

from portal_gateway.gateway import Gateway
from portal_gateway.identity.subrequest import SUBREQUEST_KEY, keep_state
from portal_gateway.injection.injector import Injector, announcing
from portal_gateway.injection.requests import fields_of_note, page_request_headers, refusal
from portal_gateway.injection.responder import PageResponder
from portal_gateway.injection.rules import OWN_PATH, PagePlacements
from portal_gateway.lifespan import Lifespan
from portal_gateway.wire import headers as h
from portal_gateway.wire.asgi import ASGIApp, RawHeaders, Receive, Scope, Send, as_dict
from portal_gateway.wire.first_look import FirstLooks
from portal_gateway.wire.header_names import fields_named
from portal_gateway.wire.requests import is_below, own_origin, route_path
from portal_gateway.wire.trust import strip_headers
from portal_gateway.wire.urls import origin_of

# Said once more: compiled code looks a name from elsewhere up each time.
_SUBREQUEST: Final = SUBREQUEST_KEY
Answering: TypeAlias = tuple[ASGIApp, Scope, Send]
"""What answers a request, and the scope and `send` that it gets."""
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
        self._changes_requests = compress or self._copies_scopes
        self._public_origin = None if settings.public_url is None else _usable_origin(settings.public_url)
        self._server_timing = settings.server_timing
        self._changes_all_answers = compress or settings.server_timing
        first_looks = FirstLooks(self._second_look)
        gateway.events.counted_by(first_looks, ("not_injected", "", "content_type"))
        self._first_look = first_looks.at
        self._injector = Injector(
            gateway.decider, gateway.tags, gateway.events, self._own_origin, settings.server_timing
        )

    def admit(self, app: ASGIApp, given: MutableMapping[str, Any], send: Send) -> Answering:
        """What answers the request, `app` or something of ours in its place, with the scope and `send` for it."""
        scope = as_dict(given)
        kind: str = scope["type"]
        if kind != "http" or _SUBREQUEST in scope:
            return self._no_page(app, scope, send)
        scope = self.believed(scope)
        path = route_path(scope)
        page = self.pages[path]
        if isinstance(page, str):
            return (self._own(path), scope, send) if page == OWN_PATH else (app, scope, self._left_alone(page, send))
        noted = fields_of_note(scope["headers"])
        reason = refusal(scope["method"], noted)
        if reason is not None:
            return app, scope, self._left_alone(reason, send)
        changed, revalidates = self._for_page(scope, noted)
        if revalidates or self._changes_all_answers:
            responder = self._responder(scope, changed, page, revalidates)
            responder.through(send)
            return app, changed, responder
        return app, changed, self._first_look(changed, page, send)

    def _no_page(self, app: ASGIApp, scope: Scope, send: Send) -> Answering:
        """What is not asked for by a client over HTTP."""
        if scope["type"] == "lifespan":
            return Lifespan(app, self._gateway.aclose), scope, send
        if scope["type"] in ("http", "websocket"):
            scope = self.believed(scope)
        return app, scope, send

    def _own(self, path: str) -> ASGIApp:
        """What answers at one of the gateway's own paths."""
        routes, below = self._gateway.routes, path[len(self._mount) :]

        def answer(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            return routes(scope, receive, send, below)

        return answer

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

    def page_responder(self, scope: Scope, page: PagePlacements | str) -> PageResponder | None:
        """What is to answer the believed request for what may be `page`, with the scope for the app in it; None if it
        is for no page, which is counted."""
        if isinstance(page, str):
            self._events.not_injected(page)
            return None
        noted = fields_of_note(scope["headers"])
        reason = refusal(scope["method"], noted)
        if reason is not None:
            self._events.not_injected(reason)
            return None
        changed, revalidates = self._for_page(scope, noted)
        return self._responder(scope, changed, page, revalidates)

    def _responder(self, scope: Scope, changed: Scope, page: PagePlacements, revalidates: bool) -> PageResponder:
        """The responder of a request that the app gets as `changed`."""
        client_headers = scope["headers"] if self._compresses else None
        return PageResponder(self._injector, changed, page, revalidates=revalidates, client_headers=client_headers)

    def _second_look(self, scope: Scope, page: PagePlacements, send: Send) -> Send:
        """The `send` for an answer of which the first look has not told that it is no page."""
        responder = PageResponder(self._injector, scope, page)
        responder.through(send)
        return responder

    def _left_alone(self, reason: str, send: Send) -> Send:
        """`send` for a request that is for no page."""
        self._events.not_injected(reason)
        return announcing(send, reason) if self._server_timing else send

    def _for_page(self, scope: Scope, noted: RawHeaders | None) -> tuple[Scope, bool]:
        """The scope for the app, and whether the request carries a validator of ours.

        It is mostly the server's own. The app's session middleware will fill this very mapping, which is where identity
        looks later.
        """
        if not (noted or self._changes_requests or "extensions" in scope):
            return scope, False
        sent: RawHeaders = scope["headers"]
        headers, revalidates = page_request_headers(sent, noted, self._tags, uncompressed=self._compresses)
        extensions = scope.get("extensions")
        if headers is not sent or self._copies_scopes or extensions:
            scope = {**scope, "headers": headers}
            if extensions:
                scope["extensions"] = {k: v for k, v in extensions.items() if k not in _OPAQUE_BODIES}
            keep_state(scope)
        return scope, revalidates

    def _own_origin(self, scope: Scope) -> str:
        """The origin of the page in the browser, empty if the request does not tell a usable one."""
        if self._public_origin is not None:
            return self._public_origin
        return _usable_origin(own_origin(scope, behind_proxy=self._trusted.trusts(scope)))


@lru_cache(maxsize=256)
def _usable_origin(claimed: str) -> str:
    return origin_of(claimed) or ""
