"""Where elements end: at their end tag, before a token that closes them without being that, or with the page.

In the second and third case a snippet that is to stand behind what is still open takes the end tags with it that the
page omits (`OmittedEnds`), if these close what would be closed anyway, and change nothing else.
"""

from __future__ import annotations

from typing import NamedTuple

from portal_gateway.html.marking import Marking
from portal_gateway.html.matching import CompiledTargets, Element, Position
from portal_gateway.html.output import Mark, MarkKind, OmittedEnds, Output
from portal_gateway.html.tags import Tag


class Before(NamedTuple):
    """The parser's state before the current token, which may close elements that it is not the end tag of."""

    stack: list[Element]
    formatting: list[Element]
    form: Element | None
    put_elsewhere: int


class Endings(Marking):
    # The element that is being cut out, and what has to be the same before and behind it.
    _replacing: tuple[Element, tuple[object, ...]] | None = None

    def __init__(self, compiled: CompiledTargets, output: Output) -> None:
        super().__init__(compiled, output)
        # By table, before which a snippet is held: the count of `put_elsewhere` until then.
        self._tables: dict[Element, int] = {}

    def _before(self) -> Before:
        tree = self.tree
        return Before(tree.stack.copy(), tree.formatting.copy(), tree.form, tree.put_elsewhere)

    def _closed(self, tag: Tag, before: Before | None, start: int, end: int) -> None:
        tree = self.tree
        self._ends = OmittedEnds([element.name for element in tree.popped])
        for element in tree.popped:
            if element in self._tables:
                self._settle_table(element, self._tables.pop(element))
            if before is None or not element.watchers:
                continue
            watchers, element.watchers = element.watchers, []
            depth = before.stack.index(element)
            explicit = tag.end and element is tree.popped[-1] and not tree.disturbed
            for index, position in watchers:
                if position is Position.REPLACE:
                    self._end_replacement(index, end if explicit else start, None if explicit else before, depth)
                elif position is Position.AFTER and explicit:
                    self._decide(index, end, self._refusal(index, tree.stack, tree.formatting))
                else:
                    self._decide_behind(index, position, start, before, depth, "implied_end")

    def _finish_elements(self, offset: int, unfinished: str | None) -> None:
        """Whatever is still open at the end of the input ends there."""
        before = self._before()
        self._ends = OmittedEnds([element.name for element in reversed(before.stack)])
        for depth in range(len(before.stack) - 1, -1, -1):
            for index, position in before.stack[depth].watchers:
                if unfinished or position is Position.REPLACE:
                    self._decide(index, offset, unfinished or "unclosed_element")
                else:
                    self._decide_behind(index, position, offset, before, depth, "unclosed_element")

    def _decide_behind(
        self, index: int, position: Position, offset: int, before: Before, depth: int, otherwise: str
    ) -> None:
        """Place at the end of the content of `before.stack[depth]`, or behind it where it has no end tag."""
        depth += position is Position.APPEND
        closing = before.stack[depth:]
        reason: str | None = otherwise
        if self._can_close(closing, before.formatting):
            reason = self._refusal(index, before.stack[:depth], before.formatting)
        self._decide(index, offset, reason, len(closing))

    def _end_replacement(self, index: int, offset: int, before: Before | None, depth: int) -> None:
        """At its end tag, or else `before` the token that closes the element without being that."""
        tree = self.tree
        self._waiting -= 1
        assert self._replacing is not None
        (element, outside), self._replacing = self._replacing, None
        if before is None:
            inside = (tree.formatting, tree.form, tree.put_elsewhere)
            reason = self._refusal(index, tree.stack, tree.formatting)
        else:
            inside = (before.formatting, before.form, before.put_elsewhere)
            reason = self._refusal(index, before.stack[:depth], before.formatting)
            # What other snippets would have to close is cut out.
            self._ends = None
            if tree.disturbed:
                reason = "implied_end"
        if reason is None and outside != inside:
            reason = "misnested_formatting"
        if reason is None:
            self._output.mark(offset, Mark(index, MarkKind.REPLACE_END))
            self._output.confirm(element)
        else:
            self._withdraw(element, reason)

    def _settle_table(self, table: Element, put_elsewhere: int) -> None:
        if self.tree.put_elsewhere == put_elsewhere:
            self._output.confirm(table)
        else:
            self._withdraw(table, "foster_parenting")
