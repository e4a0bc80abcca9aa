"""What all page responses of one gateway share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from portal_gateway.html.codings import CodingError
from portal_gateway.injection.conditional import LoaderTags
from portal_gateway.injection.decide import PageDecider
from portal_gateway.injection.outcomes import Outcomes
from portal_gateway.observe.events import Events, placed
from portal_gateway.wire.asgi import Message, Scope, Send

Start: TypeAlias = dict[str, Any]
"""The message that begins a response."""


@dataclass(frozen=True, slots=True)
class Injector:
    """`own_origin` tells the origin of a request's page in the browser."""

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

    def left_alone(self, start: Start, reason: str) -> Start:
        """The head of a response that nothing goes into, which is counted."""
        self.events.not_injected(reason)
        return {**start, "headers": [*start["headers"], timing(reason)]} if self.server_timing else start

    def reason_for(self, error: Exception) -> str:
        """Why a page is left as it is after `error`. A fault of ours is logged; the page does not suffer."""
        if isinstance(error, CodingError):
            return "broken_coding"
        self.events.failed(error, "injection")
        return "internal_error"


def announcing(send: Send, summary: str) -> Send:
    """`send` that says in Server-Timing why the response is left alone."""

    async def relay(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), timing(summary)]}
        await send(message)

    return relay


def timing(summary: str) -> tuple[bytes, bytes]:
    """The Server-Timing header that says so."""
    return b"server-timing", f'portal;desc="{summary}"'.encode()
