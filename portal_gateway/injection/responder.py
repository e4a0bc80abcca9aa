"""The responder: one per page request, between the host app and the server."""

from __future__ import annotations

from collections.abc import Awaitable, MutableMapping
from typing import Any

from portal_gateway.injection.compress import CompressedSend, coding_for, compressed_whole
from portal_gateway.injection.injector import Injector, Start
from portal_gateway.injection.plan import plan_page, status_refusal, type_refusal
from portal_gateway.injection.rules import PagePlacements
from portal_gateway.injection.sending import held
from portal_gateway.injection.stream import PageStream
from portal_gateway.injection.whole import whole_page
from portal_gateway.wire import headers as h
from portal_gateway.wire.asgi import RawHeaders, Scope, Send


class PageResponder:
    """The `send` that the app gets for one request whose answer may be a page: say first where it goes `through`.

    It holds nothing that has to be closed: what the app leaves unfinished, the server sees to be so.
    """

    _send: Send
    # From when it is known that the page is injected.
    _stream: PageStream | None = None
    # Whether it is known that nothing is.
    _passes = False

    def __init__(
        self,
        injector: Injector,
        scope: Scope,
        page: PagePlacements,
        *,
        revalidates: bool = False,
        client_headers: RawHeaders | None = None,
    ) -> None:
        """`scope` is the app's; `revalidates` says that the request carries a validator of ours. The response is
        compressed for the client of whom these `client_headers` came, if they are given."""
        #: The request as the app gets it.
        self.scope = scope
        self._injector = injector
        self._page = page
        self._revalidates = revalidates
        self._client_headers = client_headers

    def through(self, send: Send) -> None:
        """Send the response there."""
        compressed = self._client_headers
        self._send = send if compressed is None else CompressedSend(send, self.scope["method"], compressed)

    def whole(self, status: int, headers: RawHeaders, body: bytes) -> tuple[RawHeaders, bytes] | None:
        """The head and body that a response which is all there gets, with snippets in it and nothing to wait for. None
        if there is more to it: then it has to be sent."""
        if self.scope["method"] != "GET":
            return None
        injector, page = self._injector, self._page
        try:
            refused = type_refusal(headers) or status_refusal(status)
            plan = refused or plan_page(headers, page, injector.own_origin, self.scope)
            outcomes = None if isinstance(plan, str) else injector.decider.at_hand(self.scope, plan)
            if isinstance(plan, str) or outcomes is None:
                return None
            made = whole_page(body, plan, page, outcomes)
        except Exception:
            return None  # met again when it is sent, which says so
        if made is None:
            return None
        data, misses = made
        if misses is not None and all(misses):
            return None
        injector.count(outcomes, misses)
        head = [*plan.head(headers, injector.tags), (b"content-length", b"%d" % len(data))]
        if self._client_headers is None:
            return head, data
        return compressed_whole(coding_for(self._client_headers), head, data)

    def __call__(self, message: MutableMapping[str, Any]) -> Awaitable[None]:
        """No coroutine function itself: what is left alone goes to the server without one of ours in between."""
        if self._passes:
            return self._send(message)
        if not isinstance(message, dict):
            message = dict(message)
        if self._stream is not None:
            return self._stream(message)
        kind: str = message["type"]
        return self._on_start(message) if kind == "http.response.start" else self._send(message)

    def _on_start(self, message: Start) -> Awaitable[None]:
        sent = message.get("headers", ())
        headers = h.as_pairs(sent)
        if headers is not sent:  # perhaps a generator, which can be read once only
            message = {**message, "headers": headers}
        try:
            reason = type_refusal(headers) or status_refusal(message["status"])
        except Exception as error:
            reason = self._injector.reason_for(error)
        if reason is None:
            return self._on_page(message, headers)
        if self._revalidates and reason == "not_modified":
            message = {**message, "headers": self._injector.tags.response_headers(headers)}
        return self._leave_alone(message, reason)

    def _on_page(self, message: Start, headers: RawHeaders) -> Awaitable[None]:
        injector = self._injector
        try:
            plan = plan_page(headers, self._page, injector.own_origin, self.scope)
        except Exception as error:
            plan = injector.reason_for(error)
        if isinstance(plan, str):
            return self._leave_alone(message, plan)
        start = message.copy()
        start["headers"] = headers.copy()  # apps may reuse their list
        if self.scope["method"] == "HEAD":
            start["headers"] = plan.head(headers, injector.tags)
            return self._leave_alone(start, "head")
        try:
            self._stream = PageStream(injector, self.scope, self._page, plan, start, self._send)
        except Exception as error:
            return self._leave_alone(start, injector.reason_for(error))
        return held()

    def _leave_alone(self, start: Start, reason: str) -> Awaitable[None]:
        self._passes = True
        return self._send(self._injector.left_alone(start, reason))
