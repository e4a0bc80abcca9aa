"""Turns what the tree rules report about each token into marks, or into the reason why there is none.

A mark is set only where a snippet becomes exactly the node that the target asks for and nothing else changes: the
parser must be in a state where the snippet opens or closes nothing but itself.
"""

from __future__ import annotations

from collections.abc import Hashable

from portal_gateway.html.elements import RAW_TEXT, TABLE_SECTIONS
from portal_gateway.html.matching import CompiledTargets, Element, Matches, Position, Target
from portal_gateway.html.output import Mark, MarkKind, Output
from portal_gateway.html.tags import Tag
from portal_gateway.html.tree import MARKER, Ambiguous, Mode
from portal_gateway.html.tree_rules import TreeRules

_ORDER = (Position.BEFORE, Position.REPLACE, Position.PREPEND, Position.APPEND, Position.AFTER)
_NO_CONTENT = RAW_TEXT | {b"script", b"noframes", b"plaintext", b"template", b"svg", b"math"}
_PARENT_REFUSALS = {
    b"html": "outside_body",
    b"head": "in_head",
    **dict.fromkeys(TABLE_SECTIONS | {b"table", b"tr", b"colgroup"}, "in_table"),
    **dict.fromkeys((b"select", b"optgroup", b"option"), "in_select"),
    **dict.fromkeys(_NO_CONTENT, "no_element_content"),
}
# Keys of holds that are not tied to an element.
_BODY_END = "body_end"
_FRAMESET = "frameset"


