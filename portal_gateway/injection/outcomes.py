"""What the placements of a page get, and what follows from that for the page as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from portal_gateway.injection.plan import Slot
from portal_gateway.observe.events import Events, Tally, placed

Result: TypeAlias = tuple[str, str, str]
"""Portal, mode, and the reason why its placement is empty; no reason if it was filled."""


class Outcome(NamedTuple):
    """The bytes for one placement; empty with the reason for that."""

    snippet: bytes
    reason: str = ""
    is_loader: bool = False


class Outcomes:
    """The outcomes for the slots of a plan. Pages that get the same share them, so what follows is worked out once."""

    def __init__(self, slots: Sequence[Slot], outcomes: Iterable[Outcome]) -> None:
        self._slots = slots
        self.each = tuple(outcomes)
        #: All snippets, one behind the other.
        self.snippets = b"".join([outcome.snippet for outcome in self.each])
        #: Why the page gets no snippet at all; None if it gets one.
        self.empty_reason = None if self.snippets else self.each[0].reason
        self._tallies: list[Tally] | None = None

    def count(self, events: Events) -> None:
        """There was a place for each."""
        if self._tallies is None:
            self._tallies = [events.tally(placed(result)) for result in self.results([""] * len(self.each))]
        for tally in self._tallies:
            tally.number += 1

    def results(self, misses: Sequence[str]) -> list[Result]:
        """What has become of each placement when the body is through. `misses` say why it has no place, if so."""
        return [
            (slot.placement.portal, "loader" if outcome.is_loader else "decided", outcome.reason or miss)
            for slot, outcome, miss in zip(self._slots, self.each, misses, strict=True)
        ]
