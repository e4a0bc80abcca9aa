"""Regions in which nothing matches: the content of template, svg and math. Only their end is of interest.

HTML elements may stand inside svg and math again (foreignObject, mtext) and some tags break out of them; both
are rare in pages that a server sends, and are `Ambiguous` here (HTML 13.2.6.5).
"""

from __future__ import annotations

from portal_gateway.html.elements import FOREIGN_BREAKOUTS, HEADINGS, INTEGRATION_POINTS, RAW_TEXT
from portal_gateway.html.tags import Tag
from portal_gateway.html.tree import MAX_DEPTH, Ambiguous

# In a select, older and newer parsers agree on these only.
SELECT_CONTENT = frozenset((b"option", b"optgroup", b"script", b"template"))


class Opaque:
    active = False
    templates = 0
    _tables = 0
    _in_select = False

    def __init__(self) -> None:
        self.foreign: list[bytes] = []

    @property
    def cdata_allowed(self) -> bool:
        return bool(self.foreign)

    def enter_template(self) -> None:
        self.active = True
        self.templates += 1

    def enter_foreign(self, root: bytes) -> None:
        self.active = True
        self.foreign.append(root)

    def start(self, tag: Tag) -> bytes | None:
        """The name of the element whose text the tokenizer has to read raw, if the tag begins one."""
        if self.foreign:
            self._start_foreign(tag)
            return None
        return self._start_in_template(tag)

    def end(self, tag: Tag, open_names: frozenset[bytes]) -> bool:
        """Whether the tag ends the region. `open_names`: the HTML elements around, which a stray tag might close."""
        if tag.name in self.foreign:
            while self.foreign.pop() != tag.name:
                pass
        elif self.foreign and not (self.templates and tag.name == b"template"):
            self._check_stray(tag, open_names)
        else:
            self.foreign.clear()
            self._end_in_template(tag)
        self.active = bool(self.foreign or self.templates)
        return not self.active

    def _start_foreign(self, tag: Tag) -> None:
        name = tag.name
        inner, root = self.foreign[-1], self.foreign[0]
        leaves = name in FOREIGN_BREAKOUTS or (
            name == b"font" and not tag.attributes.keys().isdisjoint(("color", "face", "size"))
        )
        if leaves or inner in INTEGRATION_POINTS[root] or len(self.foreign) >= MAX_DEPTH:
            raise Ambiguous("foreign_content")
        if not tag.self_closing:
            self.foreign.append(name)

    def _check_stray(self, tag: Tag, open_names: frozenset[bytes]) -> None:
        known = open_names | HEADINGS | {b"p", b"br", b"form"}
        if self.templates or tag.name in known:
            raise Ambiguous("foreign_content")

    def _start_in_template(self, tag: Tag) -> bytes | None:
        name = tag.name
        if self._in_select and name not in SELECT_CONTENT:
            raise Ambiguous("in_select")
        if name == b"template":
            self.templates += 1
        elif name in (b"svg", b"math"):
            if not tag.self_closing:
                self.foreign.append(name)
        elif name == b"select":
            self._in_select = True
        elif name == b"table":
            self._tables += 1
        elif name == b"col" and not self._tables:
            # The template then takes columns only and drops all other tags: style would not be raw text.
            raise Ambiguous("template")
        elif name in RAW_TEXT or name in (b"script", b"plaintext"):
            return name
        return None

    def _end_in_template(self, tag: Tag) -> None:
        if tag.name == b"template":
            self.templates -= 1
            self._in_select = False
        elif tag.name == b"select":
            self._in_select = False
        elif tag.name == b"table":
            self._tables = max(0, self._tables - 1)
