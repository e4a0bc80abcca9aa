"""What a browser-grade parser makes of a page, as a flat list of events, and where a selector matches in it.

Written apart from the scanner on purpose: selectors are matched here from right to left on a whole tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import html5lib
from html5lib.constants import namespaces
from selectolax.lexbor import LexborHTMLParser

from portal_gateway.html.selectors import Combinator, Compound, Selector

MARK = "portal-mark"
SNIPPET = f"<{MARK}></{MARK}>".encode()
_PREFIX = {namespaces["html"]: "", namespaces["svg"]: "svg ", namespaces["mathml"]: "math "}


@dataclass
class Node:
    """An element ("" for the document) or, with `text` set, text or a comment ("#comment")."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    text: str | None = None
    children: list[Node] = field(default_factory=list)
    parent: Node | None = None

    def add(self, child: Node) -> None:
        last = self.children[-1] if self.children else None
        if child.name == "#text" and last is not None and last.name == "#text":
            last.text = (last.text or "") + (child.text or "")
            return
        child.parent = self
        self.children.append(child)

    def elements(self) -> list[Node]:
        return [child for child in self.children if child.text is None]


def with_html5lib(page: bytes) -> Node:
    parser = html5lib.HTMLParser(tree=html5lib.getTreeBuilder("dom"))
    # As bytes scanned, not as characters: every byte is one character of latin-1.
    document = parser.parse(page.decode("latin-1"), scripting=True)
    root = Node("")
    _copy_dom(document, root)
    return root


def _copy_dom(source: object, target: Node) -> None:
    for child in source.childNodes:  # type: ignore[attr-defined]
        if child.nodeType == child.TEXT_NODE:
            target.add(Node("#text", text=child.data))
        elif child.nodeType == child.COMMENT_NODE:
            target.add(Node("#comment", text=child.data))
        elif child.nodeType == child.ELEMENT_NODE:
            name = _PREFIX.get(child.namespaceURI, "") + child.nodeName
            attributes = dict(child.attributes.items())
            node = Node(name, attributes)
            target.add(node)
            _copy_dom(child, node)


def with_lexbor(page: bytes) -> Node:
    parser = LexborHTMLParser(page.decode("latin-1"))
    root = Node("")
    top = parser.root
    while top is not None and top.prev is not None:
        top = top.prev
    _copy_lexbor(top, root)
    return root


def _copy_lexbor(first: object, target: Node) -> None:
    node = first
    while node is not None:
        if node.is_text_node:  # type: ignore[attr-defined]
            target.add(Node("#text", text=node.text_lexbor() or ""))  # type: ignore[attr-defined]
        elif node.is_comment_node:  # type: ignore[attr-defined]
            target.add(Node("#comment", text=node.comment_content or ""))  # type: ignore[attr-defined]
        elif node.is_element_node:  # type: ignore[attr-defined]
            attributes = {k: v or "" for k, v in node.attributes.items()}  # type: ignore[attr-defined]
            child = Node(node.tag, attributes)  # type: ignore[attr-defined]
            target.add(child)
            _copy_lexbor(node.child, child)  # type: ignore[attr-defined]
        node = node.next  # type: ignore[attr-defined]


def from_dump(document: str) -> Node:
    """The tree of a html5lib test, whose lines are `| ` and two spaces per level."""
    root = Node("")
    path = [root]
    for line in re.split(r"\n(?=\| )", document):
        body = line[2:]
        depth = (len(body) - len(body.lstrip(" "))) // 2
        body = body[depth * 2 :]
        del path[depth + 1 :]
        parent = path[-1]
        if body.startswith('"'):
            parent.add(Node("#text", text=body[1:-1]))
            path.append(parent)
        elif body.startswith("<!-- "):
            parent.add(Node("#comment", text=body[5:-4]))
            path.append(parent)
        elif body.startswith(("<!DOCTYPE", "<?")) or body == "content":
            path.append(parent)
        elif body.startswith("<"):
            node = Node(body[1:-1])
            parent.add(node)
            path.append(node)
        else:
            name, _, value = body.partition('="')
            parent.attributes[name] = value[:-1]
            path.append(parent)
    return root


def shape(root: Node) -> list[object]:
    """The tree as one list, text merged over a mark: `a<mark>b` and `ab` differ by the mark only."""
    events: list[object] = []
    _append_shape(root, events)
    return events


def _append_shape(node: Node, events: list[object]) -> None:
    for child in node.children:
        if child.name == "#text":
            events.extend(child.text or "")
        elif child.text is not None:
            events.append((child.name, child.text))
        else:
            events.append((child.name, tuple(sorted(child.attributes.items()))))
            _append_shape(child, events)
            events.append(("/", child.name))


def walk(node: Node) -> Iterator[Node]:
    """The elements that a selector may match, in document order: not those inside template, svg or math."""
    for child in node.elements():
        yield child
        if child.name not in ("template", "svg svg", "math math", "noscript"):
            yield from walk(child)


def matches(selector: Selector, node: Node) -> bool:
    return any(_matches_chain(chain, len(chain) - 1, node) for chain in selector.chains)


def _matches_chain(chain: tuple[Compound, ...], step: int, node: Node) -> bool:
    compound = chain[step]
    if not _matches_compound(compound, node):
        return False
    if step == 0:
        return True
    ancestor = node.parent
    while ancestor is not None and ancestor.name:
        if _matches_chain(chain, step - 1, ancestor):
            return True
        if compound.combinator is Combinator.CHILD:
            return False
        ancestor = ancestor.parent
    return False


def _matches_compound(compound: Compound, node: Node) -> bool:
    name = node.name.rpartition(" ")[2]
    if compound.name is not None and compound.name != name:
        return False
    for test in compound.attributes:
        value = node.attributes.get(test.name)
        if value is None or not test.accepts(value):
            return False
    if not compound.positions:
        return True
    siblings = node.parent.elements() if node.parent else [node]
    index = next(i for i, sibling in enumerate(siblings, 1) if sibling is node)
    return all(position.accepts(index) for position in compound.positions)


def insert_mark(node: Node, position: str) -> None:
    mark = Node(MARK)
    if position in ("append", "prepend"):
        node.children.insert(len(node.children) if position == "append" else 0, mark)
        return
    assert node.parent is not None
    siblings = node.parent.children
    index = next(i for i, sibling in enumerate(siblings) if sibling is node)
    if position == "replace":
        siblings[index] = mark
    else:
        siblings.insert(index + (position == "after"), mark)
