"""What the placements of a page get, and what follows from that for the page as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from portal_gateway.injection.plan import Slot
from portal_gateway.observe.events import Series, placed

Result: TypeAlias = tuple[str, str, str]
"""Portal, mode, and the reason why its placement is empty; no reason if it was filled."""


class Outcome(NamedTuple):
    """The bytes for one placement; empty with the reason for that."""

    snippet: bytes
    reason: str = ""
    is_loader: bool = False


class Outcomes(tuple[Outcome, ...]):
    """The outcomes for the slots of a plan. Pages that get the same share them, so what follows is worked out once."""

    _slots: Sequence[Slot]
    #: All snippets, one behind the other.
    snippets: bytes
    #: Why the page gets no snippet at all; None if it gets one.
    empty_reason: str | None
    #: What is counted if there is a place for each.
    counted: tuple[Series, ...]

    def __new__(cls, slots: Sequence[Slot], outcomes: Iterable[Outcome]) -> Outcomes:
        self = super().__new__(cls, outcomes)
        self._slots = slots
        self.snippets = b"".join([outcome.snippet for outcome in self])
        self.empty_reason = None if self.snippets else self[0].reason
        self.counted = tuple(map(placed, self.results([""] * len(self))))
        return self

    def results(self, misses: Sequence[str]) -> list[Result]:
        """What has become of each placement when the body is through. `misses` say why it has no place, if so."""
        return [
            (slot.placement.portal, "loader" if outcome.is_loader else "decided", outcome.reason or miss)
            for slot, outcome, miss in zip(self._slots, self, misses, strict=True)
        ]
