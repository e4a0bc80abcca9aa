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
from portal_gateway.html.scanner import Mark, MarkKind, Scanner, Segment
from portal_gateway.injection.decide import Outcome, PageDecider
from portal_gateway.injection.plan import Plan, under_page_policies
from portal_gateway.injection.rules import PagePlacements
from portal_gateway.observe.events import Events
from portal_gateway.wire.asgi import Scope

_BROKEN_CODING = "broken_coding"
_INTERNAL_ERROR = "internal_error"
# After so many bytes of one piece other requests have their turn: a kilobyte may unpack to a gigabyte.
_TURN_BYTES = 1024 * 1024


class Rewrite:
    """The state of one injected response."""

    def __init__(
        self,
        scope: Scope,
        plan: Plan,
        page: PagePlacements,
        decider: PageDecider,
        events: Events,
        outcomes: list[Outcome] | None,
    ) -> None:
        """`outcomes` are what each placement gets if that is known already; else they are asked for from now on."""
        self.plan = plan
        self._scope = scope
        self._decider = decider
        self._events = events
        self._outcomes = outcomes
        self._committed = False
        self._fault: str | None = None
        # Known to stay as it is: neither decoded nor scanned.
        self._passes = outcomes is not None and not any(outcome.snippet for outcome in outcomes)
        self._scanner = Scanner(page.targets)
        self._unscanned = b""  # what went into the scanner and has not come out yet
        self._head = PageHead() if _minds_policies(plan, outcomes) else None
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

    def is_simple(self, data: bytes) -> bool:
        """Whether a body of this one piece can be rewritten in one go: nothing to decode, not too much at once."""
        return self.ready and len(data) <= _TURN_BYTES and self.plan.coding == b"identity"

    @property
    def found_nothing(self) -> bool:
        """Whether the page was looked through and has no place for any snippet."""
        return not self._passes and not any(self._hits)

    @property
    def is_broken(self) -> bool:
        """Whether the body could not be decoded to its end, which was found out after `commit`."""
        return self._fault == _BROKEN_CODING

    @property
    def no_match_reason(self) -> str:
        return self._reason(0)

    @property
    def passing_reason(self) -> str | None:
        """Why the page gets no snippet, when that is known before its first byte."""
        return self._outcomes[0].reason if self._passes and self._outcomes else None

    def results(self) -> Iterator[tuple[str, str, str]]:
        """(portal, mode, reason) of each placement when the body is through; no reason if it was filled."""
        for index, slot in enumerate(self.plan.slots):
            reason = "" if self._hits[index] else self._reason(index)
            if self._outcomes is None:  # the page ended before a place was found, and nobody was waited for
                yield slot.placement.portal, slot.mode, reason
            else:
                outcome = self._outcomes[index]
                mode = "loader" if outcome.is_loader else "decided"
                yield slot.placement.portal, mode, outcome.reason or reason

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
                if not self._dropping:
                    # Encoded at once: a piece that unpacks to a thousand times its size must not pile up.
                    out.append(self._encoder.encode(segment))
                passed += len(segment)
                if passed >= _TURN_BYTES:
                    passed = 0
                    await asyncio.sleep(0)
                continue
            if self._outcomes is None:
                if chunk := self._flushed(out):
                    yield chunk
                out = []
                self._outcomes = await self._within_budget()
            self._outcomes = self._under_page_policies(self._outcomes)
            self._mark(segment, self._outcomes[segment.target], out)
        if chunk := self._finished(out) if last else self._flushed(out):
            yield chunk

    def whole(self, data: bytes) -> bytes:
        """What `run` yields for a body of one piece when all decisions are at hand. Raises what the scanner raises."""
        if self._passes:
            return data
        outcomes = self._outcomes
        assert outcomes is not None
        out: list[bytes] = []
        for segment in (*self._scanner.feed(data), *self._scanner.close()):
            if isinstance(segment, Mark):
                self._outcomes = outcomes = self._under_page_policies(outcomes)
                self._mark(segment, outcomes[segment.target], out)
                continue
            if self._head is not None:
                self._head.add(segment)
            if not self._dropping:
                out.append(segment)
        return b"".join(out)

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

    def _mark(self, mark: Mark, outcome: Outcome, out: list[bytes]) -> None:
        if mark.kind is MarkKind.REPLACE_END:
            self._dropping = False
            return
        self._hits[mark.target] += 1
        if self._dropping or not outcome.snippet:
            return
        out.append(self._encoder.encode(outcome.snippet))
        # The loader cannot know whether it will show anything: it keeps the original and hides it by itself.
        self._dropping = mark.kind is MarkKind.REPLACE_START and not outcome.is_loader

    async def _within_budget(self) -> list[Outcome]:
        assert self._asking is not None
        left_s = self._deadline - asyncio.get_running_loop().time()
        done, _ = await asyncio.wait({self._asking}, timeout=max(0.0, left_s))
        if done:
            return self._asking.result()
        return self._decider.loaders(self._scope, self.plan)

    def _under_page_policies(self, outcomes: list[Outcome]) -> list[Outcome]:
        """What is left of the outcomes under the policies in the page itself. Every place is behind all that count."""
        if self._head is None:
            return outcomes
        policies, self._head = self._head.policies(), None
        if not policies.policies:
            return outcomes
        self.plan = under_page_policies(self.plan, policies)
        return self._decider.under_page_policies(self._scope, self.plan, outcomes)

    def _flushed(self, out: list[bytes]) -> bytes:
        # What the app sends now is meant to be seen now.
        return b"".join([*out, self._encoder.flush()]) if out else b""

    def _finished(self, out: list[bytes]) -> bytes:
        # Without its end, a coded body that came broken is seen to be so.
        end = self._encoder.finish() if self._fault != _BROKEN_CODING else self._encoder.flush()
        return b"".join([*out, end])


def _minds_policies(plan: Plan, outcomes: list[Outcome] | None) -> bool:
    """Whether a policy could block what goes in: an iframe or the loader, not a link."""
    if outcomes is None or any(slot.placement.frame_origin is not None for slot in plan.slots):
        return True
    return any(outcome.is_loader for outcome in outcomes)
