"""Marks of the targets in the page, or the reasons why there are none."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from portal_gateway.html.matching import CompiledTargets, Element, Matches
from portal_gateway.html.output import Mark, MarkKind, OmittedEnds, Output
from portal_gateway.html.refusals import can_be_closed, refusal
from portal_gateway.html.tree_rules import TreeRules

# The key of what is held as long as a frameset could replace the body.
FRAMESET = "frameset"


class Marking:
    # How many targets wait for the end of an element.
    _waiting = 0
    # For what the current token closes; None where a snippet cannot come before that.
    _ends: OmittedEnds | None = None

    def __init__(self, compiled: CompiledTargets, output: Output) -> None:
        self._matches = Matches(compiled)
        self.tree = TreeRules(self._matches)
        self.refusals: dict[int, str] = {}
        self._compiled = compiled
        self._output = output

    def _can_close(self, elements: Sequence[Element], formatting: Sequence[Element]) -> bool:
        if not elements:
            return True
        known = self._ends is not None and not self.tree.disturbed
        return known and all(can_be_closed(element, formatting) for element in elements)

    def _withdraw(self, key: Hashable, reason: str) -> None:
        for mark in self._output.withdraw(key):
            self.refusals.setdefault(mark.target, reason)

    def _decide(self, index: int, offset: int, reason: str | None, omitted: int = 0) -> None:
        self._waiting -= 1
        if reason:
            self.refusals.setdefault(index, reason)
        else:
            self._mark(index, offset, omitted)

    def _mark(self, index: int, offset: int, omitted: int = 0) -> None:
        """While a frameset could still replace the body, a mark is unsure."""
        key = FRAMESET if self.tree.frameset_ok else None
        self._output.mark(offset, self._snippet(index, omitted), key)

    def _snippet(self, index: int, omitted: int = 0, kind: MarkKind = MarkKind.INSERT) -> Mark:
        return Mark(index, kind, omitted, self._ends if omitted else None)

    def _refusal(
        self, index: int, stack: Sequence[Element], formatting: Sequence[Element], next_element: Element | None = None
    ) -> str | None:
        blocks = self._compiled.targets[index].breaks_paragraph
        return refusal(stack, formatting, next_element=next_element, breaks_paragraph=blocks)