class Placer:
    def __init__(self, compiled: CompiledTargets, output: Output) -> None:
        self._matches = Matches(compiled)
        self.tree = TreeRules(self._matches.enter)
        self.refusals: dict[int, str] = {}
        self._compiled = compiled
        self._output = output
        self._waiting = 0
        self._body_end: list[int] = []
        self._replacing: tuple[Element, tuple[object, ...]] | None = None
        self._tables: dict[Element, int] = {}
        self._frameset_was_ok = True

    @property
    def done(self) -> bool:
        return not (self._matches.unmatched or self._waiting or self._body_end or self._output.holding)

    @property
    def searching(self) -> bool:
        return self._matches.unmatched != 0

    @property
    def idle(self) -> bool:
        """Whether nothing is to come from what cannot match: no end is waited for, no element can be reopened."""
        waiting = self._waiting or self._body_end or self._replacing or self._output.holding
        return not waiting and all(element is MARKER for element in self.tree.formatting)

    # --- tokens

    def tag(self, tag: Tag, start: int, end: int, *, raw_end: bool = False) -> None:
        """A start or end tag that stands at `start` and ends before `end`."""
        tree = self.tree
        top = tree.stack[-1] if tree.stack else None
        refusals = self._append_refusals(top) if top is not None and top.watchers else {}
        mode = tree.mode
        self._frameset_was_ok = tree.frameset_ok
        if tree.popped:
            tree.popped.clear()
        tree.disturbed = False
        if raw_end:
            tree.end_raw()
        elif tag.end:
            tree.end(tag)
        else:
            tree.start(tag)
        if tree.popped:
            self._closed(tag, top, refusals, start, end)
        if self._matches.found:
            self._opened(start, end)
        if tree.mode is not mode or self._output.holding:
            self._settle(mode, start)

    def skips_leaf(self, name: bytes, raw: bytes) -> bool:
        """Whether a whole inline element of text is done with by counting it."""
        if not self.tree.skips_leaf(name):
            return False
        parent = self.tree.stack[-1]
        if self._compiled.may_match(name, raw, parent):
            return False
        parent.children += 1
        return True

    def text(self, offset: int, *, blank: bool) -> None:
        """Text that begins at `offset`."""
        tree = self.tree
        mode = tree.mode
        tree.popped.clear()
        tree.disturbed = False
        if blank:
            tree.whitespace()
        else:
            tree.characters()
        if tree.popped:
            self._closed(Tag(b""), None, {}, offset, offset)
        if self._matches.found:
            self._opened(offset, offset)
        self._settle(mode, offset)

    def finish(self, offset: int, unfinished: str | None) -> None:
        """The end of the input. `unfinished` names what the input ended in the middle of, if anything."""
        tree = self.tree
        tree.popped.clear()
        tree.disturbed = False
        tree.finish()
        if self._matches.found:
            self._opened(offset, offset, unfinished)
        top = tree.stack[-1] if tree.stack else None
        for element in tree.stack:
            for index, position in element.watchers:
                reason = "unclosed_element"
                if element is top and position is Position.APPEND:
                    reason = unfinished or self._refusal(index, len(tree.stack)) or ""
                self._decide(index, offset, reason)
        self._finish_body(offset, unfinished)
        if self._replacing:
            self._withdraw(self._replacing[0], unfinished or "unclosed_element")
        for table, fostered in self._tables.items():
            self._settle_table(table, fostered)
        self._output.confirm(_FRAMESET)

    # --- matches

    def _opened(self, start: int, end: int, unfinished: str | None = None) -> None:
        found, self._matches.found = self._matches.found, []
        for element, bits, implied in found:
            indexes = [i for i in range(len(self._compiled.targets)) if bits >> i & 1 & self._matches.unmatched >> i]
            for index in sorted(indexes, key=lambda i: _ORDER.index(self._compiled.targets[i].position)):
                target = self._compiled.targets[index]
                if not target.every:
                    self._matches.unmatched &= ~(1 << index)
                reason = unfinished or self._place(index, target, element, implied, start, end)
                if reason:
                    self.refusals.setdefault(index, reason)

    def _place(self, index: int, target: Target, element: Element, implied: bool, start: int, end: int) -> str | None:
        position = target.position
        if self._replacing and not (element is self._replacing[0] and position is Position.AFTER):
            return "inside_replacement"
        if position is Position.BEFORE or position is Position.REPLACE:
            return self._place_before(index, element, implied, start, end)
        if position is Position.AFTER:
            return self._place_after(index, element, implied, end)
        return self._place_inside(index, position, element, implied, start, end)

    def _place_before(self, index: int, element: Element, implied: bool, start: int, end: int) -> str | None:
        tree = self.tree
        if element.name in (b"html", b"head", b"body"):
            return "outside_body"
        if implied:
            return "implied_element"
        if tree.disturbed or any(closed.name != b"head" for closed in tree.popped if closed is not element):
            return "implied_end"
        depth = len(tree.stack) - (1 if element.open else 0)
        reason = self._refusal(index, depth, next_element=element)
        if reason:
            return reason
        if self._compiled.targets[index].position is Position.REPLACE:
            return self._begin_replacement(index, element, start, end)
        if element.name == b"table":
            # Stray text in a table is moved before it, behind the snippet: known only when the table ends.
            self._tables[element] = tree.fostered
            self._output.mark(start, Mark(index, MarkKind.INSERT), element)
            return None
        self._mark(index, start)
        return None

    def _begin_replacement(self, index: int, element: Element, start: int, end: int) -> str | None:
        if self._frameset_was_ok:
            # What is cut out may be all that keeps a later frameset from replacing the body.
            return "frameset"
        if not element.open:
            self._output.mark(start, Mark(index, MarkKind.REPLACE_START))
            self._output.mark(end, Mark(index, MarkKind.REPLACE_END))
            return None
        self._output.mark(start, Mark(index, MarkKind.REPLACE_START), element)
        self._replacing = (element, self._surroundings(element))
        element.watchers.append((index, Position.REPLACE))
        self._waiting += 1
        return None

    def _surroundings(self, element: Element) -> tuple[object, ...]:
        """What must be the same before and after an element that can be cut out."""
        tree = self.tree
        form = tree.form if tree.form is not element else None
        return (tuple(tree.formatting_before(element)), form, tree.fostered)

    def _place_after(self, index: int, element: Element, implied: bool, end: int) -> str | None:
        if element.name in (b"html", b"head", b"body"):
            return "outside_body"
        if implied:
            return "implied_element"
        if element.open:
            element.watchers.append((index, Position.AFTER))
            self._waiting += 1
            return None
        reason = self._refusal(index, len(self.tree.stack))
        if reason is None:
            self._mark(index, end)
        return reason

    def _place_inside(
        self, index: int, position: Position, element: Element, implied: bool, start: int, end: int
    ) -> str | None:
        name = element.name
        if name == b"body" or (name == b"html" and position is Position.APPEND):
            if position is Position.APPEND:
                self._body_end.append(index)
            else:
                self._mark(index, start if implied else end)
            return None
        if implied:
            return "implied_element"
        if not element.open:
            return "no_element_content"
        if name in _PARENT_REFUSALS:
            return _PARENT_REFUSALS[name]
        if position is Position.APPEND:
            element.watchers.append((index, position))
            self._waiting += 1
            return None
        if name in (b"pre", b"listing"):
            # The parser drops a line feed right after these start tags, and only there.
            return "leading_newline"
        reason = self._refusal(index, len(self.tree.stack))
        if reason is None:
            self._mark(index, end)
        return reason

    # --- ends

    def _append_refusals(self, top: Element) -> dict[int, str | None]:
        """Judged before the token that may close `top`, since the token changes what is judged."""
        depth = len(self.tree.stack)
        return {i: self._refusal(i, depth) for i, position in top.watchers if position is Position.APPEND}

    def _closed(self, tag: Tag, top: Element | None, refusals: dict[int, str | None], start: int, end: int) -> None:
        tree = self.tree
        for element in tree.popped:
            if element in self._tables:
                self._settle_table(element, self._tables.pop(element))
            watchers, element.watchers = element.watchers, []
            explicit = tag.end and element is tree.popped[-1] and not tree.disturbed
            for index, position in sorted(watchers, key=lambda w: _ORDER.index(w[1])):
                if position is Position.APPEND:
                    self._decide(index, start, "implied_end" if element is not top else refusals[index])
                    continue
                reason = self._refusal(index, len(tree.stack)) if explicit else "implied_end"
                if position is Position.REPLACE:
                    self._end_replacement(index, element, end, reason)
                else:
                    self._decide(index, end, reason)

    def _end_replacement(self, index: int, element: Element, end: int, reason: str | None) -> None:
        self._waiting -= 1
        assert self._replacing is not None
        if reason is None and self._replacing[1] != self._surroundings(element):
            reason = "misnested_formatting"
        self._replacing = None
        if reason is None:
            self._output.mark(end, Mark(index, MarkKind.REPLACE_END))
            self._output.confirm(element)
        else:
            self._withdraw(element, reason)

    def _settle_table(self, table: Element, fostered: int) -> None:
        if self.tree.fostered == fostered:
            self._output.confirm(table)
        else:
            self._withdraw(table, "foster_parenting")

    def _settle(self, mode: Mode, start: int) -> None:
        """After each token: what holds wait for, and the end of the body."""
        tree = self.tree
        if not tree.frameset_ok and self._output.holding:
            self._output.confirm(_FRAMESET)
        if tree.mode is mode or Mode.AFTER_BODY not in (mode, tree.mode):
            return
        if self._replacing:
            raise Ambiguous("body_end_inside")
        if tree.mode is not Mode.AFTER_BODY:
            self._output.withdraw(_BODY_END)
            return
        for index in self._body_end:
            if self._refusal(index, len(tree.stack)) is None:
                self._output.mark(start, Mark(index, MarkKind.INSERT), _BODY_END)

    def _finish_body(self, offset: int, unfinished: str | None) -> None:
        placed = self._output.has_hold(_BODY_END)
        self._output.confirm(_BODY_END)
        indexes, self._body_end = self._body_end, []
        for index in () if placed else indexes:
            self._waiting += 1
            self._decide(index, offset, unfinished or self._refusal(index, len(self.tree.stack)))

    # --- marks

    def _withdraw(self, key: Hashable, reason: str) -> None:
        for mark in self._output.withdraw(key):
            self.refusals.setdefault(mark.target, reason)

    def _decide(self, index: int, offset: int, reason: str | None) -> None:
        self._waiting -= 1
        if reason:
            self.refusals.setdefault(index, reason)
        else:
            self._mark(index, offset)

    def _mark(self, index: int, offset: int) -> None:
        """While a frameset could still replace the body, a mark is unsure."""
        key = _FRAMESET if self.tree.frameset_ok else None
        self._output.mark(offset, Mark(index, MarkKind.INSERT), key)

    def _refusal(self, index: int, depth: int, next_element: Element | None = None) -> str | None:
        """Why a snippet cannot be a child of `stack[depth - 1]` here, or None if it can."""
        tree = self.tree
        parent = tree.stack[depth - 1].name if depth else b"html"
        if parent in _PARENT_REFUSALS:
            return _PARENT_REFUSALS[parent]
        blocks = self._compiled.targets[index].breaks_paragraph
        return tree.refusal(depth, next_element=next_element, breaks_paragraph=blocks)
