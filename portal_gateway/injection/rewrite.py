"""One page on its way through: decoded, scanned, with the snippets put in, and encoded again.

Every piece of the body goes through `run`. What it yields may be sent at once; between two pieces it may wait, within
the budget, for the decisions.

Until `commit`, trouble raises, and the page can still be sent as it came. From then on there is no way back: a fault of
the scanner lets the rest pass unscanned, and a body that cannot be decoded further ends there, as broken as it came:
`is_broken` then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

from portal_gateway.html.codings import CodingError, decoder, encoder
from portal_gateway.html.meta_csp import PageHead
from portal_gateway.html.scanner import Scanner, Segment
from portal_gateway.injection.decide import PageDecider
from portal_gateway.injection.filling import TURN_BYTES, Filling
from portal_gateway.injection.outcomes import Outcomes, Result
from portal_gateway.injection.plan import Plan, under_page_policies
from portal_gateway.injection.rules import PagePlacements
from portal_gateway.observe.events import Events
from portal_gateway.wire.asgi import Scope

_BROKEN_CODING = "broken_coding"
_INTERNAL_ERROR = "internal_error"
# What the budget pays for besides the waiting: timers that are late, and the snippet.
_AFTERWARDS_S = 0.002


class Rewrite:
    """The state of one injected response."""

    def __init__(
        self,
        scope: Scope,
        plan: Plan,
        page: PagePlacements,
        decider: PageDecider,
        events: Events,
        outcomes: Outcomes | None,
        own_origin: Callable[[], str],
    ) -> None:
        """`outcomes` are what each placement gets if that is known already; else they are asked for from now on.

        `own_origin` gives the page's origin as the browser sees it.
        """
        self.plan = plan
        self._scope = scope
        self._decider = decider
        self._events = events
        self.outcomes = outcomes
        self._own_origin = own_origin
        self._committed = False
        self._fault: str | None = None
        # Known to stay as it is: neither decoded nor scanned.
        self._passes = outcomes is not None and outcomes.empty_reason is not None
        self._scanner = Scanner(page.targets)
        self._unscanned = b""  # what went into the scanner and has not come out yet
        self._head = PageHead() if outcomes is None or plan.minds_policies else None
        self._filling = Filling(len(plan.slots))
        self._decoder = decoder(plan.coding)
        self._encoder = encoder(plan.coding)
        self._asking: asyncio.Task[Outcomes] | None = None
        if outcomes is None:
            self._asking = asyncio.ensure_future(decider.ask(scope, plan))
            self._deadline = asyncio.get_running_loop().time() + page.budget_s - _AFTERWARDS_S

    @property
    def is_broken(self) -> bool:
        """Whether the body could not be decoded to its end, which was found out after `commit`."""
        return self._fault == _BROKEN_CODING

    @property
    def empty_reason(self) -> str | None:
        """Why the page gets no snippet, when that is known before its first byte."""
        return self.outcomes.empty_reason if self.outcomes is not None else None

    def misses(self) -> list[str]:
        """For each placement why it has no place, when the body is through; empty for those that have one, and where
        none was looked for."""
        hits = self._filling.hits
        return ["" if self._passes or hits[target] else self._reason(target) for target in range(len(hits))]

    def results(self) -> list[Result]:
        """What has become of each placement when the body is through."""
        if self.outcomes is not None:
            return self.outcomes.results(self.misses())
        # The page ended before a place was found, and nobody was waited for.
        return [(s.placement.portal, s.mode, miss) for s, miss in zip(self.plan.slots, self.misses(), strict=True)]

    async def run(self, data: bytes, *, last: bool) -> AsyncIterator[bytes]:
        """The output for a piece of the body. Raises CodingError if it cannot be decoded, and what the scanner raises,
        until `commit`."""
        if self._passes:
            if data:
                yield data
            return
        out: list[bytes] = []
        passed = 0
        for segment in self._segments(data, last):
            if isinstance(segment, bytes):
                if self._head is not None:
                    self._head.add(segment)
                if not self._filling.dropping:
                    # Encoded at once: a piece that unpacks to a thousand times its size must not pile up.
                    out.append(self._encoder.encode(segment))
                passed += len(segment)
                if passed >= TURN_BYTES:
                    passed = 0
                    await asyncio.sleep(0)
                continue
            if self.outcomes is None:
                if chunk := self._flushed(out):
                    yield chunk
                out = []
                self.outcomes = await self._within_budget()
            self.outcomes = self._under_page_policies(self.outcomes)
            if snippet := self._filling.snippet_at(segment, self.outcomes.each[segment.target]):
                out.append(self._encoder.encode(snippet))
        if chunk := self._finished(out) if last else self._flushed(out):
            yield chunk

    def commit(self) -> None:
        """The head is out."""
        self._committed = True

    def cancel(self) -> None:
        """Stop asking. A look-up that other requests wait for goes on."""
        if self._asking is not None:
            self._asking.cancel()

    def _reason(self, target: int) -> str:
        return self._fault or self._scanner.reason(target) or "no_match"

    def _segments(self, data: bytes, last: bool) -> Iterator[Segment]:
        if self._fault == _BROKEN_CODING:
            return
        try:
            for piece in self._decoder.decode(data):
                yield from self._scanned(piece)
            if last:
                for piece in self._decoder.finish():
                    yield from self._scanned(piece)
        except CodingError:
            if not self._committed:
                raise
            self._fault = _BROKEN_CODING
            last = True
        if last:
            yield from self._guarded(self._scanner.close)

    def _scanned(self, piece: bytes) -> Sequence[Segment]:
        self._unscanned += piece
        return self._guarded(lambda: self._scanner.feed(piece))

    def _guarded(self, scan: Callable[[], Sequence[Segment]]) -> Sequence[Segment]:
        """What the scanner gives; if it fails, all that it still holds, and everything from then on as it comes."""
        try:
            segments = scan() if self._fault != _INTERNAL_ERROR else ()
        except Exception as error:
            if not self._committed:
                raise
            self._events.failed(error, "scanner")
            self._fault, segments = _INTERNAL_ERROR, ()
        if self._fault == _INTERNAL_ERROR:
            rest, self._unscanned = self._unscanned, b""
            return [rest] if rest else []
        passed = sum(len(segment) for segment in segments if isinstance(segment, bytes))
        self._unscanned = self._unscanned[passed:]
        return segments

    async def _within_budget(self) -> Outcomes:
        assert self._asking is not None
        left_s = self._deadline - asyncio.get_running_loop().time()
        done, _ = await asyncio.wait({self._asking}, timeout=max(0.0, left_s))
        if done:
            return self._asking.result()
        return self._decider.loaders(self._scope, self.plan)

    def _under_page_policies(self, outcomes: Outcomes) -> Outcomes:
        """What is left of the outcomes under the policies in the page itself. Every place is behind all that count."""
        if self._head is None:
            return outcomes
        policies, self._head = self._head.policies(), None
        if not policies.policies:
            return outcomes
        self.plan = under_page_policies(self.plan, policies, self._own_origin())
        return self._decider.under_page_policies(self._scope, self.plan, outcomes)

    def _flushed(self, out: list[bytes]) -> bytes:
        # What the app sends now is meant to be seen now.
        return b"".join([*out, self._encoder.flush()]) if out else b""

    def _finished(self, out: list[bytes]) -> bytes:
        # Without its end, a coded body that came broken is seen to be so.
        end = self._encoder.finish() if self._fault != _BROKEN_CODING else self._encoder.flush()
        return b"".join([*out, end])
