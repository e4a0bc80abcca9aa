"""Whether a page with the snippet is the page, as a parser reads it, with one node more at the right place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dom_oracle import MARK, SNIPPET, Node, insert_mark, shape

from portal_gateway.html.scanner import MarkKind, Position, Segment


@dataclass(frozen=True)
class ParsedPage:
    """What `parse` makes of a page, as a tree and as a list."""

    parse: Callable[[bytes], Node]
    tree: Node
    shape: list[object]


def rendered(segments: list[Segment]) -> bytes:
    out: list[bytes] = []
    dropping = False
    for segment in segments:
        if isinstance(segment, bytes):
            if not dropping:
                out.append(segment)
        elif segment.kind is MarkKind.REPLACE_END:
            dropping = False
        else:
            out.append(segment.end_tags() + SNIPPET)
            dropping = segment.kind is MarkKind.REPLACE_START
    return b"".join(out)


def is_right(page: ParsedPage, first: Node | None, position: Position, out: bytes) -> bool:
    """Whether `out` is the page with the snippet at `position` of `first`, an element of its tree."""
    if first is None:
        return False
    got = shape(page.parse(out))
    if position is Position.APPEND and first.name in ("body", "html"):
        return _is_last_in_body(page, got)
    return got == _expected(page, first, position)


def _expected(page: ParsedPage, node: Node, position: Position) -> list[object]:
    parent = node if position in (Position.APPEND, Position.PREPEND) else node.parent
    assert parent is not None
    before = list(parent.children)
    insert_mark(node, position)
    expected = shape(page.tree)
    parent.children[:] = before
    return expected


def _is_last_in_body(page: ParsedPage, got: list[object]) -> bool:
    start = (MARK, ())
    if start not in got:
        return False
    index = got.index(start)
    rest = got[index + 2 :]
    closing = all(
        event in " \t\n\r\f" if isinstance(event, str) else event[0] in ("/", "#comment")  # type: ignore[index]
        for event in rest
    )
    return closing and got[:index] + rest == page.shape
