"""The responder: one per page request, between the host app and the server.

Invariants: bytes outside a snippet pass unchanged and in order; the head goes out with the first bytes of the body, so
that an exact Content-Length can be sent when the whole body is at hand; only the place where a snippet goes waits for
a decision, never longer than the budget.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from portal_gateway.html.codings import CodingError
from portal_gateway.injection.compress import CompressedSend, coding_for, compressed_whole
from portal_gateway.injection.conditional import LoaderTags
from portal_gateway.injection.decide import PageDecider
from portal_gateway.injection.outcomes import Outcomes
from portal_gateway.injection.plan import Plan, plan_page, quick_refusal
from portal_gateway.injection.rewrite import Rewrite
from portal_gateway.injection.rules import PagePlacements
from portal_gateway.injection.sending import held, send_whole
from portal_gateway.injection.whole import whole_page
from portal_gateway.observe.events import Events, placed
from portal_gateway.wire import headers as h
from portal_gateway.wire.asgi import Message, RawHeaders, Scope, Send

Start: TypeAlias = dict[str, Any]
"""The message that begins a response."""


def announcing(send: Send, summary: str) -> Send:
    """`send` that says in Server-Timing why the response is left alone."""

    async def relay(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), _server_timing(summary)]}
        await send(message)

    return relay


@dataclass(frozen=True, slots=True)
class Injector:
    """What all responses of one gateway share. `own_origin` tells the origin of a request's page in the browser."""

    decider: PageDecider
    tags: LoaderTags
    events: Events
    own_origin: Callable[[Scope], str]
    server_timing: bool

    def count(self, outcomes: Outcomes, misses: Sequence[str] | None) -> None:
        """`outcomes` have gone into a page in one piece, those without a place excepted."""
        if misses is None:
            outcomes.count(self.events)
        else:
            self.events.count(map(placed, outcomes.results(misses)))


