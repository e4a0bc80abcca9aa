"""The stack of open elements (HTML 13.2.4.2), without a tree: enough to know the parent of whatever comes next.

Where the rules would move nodes that are already in the tree (foster parenting, frameset) there is nothing to move
here, so `Ambiguous` is raised before anything is guessed.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from portal_gateway.html.elements import (
    BUTTON_SCOPE,
    CLOSED_WITH_MORE,
    FORMATTING,
    IMPLIED_END,
    SCOPE,
    TABLE_SCOPE,
)
from portal_gateway.html.matching import Element, Matches
from portal_gateway.html.tags import Tag

# Chromium flattens what is deeper than this; other browsers have limits of the same size.
MAX_DEPTH = 512
# HTML 13.2.4.3: of equal formatting elements no more than three stay in the list ("Noah's Ark clause").
MAX_EQUAL_FORMATTING = 3

# Stands in the list of active formatting elements where the search for one ends.
MARKER = Element(b"", b"")


class Mode:
    """Insertion modes (HTML 13.2.4.1); "text" and "in template" are states of their own elsewhere.

    Numbers, since they are compared for every token: before Python 3.12 it takes as long as a few calls to look up the
    member of an Enum.
    """

    INITIAL: Final = 0
    BEFORE_HTML: Final = 1
    BEFORE_HEAD: Final = 2
    IN_HEAD: Final = 3
    AFTER_HEAD: Final = 4
    IN_BODY: Final = 5
    IN_TABLE: Final = 6
    IN_CAPTION: Final = 7
    IN_COLUMN_GROUP: Final = 8
    IN_TABLE_BODY: Final = 9
    IN_ROW: Final = 10
    IN_CELL: Final = 11
    IN_SELECT: Final = 12
    AFTER_BODY: Final = 13


class Ambiguous(Exception):
    """The tree rules would move, merge or drop nodes here. `reason` is a stable slug."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class OpenElements:
    """`matches` is told of every element that is inserted, with its parent and whether its tag was implied.

    `popped` lists what the current token closed, `disturbed` says that it closed or opened something besides the
    element of its own, so that what stands before the token has another parent than what stands after it.
    """

    disturbed = False
    # How many p are on the stack: mostly none, and then nothing has to be looked for.
    paragraphs = 0

    def __init__(self, matches: Matches) -> None:
        self.stack: list[Element] = []
        # The list of active formatting elements, whose rules are in formatting.py.
        self.formatting: list[Element] = []
        self.popped: list[Element] = []
        self._matches = matches

    # --- the stack

    def insert(self, tag: Tag, *, implied: bool = False) -> Element:
        element = Element(tag.name, tag.raw)
        stack, parent = self.stack, None
        if stack:
            parent = stack[-1]
            parent.children += 1
            if len(stack) >= MAX_DEPTH:
                raise Ambiguous("too_deep")
        self._matches.enter(element, parent, implied)
        stack.append(element)
        if element.name == b"p":
            self.paragraphs += 1
        return element

    def insert_unmatched(self, name: bytes, attributes: bytes) -> None:
        """Insert an element that stands where none can match, and where there is room for it."""
        element, parent = Element(name, attributes), self.stack[-1]
        parent.children += 1
        self._matches.pass_by(element, parent)
        self.stack.append(element)
        if name == b"p":
            self.paragraphs += 1

    def insert_void(self, tag: Tag) -> None:
        self.insert(tag)
        self.stack.pop().open = False

    def pop(self) -> Element:
        element = self.stack.pop()
        element.open = False
        if element.name == b"p":
            self.paragraphs -= 1
        self.popped.append(element)
        return element

    def pop_until(self, *names: bytes) -> None:
        while self.pop().name not in names:
            pass

    def close_current(self, name: bytes) -> bool:
        """Whether the end tag `name` just closes the current element, and all is done. The most frequent case,
        which the rules below would come to as well."""
        current = self.stack[-1]
        if current.name != name or current.watchers:
            return False
        if name in FORMATTING:
            if not self.formatting or self.formatting[-1] is not current:
                return False
            self.formatting.pop()
        elif name in CLOSED_WITH_MORE:
            return False
        self.pop()
        self.popped.clear()
        return True

    def clear_back_to(self, names: Collection[bytes]) -> None:
        while self.stack[-1].name not in names:
            self.pop()

    def imply_end_tags(self, except_for: bytes = b"") -> None:
        while self.stack[-1].name in IMPLIED_END and self.stack[-1].name != except_for:
            self.pop()

    def in_scope(self, name: bytes, boundary: Collection[bytes] = SCOPE) -> bool:
        for element in reversed(self.stack):
            if element.name == name:
                return True
            if element.name in boundary:
                return False
        return False

    def in_table_scope(self, *names: bytes) -> bool:
        return any(self.in_scope(name, TABLE_SCOPE) for name in names)

    def close_p(self) -> None:
        if self.paragraphs and self.in_scope(b"p", BUTTON_SCOPE):
            self.imply_end_tags(b"p")
            self.pop_until(b"p")
