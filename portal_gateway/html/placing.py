"""Turns what the tree rules report about each token into marks, or into the reason why there is none.

A mark is set only where a snippet becomes exactly the node that the target asks for and nothing else changes: the
parser must be in a state where the snippet opens or closes nothing but itself.
"""

from __future__ import annotations

from portal_gateway.html.endings import Endings
from portal_gateway.html.marking import FRAMESET
from portal_gateway.html.matching import Element, Position, Target
from portal_gateway.html.output import Mark, MarkKind
from portal_gateway.html.refusals import PARENT_REFUSALS
from portal_gateway.html.tags import Tag
from portal_gateway.html.tree import MARKER, Ambiguous, Mode

# The key of what is held behind the end of the body.
_BODY_END = "body_end"


class Placer(Endings):
    # The targets that append to the body.
    _body_end: tuple[int, ...] = ()
    _frameset_was_ok = True

    @property
    def done(self) -> bool:
        return not (self._matches.unmatched or self._waiting or self._body_end or self._output.holding)

    @property
    def searching(self) -> bool:
        return self._matches.unmatched != 0

    @property
    def idle(self) -> bool:
        """Whether nothing is to come from what cannot match: no end is waited for, no element can be reopened."""
        if self._waiting or self._body_end or self._replacing or self._output.holding:
            return False
        formatting = self.tree.formatting
        return not formatting or all(element is MARKER for element in formatting)

    # --- tokens

    def tag(self, tag: Tag, start: int, end: int, *, raw_end: bool = False) -> None:
        """A start or end tag that stands at `start` and ends before `end`."""
        tree = self.tree
        before = self._before() if self._waiting else None
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
            self._closed(tag, before, start, end)
        if self._matches.found:
            self._opened(start, end)
        if tree.mode != mode or self._output.holding:
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
        before = self._before() if self._waiting else None
        tree.popped.clear()
        tree.disturbed = False
        if blank:
            tree.whitespace()
        else:
            tree.characters()
        if tree.popped:
            self._closed(Tag(b""), before, offset, offset)
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
        self._finish_elements(offset, unfinished)
        self._finish_body(offset, unfinished)
        if self._replacing:
            self._withdraw(self._replacing[0], unfinished or "unclosed_element")
        for table, put_elsewhere in self._tables.items():
            self._settle_table(table, put_elsewhere)
        self._output.confirm(FRAMESET)

    # --- matches

    def _opened(self, start: int, end: int, unfinished: str | None = None) -> None:
        found, self._matches.found = self._matches.found, []
        for element, bits, implied in found:
            for index in self._compiled.in_order:
                if not (bits & self._matches.unmatched) >> index & 1:
                    continue
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
        formatting = tree.formatting_before(element)
        closing = [closed for closed in tree.popped if closed is not element and closed.name != b"head"]
        if tree.disturbed or not self._can_close(closing, formatting):
            return "implied_end"
        reason = self._refusal(index, tree.stack[:-1] if element.open else tree.stack, formatting, element)
        if reason:
            return reason
        omitted = len(closing)
        if self._compiled.targets[index].position is Position.REPLACE:
            return self._begin_replacement(index, element, start, end, omitted)
        if element.name == b"table":
            # Stray text in a table is moved before it, behind the snippet: known only when the table ends.
            self._tables[element] = tree.put_elsewhere
            self._output.mark(start, self._snippet(index, omitted), element)
            return None
        self._mark(index, start, omitted)
        return None

    def _begin_replacement(self, index: int, element: Element, start: int, end: int, omitted: int) -> str | None:
        if self._frameset_was_ok:
            # What is cut out may be all that keeps a later frameset from replacing the body.
            return "frameset"
        mark = self._snippet(index, omitted, MarkKind.REPLACE_START)
        if not element.open:
            self._output.mark(start, mark)
            self._output.mark(end, Mark(index, MarkKind.REPLACE_END))
            return None
        self._output.mark(start, mark, element)
        form = self.tree.form
        outside = (self.tree.formatting_before(element), form if form is not element else None, self.tree.put_elsewhere)
        self._replacing = (element, outside)
        element.watchers.append((index, Position.REPLACE))
        self._waiting += 1
        return None

    def _place_after(self, index: int, element: Element, implied: bool, end: int) -> str | None:
        if element.name in (b"html", b"head", b"body"):
            return "outside_body"
        if implied:
            return "implied_element"
        if element.open:
            element.watchers.append((index, Position.AFTER))
            self._waiting += 1
            return None
        reason = self._refusal(index, self.tree.stack, self.tree.formatting)
        if reason is None:
            self._mark(index, end)
        return reason

    def _place_inside(
        self, index: int, position: Position, element: Element, implied: bool, start: int, end: int
    ) -> str | None:
        name = element.name
        if name == b"body" or (name == b"html" and position is Position.APPEND):
            if position is Position.APPEND:
                self._body_end += (index,)
            else:
                self._mark(index, start if implied else end)
            return None
        if implied:
            return "implied_element"
        if not element.open:
            return "no_element_content"
        if name in PARENT_REFUSALS:
            return PARENT_REFUSALS[name]
        if position is Position.APPEND:
            element.watchers.append((index, position))
            self._waiting += 1
            return None
        if name in (b"pre", b"listing"):
            # The parser drops a line feed right after these start tags, and only there.
            return "leading_newline"
        reason = self._refusal(index, self.tree.stack, self.tree.formatting)
        if reason is None:
            self._mark(index, end)
        return reason

    # --- ends

    def _settle(self, mode: int, start: int) -> None:
        """After each token: what holds wait for, and the end of the body."""
        tree = self.tree
        if not tree.frameset_ok and self._output.holding:
            self._output.confirm(FRAMESET)
        if tree.mode == mode or Mode.AFTER_BODY not in (mode, tree.mode):
            return
        if self._replacing:
            raise Ambiguous("body_end_inside")
        if tree.mode != Mode.AFTER_BODY:
            self._output.withdraw(_BODY_END)
            return
        for index in self._body_end:
            if self._refusal(index, tree.stack, tree.formatting) is None:
                self._output.mark(start, self._snippet(index), _BODY_END)

    def _finish_body(self, offset: int, unfinished: str | None) -> None:
        placed = self._output.has_hold(_BODY_END)
        self._output.confirm(_BODY_END)
        indexes, self._body_end = self._body_end, ()
        for index in () if placed else indexes:
            self._waiting += 1
            self._decide(index, offset, unfinished or self._refusal(index, self.tree.stack, self.tree.formatting))

    # --- marks
