"""Where a browser-grade parser puts a snippet: lexbor's own selectors, its own tree, its own serialization.

Quicker than comparing trees node by node, which pages of real size need. Pages are read as the scanner reads them,
every byte as one character (latin-1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

from portal_gateway.html.scanner import MarkKind, Position, Segment

SNIPPET = "<portal-mark></portal-mark>"
# lexbor parses as a browser without scripts does, and looks into noscript; the rest it would match by itself.
_HIDDEN = {"noscript", "template", "svg", "math"}
# Elements that somebody would name in a rule.
_ORDINARY = "div, section, article, aside, nav, main, header, footer, form, ul, ol, dl, p, h1, h2, h3, h4"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_BEHIND_THE_END = re.compile(r"(?:\s|</[a-z0-9-]+>|<!--.*?-->)*", re.DOTALL)


def first_match(tree: LexborHTMLParser, selector: str) -> LexborNode:
    return next(node for node in tree.css(selector) if _is_visible(node))


def ordinary_elements(tree: LexborHTMLParser) -> list[LexborNode]:
    return [node for node in tree.css(_ORDINARY) if _is_visible(node)]


def name_of(node: LexborNode) -> str | None:
    """`#id` or `.class` of an element, if it has one that needs no escaping."""
    for sign, attribute in (("#", "id"), (".", "class")):
        words = (node.attributes.get(attribute) or "").split()
        if words and _NAME.fullmatch(words[0]):
            return sign + words[0]
    return None


def ancestors(node: LexborNode) -> Iterator[LexborNode]:
    parent = node.parent
    while parent is not None and parent.tag not in ("body", "html"):
        yield parent
        parent = parent.parent


def is_right(page: str, rendered: str, selector: str, position: Position) -> bool:
    """Whether `rendered` is `page` with the snippet at that position of the first match."""
    got = LexborHTMLParser(rendered)
    if selector == "body" and position is Position.APPEND:
        return _is_last(got, page)
    return bool(got.html == _with_snippet(page, selector, position))


def rendered(segments: list[Segment]) -> bytes:
    out: list[bytes] = []
    dropping = False
    for segment in segments:
        if isinstance(segment, bytes):
            out.append(b"" if dropping else segment)
        elif segment.kind is MarkKind.REPLACE_END:
            dropping = False
        else:
            out.append(segment.end_tags() + SNIPPET.encode())
            dropping = segment.kind is MarkKind.REPLACE_START
    return b"".join(out)


def _is_visible(node: LexborNode) -> bool:
    return not any(ancestor.tag in _HIDDEN for ancestor in ancestors(node))


def _with_snippet(page: str, selector: str, position: Position) -> str | None:
    tree = LexborHTMLParser(page)
    node = first_match(tree, selector)
    mark = LexborHTMLParser(SNIPPET).css_first("portal-mark")
    match position:
        case Position.BEFORE:
            node.insert_before(mark)
        case Position.AFTER:
            node.insert_after(mark)
        case Position.REPLACE:
            node.replace_with(mark)
        case Position.PREPEND if node.first_child is not None:
            node.first_child.insert_before(mark)
        case _:
            node.insert_child(mark)
    return tree.html


def _is_last(got: LexborHTMLParser, page: str) -> bool:
    """Whether the snippet is the last thing on the page, which is what `append` to the body promises."""
    rest = (got.html or "").partition(SNIPPET)[2]
    mark = got.css_first("portal-mark")
    if mark is None or not _BEHIND_THE_END.fullmatch(rest):
        return False
    mark.remove()
    return bool(got.html == LexborHTMLParser(page).html)
