"""The stack of open elements and the list of active formatting elements (HTML 13.2.4.2 and 13.2.4.3), without a
tree: enough to know the parent of whatever comes next.

Where the rules would move nodes that are already in the tree (adoption agency, foster parenting, frameset) there
is nothing to move here, so `Ambiguous` is raised before anything is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import Enum, auto

from portal_gateway.html.elements import (
    BUTTON_SCOPE,
    CLOSED_WITH_MORE,
    FORMATTING,
    IMPLIED_END,
    SCOPE,
    SETS_MARKER,
    SPECIAL,
    TABLE_SCOPE,
)
from portal_gateway.html.matching import Element
from portal_gateway.html.tags import Tag

# Chromium flattens what is deeper than this; other browsers have limits of the same size.
MAX_DEPTH = 512
# HTML 13.2.4.3: of equal formatting elements no more than three stay in the list ("Noah's Ark clause").
MAX_EQUAL_FORMATTING = 3

# Stands in the list of active formatting elements where the search for one ends.
MARKER = Element(b"", Tag(b""))


class Mode(Enum):
    """Insertion modes (HTML 13.2.4.1); "text" and "in template" are states of their own elsewhere."""

    INITIAL = auto()
    BEFORE_HTML = auto()
    BEFORE_HEAD = auto()
    IN_HEAD = auto()
    AFTER_HEAD = auto()
    IN_BODY = auto()
    IN_TABLE = auto()
    IN_CAPTION = auto()
    IN_COLUMN_GROUP = auto()
    IN_TABLE_BODY = auto()
    IN_ROW = auto()
    IN_CELL = auto()
    IN_SELECT = auto()
    AFTER_BODY = auto()


class Ambiguous(Exception):
    """The tree rules would move, merge or drop nodes here. `reason` is a stable slug."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class OpenElements:
    """`enter` is told of every element that is inserted, with its parent and whether its tag was implied.

    `popped` lists what the current token closed, `disturbed` says that it closed or opened something besides the
    element of its own, so that what stands before the token has another parent than what stands after it.
    """

    def __init__(self, enter: Callable[[Element, Element | None, bool], None]) -> None:
        self.stack: list[Element] = []
        self.formatting: list[Element] = []
        self.popped: list[Element] = []
        self.disturbed = False
        # How many p are on the stack: mostly none, and then nothing has to be looked for.
        self.paragraphs = 0
        self._enter = enter

    # --- the stack

    def insert(self, tag: Tag, *, implied: bool = False) -> Element:
        element = Element(tag.name, tag)
        parent = self.stack[-1] if self.stack else None
        if parent is not None:
            parent.children += 1
        if len(self.stack) >= MAX_DEPTH:
            raise Ambiguous("too_deep")
        self._enter(element, parent, implied)
        self.stack.append(element)
        if tag.name == b"p":
            self.paragraphs += 1
        return element

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

    # --- the list of active formatting elements

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

    def insert_formatting(self, tag: Tag) -> None:
        element = self.insert(tag)
        equal = []
        for other in reversed(self.formatting):
            if other is MARKER:
                break
            if other.name == tag.name and other.tag.attributes == tag.attributes:
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
            self.formatting[index] = self.insert(self.formatting[index].tag, implied=True)

    def close_formatting(self, tag: Tag) -> None:
        """The adoption agency algorithm (13.2.6.4.7) as far as it only closes elements."""
        name = tag.name
        current = self.stack[-1]
        if current.name == name and current not in self.formatting:
            self.pop()
            return
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
        if any(other.name in SPECIAL for other in above):
            raise Ambiguous("misnested_formatting")
        while self.pop() is not element:
            pass
        self.formatting.remove(element)

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

    def formatting_before(self, newest: Element | None) -> list[Element]:
        """The list as it was before the tag of `newest`, the last element that was opened."""
        formatting = [element for element in self.formatting if element is not newest]
        if newest is not None and newest.open and newest.name in SETS_MARKER:
            formatting.pop()
        return formatting

    # --- what may be placed here

    def refusal(self, depth: int, *, next_element: Element | None = None, breaks_paragraph: bool = False) -> str | None:
        """Why a snippet cannot be a child of `stack[depth - 1]` at this place, or None if it can.

        `next_element` is the one whose start tag follows the place, already on the stack if it has content.
        """
        formatting = self.formatting_before(next_element)
        if formatting and not formatting[-1].open:
            return "misnested_formatting"
        if self._link_is_open(formatting):
            return "in_link"
        # What follows may be moved away from the snippet as well as the snippet itself.
        if self._block_in_formatting(formatting, depth + (next_element is not None)):
            return "misnested_formatting"
        if breaks_paragraph and self._paragraph_is_open(depth):
            return "in_paragraph"
        return None

    def _link_is_open(self, formatting: list[Element]) -> bool:
        return any(e.name == b"a" for e in formatting[_after_last_marker(formatting) :])

    def _block_in_formatting(self, formatting: list[Element], depth: int) -> bool:
        """Whether a later end tag could make the adoption agency wrap what stands here."""
        active = formatting[_after_last_marker(formatting) :]
        if not active:
            return False
        lowest = min(self.stack.index(element) for element in active if element.open)
        return any(element.name in SPECIAL for element in self.stack[lowest + 1 : depth])

    def _paragraph_is_open(self, depth: int) -> bool:
        for element in reversed(self.stack[:depth]):
            if element.name in BUTTON_SCOPE:
                return False
            if element.name == b"p":
                return True
        return False


def _after_last_marker(formatting: list[Element]) -> int:
    for index in range(len(formatting) - 1, -1, -1):
        if formatting[index] is MARKER:
            return index + 1
    return 0
