"""One page on its way through: decoded, scanned, with the snippets put in, and encoded again.

Every piece of the body goes through `run`. What it yields may be sent at once; between two pieces it may wait, within
the budget, for the decisions.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from portal_gateway.html.codings import decoder, encoder
from portal_gateway.html.scanner import Mark, MarkKind, Scanner
from portal_gateway.injection.decide import Outcome, PageDecider
from portal_gateway.injection.plan import Plan
from portal_gateway.injection.rules import PagePlacements
from portal_gateway.wire.asgi import Scope


class Rewrite:
    """The state of one injected response."""

    def __init__(
        self,
        scope: Scope,
        plan: Plan,
        page: PagePlacements,
        decider: PageDecider,
        outcomes: list[Outcome] | None,
    ) -> None:
        """`outcomes` are what each placement gets if that is known already; else they are asked for from now on."""
        self.plan = plan
        self._scope = scope
        self._decider = decider
        self._outcomes = outcomes
        # Known to stay as it is: neither decoded nor scanned.
        self._passes = outcomes is not None and not any(outcome.snippet for outcome in outcomes)
        self._scanner = Scanner(page.targets)
        self._hits = [0] * len(plan.slots)
        self._dropping = False
        self._decoder = decoder(plan.coding)
        self._encoder = encoder(plan.coding)
        self._asking: asyncio.Task[list[Outcome]] | None = None
        if outcomes is None:
            self._asking = asyncio.ensure_future(decider.ask(scope, plan))
            self._deadline = asyncio.get_running_loop().time() + page.budget_s

    @property
    def ready(self) -> bool:
        """Whether `run` will not wait."""
        return self._outcomes is not None

    @property
    def found_nothing(self) -> bool:
        """Whether the page was looked through and has no place for any snippet."""
        return not self._passes and not any(self._hits)

    @property
    def no_match_reason(self) -> str:
        return self._scanner.bail_reason or "no_match"

    def results(self) -> Iterator[tuple[str, str, str]]:
        """(portal, mode, reason) of each placement when the body is through; no reason if it was filled."""
        if self._outcomes is None:  # the page ended before a place was found, and nobody was waited for
            for slot in self.plan.slots:
                yield slot.placement.portal, slot.mode, self.no_match_reason
            return
        for slot, hits, outcome in zip(self.plan.slots, self._hits, self._outcomes, strict=True):
            mode = "loader" if outcome.is_loader else "decided"
            yield slot.placement.portal, mode, outcome.reason or ("" if hits else self.no_match_reason)

    async def run(self, data: bytes, *, last: bool) -> AsyncIterator[bytes]:
        """The output for a piece of the body. Raises CodingError if it cannot be decoded."""
        if self._passes:
            if data:
                yield data
            return
        out: list[bytes] = []
        for segment in self._segments(data, last):
            if isinstance(segment, bytes):
                if not self._dropping:
                    out.append(segment)
                continue
            if self._outcomes is None:
                if chunk := self._encoded(out, last=False):
                    yield chunk
                out = []
                self._outcomes = await self._within_budget()
            self._mark(segment, self._outcomes[segment.target], out)
        if chunk := self._encoded(out, last=last):
            yield chunk

    def cancel(self) -> None:
        """Stop asking. A look-up that other requests wait for goes on."""
        if self._asking is not None:
            self._asking.cancel()

    def _segments(self, data: bytes, last: bool) -> Iterator[bytes | Mark]:
        for piece in self._decoder.decode(data):
            yield from self._scanner.feed(piece)
        if last:
            for piece in self._decoder.finish():
                yield from self._scanner.feed(piece)
            yield from self._scanner.close()

    def _mark(self, mark: Mark, outcome: Outcome, out: list[bytes]) -> None:
        if mark.kind is MarkKind.REPLACE_END:
            self._dropping = False
            return
        self._hits[mark.target] += 1
        if self._dropping or not outcome.snippet:
            return
        out.append(outcome.snippet)
        # The loader cannot know whether it will show anything: it keeps the original and hides it by itself.
        self._dropping = mark.kind is MarkKind.REPLACE_START and not outcome.is_loader

    async def _within_budget(self) -> list[Outcome]:
        assert self._asking is not None
        left_s = self._deadline - asyncio.get_running_loop().time()
        done, _ = await asyncio.wait({self._asking}, timeout=max(0.0, left_s))
        if done:
            return self._asking.result()
        return self._decider.loaders(self._scope, self.plan)

    def _encoded(self, out: list[bytes], *, last: bool) -> bytes:
        data = self._encoder.encode(b"".join(out)) if out else b""
        if last:
            return data + self._encoder.finish()
        # What the app sends now is meant to be seen now.
        return data + self._encoder.flush() if out else data
