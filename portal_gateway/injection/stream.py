"""The response of a page that snippets go into.

Invariants: bytes outside a snippet pass unchanged and in order; the head goes out with the first bytes of the body, so
that an exact Content-Length can be sent when the whole body is at hand; only the place where a snippet goes waits for
a decision, never longer than the budget.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from portal_gateway.injection.injector import Injector, Start, timing
from portal_gateway.injection.outcomes import Outcomes
from portal_gateway.injection.plan import Plan
from portal_gateway.injection.rewrite import Rewrite
from portal_gateway.injection.rules import PagePlacements
from portal_gateway.injection.sending import send_whole
from portal_gateway.injection.whole import whole_page
from portal_gateway.observe.events import placed
from portal_gateway.wire.asgi import Message, Scope, Send


class PageStream:
    """What the app sends after the head of a page."""

    _rewrite: Rewrite | None = None
    # Whether everything from now on passes.
    _passes = False

    def __init__(
        self, injector: Injector, scope: Scope, page: PagePlacements, plan: Plan, start: Start, send: Send
    ) -> None:
        """`start` is the app's head, which is sent with the first bytes of the body. What goes into the page is asked
        for from now on unless it is known."""
        self._injector = injector
        self._scope = scope
        self._page = page
        self._plan = plan
        self._send = send
        self._outcomes = injector.decider.at_hand(scope, plan)
        self._start: Start | None = start  # until it is sent
        if self._outcomes is None:
            self._rewrite = self._new_rewrite()

    def __call__(self, message: Message) -> Awaitable[None]:
        """What the app awaits when it sends `message`."""
        if self._passes:
            return self._send(message)
        kind: str = message["type"]
        if kind == "http.response.body":
            sent, last = message.get("body", b""), not message.get("more_body", False)
            body = sent if isinstance(sent, bytes) else bytes(sent)
            if self._start is None:
                return self._on_body(body, last)
            return self._on_first_body(self._take_start(), body, last)
        return self._on_other(message)

    def _on_first_body(self, start: Start, body: bytes, last: bool) -> Awaitable[None]:
        """With luck the whole page, which goes out in one piece with its exact length."""
        outcomes = self._outcomes
        if not last or outcomes is None:
            return self._send_first(start, body, last=last)
        try:
            made = whole_page(body, self._plan, self._page, outcomes)
        except Exception as error:
            return self._give_up(start, body, last=True, reason=self._injector.reason_for(error))
        if made is None:
            return self._send_rewritten(start, body, outcomes)
        return self._send_page(start, body, made, outcomes)

    async def _send_rewritten(self, start: Start, body: bytes, outcomes: Outcomes) -> None:
        try:
            rewrite = self._new_rewrite()
            page = b"".join([chunk async for chunk in rewrite.run(body, last=True)])
            misses = rewrite.misses()
        except Exception as error:
            await self._give_up(start, body, last=True, reason=self._injector.reason_for(error))
            return
        await self._send_page(start, body, (page, misses), rewrite.outcomes or outcomes)

    def _send_page(
        self, start: Start, body: bytes, made: tuple[bytes, Sequence[str] | None], outcomes: Outcomes
    ) -> Awaitable[None]:
        page, misses = made
        if misses is not None and all(misses):
            return self._give_up(start, body, last=True, reason=misses[0])
        self._passes = True
        head = self._head(start, "whole", outcomes)
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

    async def _send_first(self, start: Start, body: bytes, *, last: bool) -> None:
        """The head and the first piece of a page that is streamed, or that waits for a decision."""
        try:
            rewrite = self._rewrite = self._rewrite or self._new_rewrite()
            chunks = rewrite.run(body, last=last)
            first = await anext(chunks, b"")
        except Exception as error:
            await self._give_up(start, body, last=last, reason=self._injector.reason_for(error))
            return
        await self._send(self._head(start, "streamed", rewrite.outcomes))
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
        return self._send(self._injector.left_alone(start, reason))

    def _head(self, start: Start, summary: str, outcomes: Outcomes | None = None) -> Start:
        """`start` as the head of the page that `outcomes` go into. Server-Timing gives the `summary`, or says why
        nothing goes in."""
        injector = self._injector
        headers = self._plan.head(start["headers"], injector.tags)
        if injector.server_timing:
            headers.append(timing((outcomes and outcomes.empty_reason) or summary))
        start["headers"] = headers
        return start

    async def _send_body(self, body: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    def _new_rewrite(self) -> Rewrite:
        decider, events = self._injector.decider, self._injector.events
        return Rewrite(self._scope, self._plan, self._page, decider, events, self._outcomes, self._own_origin)

    def _drop_rewrite(self) -> None:
        if self._rewrite is not None:
            self._rewrite.cancel()
            self._rewrite = None

    def _take_start(self) -> Start:
        start, self._start = self._start, None
        assert start is not None
        return start

    def _own_origin(self) -> str:
        return self._injector.own_origin(self._scope)
