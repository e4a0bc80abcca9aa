"""The runs of runs.py, read by the C extension: in more states, from the first byte of a page on, and much faster.

What a run leaves open is replayed by the tree rules: the start tags, and `</head>`, are all that the run has changed.
"""

from __future__ import annotations

from collections.abc import Callable

from portal_gateway.html import _compiled
from portal_gateway.html.elements import FORMATTING, HEADINGS, SETS_MARKER, SPECIAL, TABLE_SECTIONS
from portal_gateway.html.matching import Element
from portal_gateway.html.tags import Tag
from portal_gateway.html.tree import MARKER, MAX_DEPTH, Mode
from portal_gateway.html.tree_rules import TreeRules

# What an item of a list may close stands in none of these but the last ones.
_TAKES_ITEMS = SPECIAL - {b"address", b"div", b"p", b"li", b"dd", b"dt"}
_IN_BODY = {
    **dict.fromkeys(_TAKES_ITEMS, _compiled.IN_BODY | _compiled.TAKES_ITEMS),
    **dict.fromkeys(HEADINGS, _compiled.IN_BODY | _compiled.TAKES_ITEMS | _compiled.HEADING),
}
# By the current element, which goes with just one mode there.
_IN_TABLE = {
    b"table": (Mode.IN_TABLE, _compiled.IN_TABLE),
    **dict.fromkeys(TABLE_SECTIONS, (Mode.IN_TABLE_BODY, _compiled.IN_TABLE_BODY)),
    b"tr": (Mode.IN_ROW, _compiled.IN_ROW),
    b"colgroup": (Mode.IN_COLUMN_GROUP, _compiled.IN_COLUMN_GROUP),
}


def skip_run(tree: TreeRules, buffer: bytes, position: int, end: int) -> int:
    """The offset behind the run that begins at `position`, which is there at once if there is none.

    Text, a comment or a script that begins before `end` may go on behind it; tags do not.
    """
    outside = _outside(tree)
    if outside is None:
        return position
    position, opened = _compiled.skip(buffer, position, end, outside, MAX_DEPTH - len(tree.stack))
    for name, attributes in opened:
        replay = _REPLAY.get(name)
        if replay is None:
            tree.insert_unmatched(name, attributes)
        else:
            replay(tree, Tag(name, raw=attributes))
    return position


def _replay_doctype(tree: TreeRules, tag: Tag) -> None:
    tree.quirks = False
    tree.mode = Mode.BEFORE_HTML


# What is more than an element. Of all others the rules would first look for what they close, or open again; in a run
# there is nothing left of that.
_REPLAY: dict[bytes, Callable[[TreeRules, Tag], object]] = {
    b"!doctype": _replay_doctype,
    b"html": TreeRules.insert_html,
    b"head": TreeRules.insert_head,
    b"/head": lambda tree, tag: tree.leave_head(),
    b"body": TreeRules.insert_body,
    **dict.fromkeys(FORMATTING, TreeRules.insert_formatting),
    **dict.fromkeys(SETS_MARKER | TABLE_SECTIONS, TreeRules.start),
    **dict.fromkeys((b"form", b"select", b"table", b"colgroup", b"tr"), TreeRules.start),
}


def _outside(tree: TreeRules) -> int | None:
    """What a run has to know of the elements around it; None if it would have to know more."""
    mode = tree.mode
    if tree.opaque.active:
        return None
    if mode == Mode.IN_BODY or mode == Mode.IN_CELL or mode == Mode.IN_CAPTION:
        return None if tree.frameset_ok else _outside_in_body(tree)
    if mode == Mode.INITIAL:
        return _compiled.INITIAL
    if mode == Mode.BEFORE_HTML:
        return _compiled.BEFORE_HTML
    if mode == Mode.BEFORE_HEAD:
        return _compiled.BEFORE_HEAD
    if mode == Mode.IN_HEAD:
        return _compiled.IN_HEAD
    if mode == Mode.AFTER_HEAD:
        return _compiled.AFTER_HEAD
    expected, outside = _IN_TABLE.get(tree.stack[-1].name, (None, 0))
    if mode != expected:
        return None
    return outside if tree.form is None else outside | _compiled.FORM


def _outside_in_body(tree: TreeRules) -> int | None:
    outside = _IN_BODY.get(tree.stack[-1].name, _compiled.IN_BODY)
    if tree.paragraphs:
        outside |= _compiled.PARAGRAPH
    if tree.form is not None:
        outside |= _compiled.FORM
    formatting = tree.formatting
    if formatting and formatting[-1] is not MARKER:
        if not formatting[-1].open:
            return None
        outside |= _active_formatting(formatting)
    return outside


def _active_formatting(formatting: list[Element]) -> int:
    active = 0
    for element in reversed(formatting):
        if element is MARKER:
            break
        active += _compiled.ONE_FORMATTING
        if element.name == b"a":
            active |= _compiled.LINK
    return active
