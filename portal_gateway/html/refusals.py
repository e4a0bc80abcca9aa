"""Why a snippet cannot be put into an element at some place. Pure functions of the parser's state there."""

from __future__ import annotations

from collections.abc import Sequence

from portal_gateway.html.elements import BUTTON_SCOPE, CLOSED_WITH_MORE, RAW_TEXT, SPECIAL, TABLE_SECTIONS
from portal_gateway.html.matching import Element
from portal_gateway.html.tree import MARKER

_NO_CONTENT = RAW_TEXT | {b"script", b"noframes", b"plaintext", b"template", b"svg", b"math"}
PARENT_REFUSALS = {
    b"html": "outside_body",
    b"head": "in_head",
    **dict.fromkeys(TABLE_SECTIONS | {b"table", b"tr", b"colgroup"}, "in_table"),
    **dict.fromkeys((b"select", b"optgroup", b"option"), "in_select"),
    **dict.fromkeys(_NO_CONTENT, "no_element_content"),
}


def refusal(
    stack: Sequence[Element],
    formatting: Sequence[Element],
    *,
    next_element: Element | None = None,
    breaks_paragraph: bool = False,
) -> str | None:
    """Why a snippet cannot be a child of the last element of `stack`, or None if it can.

    `formatting` is the list of active formatting elements at the place, `next_element` the one whose start tag follows.
    """
    parent = stack[-1].name if stack else b"html"
    if parent in PARENT_REFUSALS:
        return PARENT_REFUSALS[parent]
    if formatting and formatting[-1] is not MARKER:
        if formatting[-1] not in stack:
            return "misnested_formatting"
        active = _behind_last_marker(formatting)
        if any(element.name == b"a" for element in active):
            return "in_link"
        # What follows may be moved away from the snippet as well as the snippet itself.
        if _holds_block(stack, active) or (next_element and next_element.open and next_element.name in SPECIAL):
            return "misnested_formatting"
    if breaks_paragraph and _in_paragraph(stack):
        return "in_paragraph"
    return None


def can_be_closed(element: Element, formatting: Sequence[Element]) -> bool:
    """Whether the end tag of `element`, the current element, closes just this and changes nothing else."""
    return (
        element.name not in CLOSED_WITH_MORE
        and element not in formatting
        and element.name.replace(b"-", b"").isalnum()  # other bytes may have a meaning in the page's charset
    )


def _behind_last_marker(formatting: Sequence[Element]) -> Sequence[Element]:
    for index in range(len(formatting) - 1, -1, -1):
        if formatting[index] is MARKER:
            return formatting[index + 1 :]
    return formatting


def _holds_block(stack: Sequence[Element], active: Sequence[Element]) -> bool:
    """Whether a later end tag could make the adoption agency wrap what stands here."""
    lowest = min(stack.index(element) for element in active if element in stack)
    return any(element.name in SPECIAL for element in stack[lowest + 1 :])


def _in_paragraph(stack: Sequence[Element]) -> bool:
    for element in reversed(stack):
        if element.name in BUTTON_SCOPE:
            return False
        if element.name == b"p":
            return True
    return False