class PageResponder:
    """The `send` that the app gets for one request whose answer may be a page: say first where it goes `through`. If
    it is open when the app has returned or failed, call `aclose`."""

    _send: Send
    _plan: Plan | None = None
    _outcomes: Outcomes | None = None
    _rewrite: Rewrite | None = None
    # The app's head, from when it is known that the page is injected until the first bytes of its body.
    _start: Start | None = None
    # Whether everything from now on passes.
    _passes = False

    def __init__(self, injector: Injector, scope: Scope, page: PagePlacements, *, revalidates: bool) -> None:
        """`scope` is the app's; `revalidates` says that the request carries a validator of ours."""
        #: The request as the app gets it.
        self.scope = scope
        self._injector = injector
        self._page = page
        self._revalidates = revalidates

    def through(self, send: Send) -> None:
        """Send the response there."""
        self._send = send

    def whole(self, status: int, headers: RawHeaders, body: bytes) -> tuple[RawHeaders, bytes] | None:
        """The head and body that a response which is all there gets, with snippets in it and nothing to wait for. None
        if there is more to it: then it has to be sent."""
        if self.scope["method"] != "GET":
            return None
        injector, page = self._injector, self._page
        try:
            plan = quick_refusal(status, headers) or plan_page(headers, page, injector.own_origin, self.scope)
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
        return [*plan.head(headers, injector.tags), (b"content-length", b"%d" % len(data))], data

    def __call__(self, message: MutableMapping[str, Any]) -> Awaitable[None]:
        """No coroutine function itself: what is left alone goes to the server without one of ours in between."""
        if self._passes:
            return self._send(message)
        if not isinstance(message, dict):
            message = dict(message)
        kind: str = message["type"]
        if kind == "http.response.start":
            return self._on_start(message)
        if kind == "http.response.body" and self._plan is not None:
            sent, last = message.get("body", b""), not message.get("more_body", False)
            body = sent if isinstance(sent, bytes) else bytes(sent)
            if self._start is None:
                return self._on_body(body, last)
            start, self._start = self._start, None
            return self._on_first_body(start, body, self._plan, last)
        return self._on_other(message)

    def is_open(self) -> bool:
        """Whether `aclose` may have something to do."""
        return not self._passes

    async def aclose(self) -> None:
        """Stop waiting for decisions, and send a head that the app left without a body."""
        self._drop_rewrite()
        if self._start is not None:
            await self._begin_original(self._take_start(), "no_body")

    def _on_start(self, message: Start) -> Awaitable[None]:
        sent = message.get("headers", ())
        headers = h.as_pairs(sent)
        if headers is not sent:  # perhaps a generator, which can be read once only
            message = {**message, "headers": headers}
        try:
            reason = quick_refusal(message["status"], headers)
        except Exception as error:
            reason = self._reason_for(error)
        if reason is None:
            return self._on_page(message, headers)
        if reason == "not_modified" and self._revalidates:
            message = {**message, "headers": self._injector.tags.response_headers(headers)}
        return self._begin_original(message, reason)

    def _on_page(self, message: Start, headers: RawHeaders) -> Awaitable[None]:
        try:
            plan = plan_page(headers, self._page, self._injector.own_origin, self.scope)
        except Exception as error:
            plan = self._reason_for(error)
        if isinstance(plan, str):
            return self._begin_original(message, plan)
        start = message.copy()
        start["headers"] = headers.copy()  # apps may reuse their list
        if self.scope["method"] == "HEAD":
            self._passes = True
            self._injector.events.not_injected("head")
            return self._send(self._head(start, plan, "head"))
        try:
            self._outcomes = self._injector.decider.at_hand(self.scope, plan)
            if self._outcomes is None:
                self._rewrite = self._new_rewrite(plan)  # which asks from now on
        except Exception as error:
            return self._begin_original(start, self._reason_for(error))
        self._plan, self._start = plan, start
        return held()

    def _on_first_body(self, start: Start, body: bytes, plan: Plan, last: bool) -> Awaitable[None]:
        """With luck the whole page, which goes out in one piece with its exact length."""
        outcomes = self._outcomes
        if not last or outcomes is None:
            return self._send_first(start, body, plan, last=last)
        try:
            made = whole_page(body, plan, self._page, outcomes)
        except Exception as error:
            return self._give_up(start, body, last=True, reason=self._reason_for(error))
        if made is None:
            return self._send_rewritten(start, body, plan, outcomes)
        return self._send_page(start, body, plan, made, outcomes)

    async def _send_rewritten(self, start: Start, body: bytes, plan: Plan, outcomes: Outcomes) -> None:
        try:
            rewrite = self._new_rewrite(plan)
            page = b"".join([chunk async for chunk in rewrite.run(body, last=True)])
            misses = rewrite.misses()
        except Exception as error:
            await self._give_up(start, body, last=True, reason=self._reason_for(error))
            return
        await self._send_page(start, body, plan, (page, misses), rewrite.outcomes or outcomes)

    def _send_page(
        self,
        start: Start,
        body: bytes,
        plan: Plan,
        made: tuple[bytes, Sequence[str] | None],
        outcomes: Outcomes,
    ) -> Awaitable[None]:
        page, misses = made
        if misses is not None and all(misses):
            return self._give_up(start, body, last=True, reason=misses[0])
        self._passes = True
        head = self._head(start, plan, "whole", outcomes)
        head["headers"].append((b"content-length", b"%d" % len(page)))
        self._injector.count(outcomes, misses)
        return send_whole(self._send, head, page)

    async def _on_body(self, body: bytes, last: bool) -> None:
        assert self._rewrite is not None
        async for chunk in self._rewrite.run(body, last=last):
            await self._send_body(chunk, more=True)
        if last:
            await self._end(self._rewrite)

    def _on_other(self, message: Message) -> Awaitable[None]:
        if self._start is None:
            return self._send(message)
        return self._on_opaque(message)

    async def _on_opaque(self, message: Message) -> None:
        # A body sent in a way that the scope did not offer: servers want the head before it.
        self._drop_rewrite()
        await self._begin_original(self._take_start(), "opaque_body")
        await self._send(message)

    async def _send_first(self, start: Start, body: bytes, plan: Plan, *, last: bool) -> None:
        """The head and the first piece of a page that is streamed, or that waits for a decision."""
        try:
            rewrite = self._rewrite = self._rewrite or self._new_rewrite(plan)
            chunks = rewrite.run(body, last=last)
            first = await anext(chunks, b"")
        except Exception as error:
            await self._give_up(start, body, last=last, reason=self._reason_for(error))
            return
        await self._send(self._head(start, plan, "streamed", rewrite.outcomes))
        rewrite.commit()
        await self._send_body(first, more=True)
        async for chunk in chunks:
            await self._send_body(chunk, more=True)
        if last:
            await self._end(rewrite)

    async def _end(self, rewrite: Rewrite) -> None:
        self._drop_rewrite()
        self._passes = True  # what an app still sends after the end is between it and the server
        self._injector.events.count(map(placed, rewrite.results()))
        if not rewrite.is_broken:
            await self._send_body(b"", more=False)
        # Else it stays unfinished, at which the server breaks the connection: half a page must not look whole.

    async def _give_up(self, start: Start, body: bytes, *, last: bool, reason: str) -> None:
        """The app's own head and bytes, before anything else was sent; what follows passes untouched."""
        self._drop_rewrite()
        await self._begin_original(start, reason)
        await self._send_body(body, more=not last)

    def _begin_original(self, start: Start, reason: str) -> Awaitable[None]:
        self._passes = True
        self._injector.events.not_injected(reason)
        if self._injector.server_timing:
            start = {**start, "headers": [*start["headers"], _server_timing(reason)]}
        return self._send(start)

    def _head(self, start: Start, plan: Plan, summary: str, outcomes: Outcomes | None = None) -> Start:
        """`start` as the head of the page that `outcomes` go into. Server-Timing gives the `summary`, or says why
        nothing goes in."""
        injector = self._injector
        headers = plan.head(start["headers"], injector.tags)
        if injector.server_timing:
            headers.append(_server_timing((outcomes and outcomes.empty_reason) or summary))
        start["headers"] = headers
        return start

    async def _send_body(self, body: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    def _new_rewrite(self, plan: Plan) -> Rewrite:
        injector = self._injector
        args = (self.scope, plan, self._page, injector.decider, injector.events, self._outcomes, self._own_origin)
        return Rewrite(*args)

    def _drop_rewrite(self) -> None:
        if self._rewrite is not None:
            self._rewrite.cancel()
            self._rewrite = None

    def _take_start(self) -> Start:
        start, self._start = self._start, None
        assert start is not None
        return start

    def _own_origin(self) -> str:
        return self._injector.own_origin(self.scope)

    def _reason_for(self, error: Exception) -> str:
        """Why the page is left as it is after `error`. A fault of ours is logged; the page does not suffer."""
        if isinstance(error, CodingError):
            return "broken_coding"
        self._injector.events.failed(error, "injection")
        return "internal_error"


class CompressedPage(PageResponder):
    """A responder whose messages are compressed on their way."""

    _compressed: CompressedSend

    def __init__(
        self, injector: Injector, scope: Scope, page: PagePlacements, client_headers: RawHeaders, *, revalidates: bool
    ) -> None:
        """`client_headers` are the request's as they came."""
        super().__init__(injector, scope, page, revalidates=revalidates)
        self._client_headers = client_headers

    def through(self, send: Send) -> None:
        self._compressed = CompressedSend(send, self.scope["method"], self._client_headers)
        super().through(self._compressed.send)

    def whole(self, status: int, headers: RawHeaders, body: bytes) -> tuple[RawHeaders, bytes] | None:
        made = super().whole(status, headers, body)
        return None if made is None else compressed_whole(coding_for(self._client_headers), *made)

    def is_open(self) -> bool:
        return True  # what the compression holds back, nobody else knows of

    async def aclose(self) -> None:
        try:
            if super().is_open():
                await super().aclose()
        finally:
            await self._compressed.aclose()


def _server_timing(summary: str) -> tuple[bytes, bytes]:
    return b"server-timing", f'portal;desc="{summary}"'.encode()
