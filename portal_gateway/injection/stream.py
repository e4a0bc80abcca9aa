"""The responder: one per page request, between the host app and the server.

Invariants: bytes outside a snippet pass unchanged and in order; the head goes out with the first bytes of the body, so
that an exact Content-Length can be sent when the whole body is at hand; only the place where a snippet goes waits for
a decision, never longer than the budget.
"""

from __future__ import annotations

from portal_gateway.html.codings import CodingError
from portal_gateway.injection.conditional import LoaderTags
from portal_gateway.injection.decide import PageDecider
from portal_gateway.injection.plan import Plan, plan_injection
from portal_gateway.injection.rewrite import Rewrite
from portal_gateway.injection.rules import PagePlacements
from portal_gateway.observe.events import Events
from portal_gateway.wire.asgi import Message, RawHeaders, Scope, Send


def announcing(send: Send, summary: str) -> Send:
    """`send` that says in Server-Timing why the response is left alone."""

    async def relay(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), _server_timing(summary)]}
        await send(message)

    return relay


class PageResponder:
    """Wraps `send` for one request. Call `aclose` when the app has returned or failed."""

    def __init__(
        self,
        scope: Scope,
        send: Send,
        page: PagePlacements,
        decider: PageDecider,
        tags: LoaderTags,
        events: Events,
        *,
        own_origin: str,
        revalidates: bool,
        server_timing: bool,
    ) -> None:
        """`own_origin` is the page's; `revalidates` says that the request carries a validator of ours."""
        self._scope = scope
        self._send = send
        self._page = page
        self._decider = decider
        self._tags = tags
        self._events = events
        self._own_origin = own_origin
        self._revalidates = revalidates
        self._server_timing = server_timing
        self._start: Message | None = None
        self._rewrite: Rewrite | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._on_start(message)
        elif message["type"] == "http.response.body" and self._rewrite is not None:
            last = not message.get("more_body", False)
            await self._on_body(bytes(message.get("body", b"")), self._rewrite, last=last)
        else:
            if self._start is not None:
                # A body sent in a way that the scope did not offer: servers want the head before it.
                self._drop_rewrite()
                await self._begin_original(self._take_start(), "opaque_body")
            await self._send(message)

    async def aclose(self) -> None:
        """Stop waiting for decisions, and send a head that the app left without a body."""
        self._drop_rewrite()
        if self._start is not None:
            await self._begin_original(self._take_start(), "no_body")

    async def _on_start(self, message: Message) -> None:
        # Apps may reuse their list, or hand over a generator.
        headers: RawHeaders = [(bytes(key), bytes(value)) for key, value in message.get("headers", ())]
        message = {**message, "headers": headers}
        plan = self._plan(message["status"], headers)
        if isinstance(plan, str):
            if self._revalidates and plan == "not_modified":
                message["headers"] = self._tags.response_headers(headers)
            await self._begin_original(message, plan)
        elif self._scope["method"] == "HEAD":
            self._events.not_injected("head")
            await self._begin({**message, "headers": plan.headers}, "head")
        else:
            await self._prepare(message, plan)

    async def _prepare(self, start: Message, plan: Plan) -> None:
        try:
            outcomes = await self._decider.at_hand(self._scope, plan)
            self._rewrite = Rewrite(self._scope, plan, self._page, self._decider, self._events, outcomes)
        except Exception as error:
            await self._begin_original(start, self._reason_for(error))
        else:
            self._start = start

    def _plan(self, status: int, headers: RawHeaders) -> Plan | str:
        try:
            return plan_injection(status, headers, self._page, self._tags, self._own_origin)
        except Exception as error:
            return self._reason_for(error)

    def _reason_for(self, error: Exception) -> str:
        """Why the page is left as it is after `error`. A fault of ours is logged; the page does not suffer."""
        if isinstance(error, CodingError):
            return "broken_coding"
        self._events.failed(error, "injection")
        return "internal_error"

    async def _on_body(self, body: bytes, rewrite: Rewrite, *, last: bool) -> None:
        if self._start is None:
            async for chunk in rewrite.run(body, last=last):
                await self._send_body(chunk, more=True)
            if last:
                await self._end(rewrite)
        elif last and rewrite.ready:
            await self._send_whole(self._take_start(), body, rewrite)
        else:
            await self._send_first(self._take_start(), body, rewrite, last=last)

    async def _send_whole(self, start: Message, body: bytes, rewrite: Rewrite) -> None:
        """The page in one piece, with its exact length."""
        try:
            if rewrite.is_simple(body):
                page = rewrite.whole(body)
            else:
                page = b"".join([chunk async for chunk in rewrite.run(body, last=True)])
        except Exception as error:
            await self._give_up(start, body, last=True, reason=self._reason_for(error))
            return
        if rewrite.found_nothing:
            await self._give_up(start, body, last=True, reason=rewrite.no_match_reason)
            return
        headers = [*rewrite.plan.headers, (b"content-length", b"%d" % len(page))]
        await self._begin({**start, "headers": headers}, rewrite.passing_reason or "whole")
        await self._end(rewrite, page)

    async def _send_first(self, start: Message, body: bytes, rewrite: Rewrite, *, last: bool) -> None:
        """The head and the first piece of a page that is streamed, or that waits for a decision."""
        chunks = rewrite.run(body, last=last)
        try:
            first = await anext(chunks, b"")
        except Exception as error:
            await self._give_up(start, body, last=last, reason=self._reason_for(error))
            return
        await self._begin({**start, "headers": rewrite.plan.headers}, rewrite.passing_reason or "streamed")
        rewrite.commit()
        await self._send_body(first, more=True)
        async for chunk in chunks:
            await self._send_body(chunk, more=True)
        if last:
            await self._end(rewrite)

    async def _give_up(self, start: Message, body: bytes, *, last: bool, reason: str) -> None:
        """The app's own head and bytes, before anything else was sent; what follows passes untouched."""
        self._drop_rewrite()
        await self._begin_original(start, reason)
        await self._send_body(body, more=not last)

    def _drop_rewrite(self) -> None:
        if self._rewrite is not None:
            self._rewrite.cancel()
            self._rewrite = None

    async def _begin_original(self, start: Message, reason: str) -> None:
        self._events.not_injected(reason)
        await self._begin(start, reason)

    async def _begin(self, start: Message, summary: str) -> None:
        if self._server_timing:
            start = {**start, "headers": [*start["headers"], _server_timing(summary)]}
        await self._send(start)

    async def _end(self, rewrite: Rewrite, body: bytes = b"") -> None:
        self._drop_rewrite()  # what an app still sends after the end is between it and the server
        self._count(rewrite)
        if not rewrite.is_broken:
            await self._send_body(body, more=False)
        # Else it stays unfinished, at which the server breaks the connection: half a page must not look whole.

    async def _send_body(self, body: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    def _take_start(self) -> Message:
        start, self._start = self._start, None
        assert start is not None
        return start

    def _count(self, rewrite: Rewrite) -> None:
        for portal, mode, reason in rewrite.results():
            if reason:
                self._events.placement_empty(portal, reason)
            else:
                self._events.injected(portal, mode)


def _server_timing(summary: str) -> tuple[bytes, bytes]:
    return b"server-timing", f'portal;desc="{summary}"'.encode()
