"""Markup that leaves everything as it was, read by one regular expression for as long as it lasts.

A run is a sequence of text and of whole elements, from start tag to end tag, of which the tree rules say in the given
state that they close nothing but themselves: well-formed inline elements in each other, blocks that hold these, the
items of a list, the rows of a table. Where markup is less plain (upper case, omitted end tags, comments, a link in a
link) a run ends, and the tokenizer reads on tag by tag.

Blocks that hold more than that are kept on a stack of names here; only those that a run leaves open become elements.

The expressions have no captures inside possessive repeats: python/cpython issue 101955.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache

from portal_gateway.html.elements import HEADINGS, TABLE_SECTIONS
from portal_gateway.html.matching import Element
from portal_gateway.html.tags import Tag
from portal_gateway.html.tree import MARKER, MAX_DEPTH, Mode
from portal_gateway.html.tree_rules import LIKE_BODY, TreeRules

# Attributes as nearly everybody writes them.
_ATTRIBUTES = rb"""(?:[ \n][^\t\n\f\r />="'<]++(?:="[^"]*+"|='[^']*+'|=[^\t\n\f\r "'=<>`]++|))*+"""
_BLANK = rb"[\t\n\f\r ]*+"
_TEXT = rb"[^<]*+"
# Alternatives are tried in order: the most frequent come first. Those of _OUTER may hold one of _INNER.
_OUTER = ("a", "span", "code", "em", "strong")
_INNER = ("span", "code", "a", "em", "strong")
_LEAVES = ("b", "i", "sup", "sub", "var", "kbd", "small", "abbr", "cite")
_VOID = rb"<(?:br|img|wbr)" + _ATTRIBUTES + rb" ?/?>"
_BLOCKS = rb"div|section|article|blockquote|pre|figure|figcaption|details|summary|header|footer|nav|aside|main"
# Raw text, unless it is of the intricate kind.
_RAW = (
    rb"<script" + _ATTRIBUTES + rb">(?:[^<]++|<(?!/[sS]|!--))*+</script>",
    rb"<style" + _ATTRIBUTES + rb">(?:[^<]++|<(?!/[sS]))*+</style>",
    rb"<!--(?!-?>)(?:[^-]++|-(?!-!?>))*+-->",
)
# Greedy repeats keep what they have read to go back to; this many at once.
_AT_ONCE = rb"{0,200}"
# A block with more in it goes on the stack: it may hold others, and then what was read is read again.
_FEW = rb"{0,8}+"
# No expression opens more elements in each other than this.
_MAX_NESTING = 8

_Match = Callable[[bytes, int, int], re.Match[bytes] | None]


def skip_run(tree: TreeRules, buffer: bytes, position: int, end: int) -> int:
    """The offset behind the run that begins at `position`, which is there at once if there is none."""
    kind = _kind(tree)
    if kind is None:
        return position
    opened: list[tuple[bytes, bytes]] = []
    room = MAX_DEPTH - _MAX_NESTING - len(tree.stack)
    while len(opened) < room:
        match = _expression(kind)(buffer, position, end)
        assert match is not None
        last = match.lastgroup
        if last == "attributes":
            position = match.end()
            name = match["opens"]
            opened.append((name, match["attributes"]))
            kind = _KIND_IN.get(name, "flow")
        elif last == "closes":
            name = match["closes"]
            position = match.end()
            if opened:
                if opened[-1][0] != name:
                    position = match.start("closes") - 2
                    break
                opened.pop()
                kind = _KIND_IN.get(opened[-1][0], "flow") if opened else _kind(tree)
            elif tree.end_simply(name):
                kind = _kind(tree)
            else:
                position = match.start("closes") - 2
                break
            if kind is None:
                break
        else:
            position = match.end()
            break
    for name, attributes in opened:
        tree.insert(Tag(name, raw=attributes))
    return position


def _kind(tree: TreeRules) -> str | None:
    stack = tree.stack
    if tree.mode not in LIKE_BODY:
        if tree.mode == Mode.IN_HEAD:
            return "head" if stack[-1] is tree.head and not tree.opaque.active else None
        in_section = tree.mode == Mode.IN_TABLE_BODY and stack[-1].name in TABLE_SECTIONS and not tree.opaque.active
        return "rows" if in_section else None
    if tree.frameset_ok or tree.opaque.active:
        return None
    if tree.formatting and not _is_harmless(tree.formatting):
        return None
    if tree.paragraphs:
        return "inline"
    return _KIND_IN.get(stack[-1].name, "flow")


def _is_harmless(formatting: list[Element]) -> bool:
    """Whether new formatting elements are all that their end tags will close."""
    last = formatting[-1]
    if last is MARKER:
        return True
    # With two more of its kind inside there are three, which may be equal.
    return last.open and last.name != b"a" and (len(formatting) == 1 or formatting[-2] is MARKER)


_KIND_IN = {
    **dict.fromkeys(HEADINGS, "inline"),
    b"ul": "items",
    b"ol": "items",
    b"menu": "items",
    b"dl": "terms",
}


def compile_runs() -> None:
    """Compile all expressions: a tenth of a second that no page should have to wait for."""
    for kind in _PATTERNS:
        _expression(kind)


@cache
def _expression(kind: str) -> _Match:
    return re.compile(_PATTERNS[kind]()).match


def _element(name: bytes, content: bytes, closing: bytes) -> bytes:
    return rb"<" + name + _ATTRIBUTES + rb">" + content + rb"</" + closing + rb">"


def _alternatives(elements: Iterable[bytes]) -> bytes:
    """One of `elements`, which all begin with "<"."""
    return rb"<(?:" + rb"|".join(element[1:] for element in elements) + rb")"


def _repeated(elements: Iterable[bytes], how: bytes = rb"*+") -> bytes:
    return _TEXT + rb"(?:" + _alternatives(elements) + _TEXT + rb")" + how


def _inner(*, links: bool) -> bytes:
    names = [name.encode() for name in _INNER if links or name != "a"]
    return _repeated([*(_element(name, _TEXT, name) for name in names), _VOID])


def _inline() -> list[bytes]:
    with_links, without = _inner(links=True), _inner(links=False)
    elements = [_element(n.encode(), without if n == "a" else with_links, n.encode()) for n in _OUTER]
    return [*elements, *(_element(n.encode(), _TEXT, n.encode()) for n in _LEAVES), _VOID]


def _flow() -> list[bytes]:
    """Inline elements and blocks of them. The end tag of any heading ends a heading."""
    content = _repeated(_inline())
    return [*_inline(), _element(rb"p", content, rb"p"), _element(rb"h[1-6]", content, rb"h[1-6]")]


def _tags(opens: bytes, closes: bytes) -> bytes:
    """The tag of a block that goes on the stack, or comes off."""
    return rb"(?:<(?P<opens>" + opens + rb")(?P<attributes>" + _ATTRIBUTES + rb")>|</(?P<closes>" + closes + rb")>)?"


def _head_run() -> bytes:
    void = rb"<(?:meta|link|base)" + _ATTRIBUTES + rb" ?/?>"
    return rb"(?:" + _BLANK + _alternatives([void, _element(rb"title", _TEXT, rb"title"), *_RAW]) + rb")*+" + _BLANK


def _flow_run() -> bytes:
    blocks = _element(rb"(" + _BLOCKS + rb")", _repeated(_flow(), _FEW), rb"\1")
    hr = rb"<hr" + _ATTRIBUTES + rb" ?/?>"
    tags = _tags(_BLOCKS + rb"|ul|ol|dl", _BLOCKS + rb"|li|dd")
    return _repeated([*_flow(), blocks, hr, *_RAW], _AT_ONCE) + tags


def _items_run() -> bytes:
    item = _BLANK + _element(rb"li", _repeated(_flow()), rb"li")
    return rb"(?:" + item + rb")*+" + _BLANK + _tags(rb"li", rb"ul|ol|menu")


def _terms_run() -> bytes:
    term = _BLANK + _element(rb"(dd|dt)", _repeated(_flow()), rb"\1")
    return rb"(?:" + term + rb")" + _AT_ONCE + _BLANK + _tags(rb"dd", rb"dl")


def _rows_run() -> bytes:
    cell = _BLANK + _element(rb"(td|th)", _repeated(_flow()), rb"\1")
    row = _element(rb"tr", rb"(?:" + cell + rb")*" + _BLANK, rb"tr")
    return rb"(?:" + _BLANK + row + rb")" + _AT_ONCE + _BLANK


_PATTERNS: dict[str, Callable[[], bytes]] = {
    "head": _head_run,
    "flow": _flow_run,
    "inline": lambda: _repeated(_inline()),
    "items": _items_run,
    "terms": _terms_run,
    "rows": _rows_run,
}


@cache
def balanced_up_to_the_end(refused: frozenset[bytes], raw: frozenset[bytes]) -> re.Pattern[bytes]:
    """Matches markup up to its end if all that it leaves open are elements other than `refused` and `raw`."""
    names, raw_names = rb"|".join(sorted(refused | raw)), rb"|".join(sorted(raw))
    start_tag = rb"<(?!(?:" + names + rb")(?![a-z0-9]))[a-z][a-z0-9-]*+" + _ATTRIBUTES + rb" ?/?>"
    end_tag = rb"</(?!(?:" + raw_names + rb")(?![a-z0-9]))[a-z][a-z0-9-]*+>"
    return re.compile(_repeated([*_inline(), *_RAW, start_tag, end_tag]) + rb"\Z")
