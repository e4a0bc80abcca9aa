"""The list of active formatting elements (HTML 13.2.4.3) and the adoption agency algorithm (13.2.6.4.7).

The algorithm moves elements, and with them what has been placed in them. That is followed on the stack; where a
selector could tell the difference it is `Ambiguous`.
"""

from __future__ import annotations

from portal_gateway.html.elements import SCOPE, SETS_MARKER, SPECIAL, TABLE_SECTIONS
from portal_gateway.html.matching import Element
from portal_gateway.html.tags import Tag
from portal_gateway.html.tree import MARKER, MAX_EQUAL_FORMATTING, Ambiguous, OpenElements

_MAX_ADOPTIONS = 8
# Of more elements in between parsers of different age make different things.
_MAX_BETWEEN = 3
# What is moved here is put before the table.
_FOSTERING = TABLE_SECTIONS | {b"table", b"tr"}


class ActiveFormatting(OpenElements):
    @property
    def formatting_pending(self) -> bool:
        """Whether the next text or inline tag would first reopen formatting elements."""
        return bool(self.formatting) and not self.formatting[-1].open

    def add_marker(self) -> None:
        self.formatting.append(MARKER)

    def clear_to_marker(self) -> None:
        while self.formatting and self.formatting.pop() is not MARKER:
            pass

    def find_formatting(self, name: bytes) -> Element | None:
        for element in reversed(self.formatting):
            if element is MARKER:
                return None
            if element.name == name:
                return element
        return None

    def formatting_before(self, newest: Element) -> list[Element]:
        """The list as it was before the tag of `newest`, the last element that was opened."""
        formatting = [element for element in self.formatting if element is not newest]
        if newest.open and newest.name in SETS_MARKER:
            formatting.pop()
        return formatting

    def insert_formatting(self, tag: Tag) -> None:
        element = self.insert(tag)
        equal = []
        for other in reversed(self.formatting):
            if other is MARKER:
                break
            if other.name == tag.name and other.attributes == tag.attributes:
                equal.append(other)
        if len(equal) >= MAX_EQUAL_FORMATTING:
            self.formatting.remove(equal[-1])
        self.formatting.append(element)

    def reconstruct_formatting(self) -> None:
        if not self.formatting_pending:
            return
        self.disturbed = True
        first = len(self.formatting)
        while first and not self.formatting[first - 1].open:
            first -= 1
        for index in range(first, len(self.formatting)):
            self.formatting[index] = self.insert(self.formatting[index], implied=True)

    def close_formatting(self, name: bytes) -> None:
        """The adoption agency algorithm for an end tag `name`."""
        current = self.stack[-1]
        if current.name == name and current not in self.formatting:
            self.pop()
            return
        for _ in range(_MAX_ADOPTIONS):
            element = self.find_formatting(name)
            if element is None:
                self.close_any(name)
                return
            if not element.open:
                self.formatting.remove(element)
                return
            depth = self.stack.index(element)
            above = self.stack[depth + 1 :]
            if any(other.name in SCOPE for other in above):
                return
            block = next((other for other in above if other.name in SPECIAL), None)
            if block is None:
                while self.pop() is not element:
                    pass
                self.formatting.remove(element)
                return
            self._adopt(element, depth, block)

    def _adopt(self, element: Element, depth: int, block: Element) -> None:
        """Steps 9 to 19: `block` leaves `element`, of which a copy takes what is in `block`."""
        between = self.stack[depth + 1 : self.stack.index(block)]
        known = len(between) <= _MAX_BETWEEN and self.stack[depth - 1].name not in _FOSTERING
        if not known or not self._matches.overlook([element, *between], block):
            raise Ambiguous("misnested_formatting")
        self.disturbed = True
        parent = self.stack[depth - 1]
        around: list[Element] = []
        for node in between:
            node.open = False
            if node in self.formatting:
                parent = self._copy(node, parent)
                self.formatting[self.formatting.index(node)] = parent
                around.append(parent)
        element.open = False
        inner = self._copy(element, block)
        if around:
            self.formatting.insert(self.formatting.index(around[-1]) + 1, inner)
            self.formatting.remove(element)
        else:
            self.formatting[self.formatting.index(element)] = inner
        end = self.stack.index(block) + 1
        self.stack[depth:end] = [*around, block, inner]

    def _copy(self, element: Element, parent: Element) -> Element:
        copy = Element(element.name, element.raw)
        self._matches.enter(copy, parent, True)
        return copy

    def close_any(self, name: bytes) -> None:
        """ "Any other end tag" of 13.2.6.4.7."""
        for element in reversed(self.stack):
            if element.name == name:
                self.imply_end_tags(name)
                while self.pop() is not element:
                    pass
                return
            if element.name in SPECIAL:
                return
