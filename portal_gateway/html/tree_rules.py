"""Tree construction (HTML 13.2.6) reduced to what opens and closes which element: the way in for tokens, the
choice of the insertion mode, and the modes before the body.
"""

from __future__ import annotations

from portal_gateway.html import elements as e
from portal_gateway.html.doctype import quirks_mode
from portal_gateway.html.table_rules import TableRules
from portal_gateway.html.tags import Tag
from portal_gateway.html.tree import MAX_DEPTH, MAX_EQUAL_FORMATTING, Ambiguous, Mode

_BEFORE_BODY = (Mode.INITIAL, Mode.BEFORE_HTML, Mode.BEFORE_HEAD, Mode.IN_HEAD, Mode.AFTER_HEAD)
_TABLE_MODES = (Mode.IN_TABLE, Mode.IN_COLUMN_GROUP, Mode.IN_TABLE_BODY, Mode.IN_ROW)
LIKE_BODY = (Mode.IN_BODY, Mode.IN_CELL, Mode.IN_CAPTION)
_ACT_AS_START = (b"head", b"body", b"html", b"br")


class TreeRules(TableRules):
    # --- tokens

    @property
    def text_matters(self) -> bool:
        """Whether text could change anything; elsewhere it need not be looked at."""
        return self.frameset_ok or self.formatting_pending or self.mode not in LIKE_BODY

    def doctype(self, text: bytes) -> None:
        if self.mode == Mode.INITIAL:
            self.quirks = quirks_mode(text)
            self.mode = Mode.BEFORE_HTML

    def start(self, tag: Tag) -> None:
        self.read_raw = None
        if not self.opaque.active:
            self._start(tag)
        else:
            self.read_raw = self.opaque.start(tag)

    def end_simply(self, name: bytes) -> bool:
        """Whether an end tag closed the current element and changed nothing else."""
        return self.mode in LIKE_BODY and not self.opaque.active and self.close_current(name)

    def skips_leaf(self, name: bytes) -> bool:
        """Whether an inline element of nothing but text would leave everything as it was."""
        if self.text_matters or self.opaque.active or len(self.stack) >= MAX_DEPTH:
            return False
        if len(self.formatting) >= MAX_EQUAL_FORMATTING:
            return False
        return name != b"a" or self.find_formatting(b"a") is None

    def end(self, tag: Tag) -> None:
        if not self.opaque.active:
            self._end(tag)
            return
        left = self.opaque.end(tag, frozenset(element.name for element in self.stack[:-1]))
        if left and self.pop().name == b"template":
            self.clear_to_marker()

    def end_raw(self) -> None:
        """The end tag of the element whose text was read raw."""
        if self.raw is not None:
            self.raw = None
            self.pop()

    def whitespace(self) -> None:
        if self.opaque.active or self.raw:
            return
        if self.mode in LIKE_BODY or self.mode == Mode.AFTER_BODY:
            self.reconstruct_formatting()

    def characters(self) -> None:
        """Text that is not white space."""
        if self.opaque.active:
            self.frameset_ok = self.frameset_ok and not self.opaque.foreign
            return
        if self.mode in _BEFORE_BODY:
            self._imply_body()
        if self.mode == Mode.AFTER_BODY:
            self.mode = Mode.IN_BODY
        if self.mode == Mode.IN_COLUMN_GROUP:
            self._leave_column_group()
        if self.mode in _TABLE_MODES:
            self._foster_text()
        elif self.mode != Mode.IN_SELECT:
            self.reconstruct_formatting()
            self.frameset_ok = False

    def finish(self) -> None:
        """The end of the file, which implies html, head and body."""
        if not self.opaque.active and self.raw is None and self.mode in _BEFORE_BODY:
            self._imply_body()

    def _foster_text(self) -> None:
        if self.formatting_pending:
            raise Ambiguous("foster_parenting")
        self.put_elsewhere += 1

    # --- dispatch by insertion mode

    def _start(self, tag: Tag) -> None:
        mode = self.mode
        if mode == Mode.IN_BODY:
            self._start_in_body(tag)
        elif mode in _BEFORE_BODY:
            self._start_before_body(tag)
        elif mode == Mode.IN_SELECT:
            self._start_in_select(tag)
        elif mode == Mode.AFTER_BODY:
            if tag.name != b"html":
                self.mode = Mode.IN_BODY
            self._start_in_body(tag)
        else:
            self._start_in_table_mode(tag)

    def _end(self, tag: Tag) -> None:
        mode = self.mode
        if mode == Mode.IN_BODY:
            self._end_in_body(tag)
        elif mode in _BEFORE_BODY:
            self._end_before_body(tag)
        elif mode == Mode.IN_SELECT:
            self._end_in_select(tag)
        elif mode == Mode.AFTER_BODY:
            if tag.name != b"html":
                self.mode = Mode.IN_BODY
                self._end_in_body(tag)
        else:
            self._end_in_table_mode(tag)

    # --- "initial" to "after head"

    def insert_html(self, tag: Tag | None = None) -> None:
        self.insert(tag or Tag(b"html"), implied=tag is None)
        self.mode = Mode.BEFORE_HEAD

    def insert_head(self, tag: Tag | None = None) -> None:
        self.head = self.insert(tag or Tag(b"head"), implied=tag is None)
        self.mode = Mode.IN_HEAD

    def _imply_body(self) -> None:
        if self.mode in (Mode.INITIAL, Mode.BEFORE_HTML):
            self.insert_html()
        if self.mode == Mode.BEFORE_HEAD:
            self.insert_head()
        if self.mode == Mode.IN_HEAD:
            self.leave_head()
        self.insert(Tag(b"body"), implied=True)
        self.mode = Mode.IN_BODY

    def insert_body(self, tag: Tag) -> None:
        self.insert(tag)
        self.mode = Mode.IN_BODY
        self.frameset_ok = False

    def leave_head(self) -> None:
        self.pop()
        self.mode = Mode.AFTER_HEAD

    def _start_before_body(self, tag: Tag) -> None:
        name = tag.name
        if self.mode in (Mode.INITIAL, Mode.BEFORE_HTML):
            self.insert_html(tag if name == b"html" else None)
            if name == b"html":
                return
        if name == b"html":
            self._repeated(tag)
            return
        if self.mode == Mode.BEFORE_HEAD:
            self.insert_head(tag if name == b"head" else None)
            if name == b"head":
                return
        if name == b"head":
            return
        if name in e.HEAD_CONTENT or (name == b"noscript" and self.mode == Mode.IN_HEAD):
            self._start_in_head(tag)
            return
        if self.mode == Mode.IN_HEAD:
            self.leave_head()
        if name == b"frameset":
            raise Ambiguous("frameset")
        if name == b"body":
            self.insert_body(tag)
            return
        self._imply_body()
        self._start(tag)

    def _start_in_head(self, tag: Tag) -> None:
        """ "In head", also for what stands between head and body: the parser puts that into the head."""
        if self.mode == Mode.IN_HEAD or self.head is None:
            self._insert_head_content(tag)
            return
        self.stack.append(self.head)
        self._insert_head_content(tag)
        self.stack.remove(self.head)

    def _insert_head_content(self, tag: Tag) -> None:
        if tag.name in e.HEAD_VOIDS:
            self.insert_void(tag)
        elif tag.name == b"template":
            self._insert_template(tag)
        else:
            self._insert_raw(tag)

    def _end_before_body(self, tag: Tag) -> None:
        name = tag.name
        if name == b"head" and self.mode == Mode.IN_HEAD:
            self.leave_head()
            return
        if name not in _ACT_AS_START or (name == b"head" and self.mode == Mode.AFTER_HEAD):
            return
        if name == b"head":
            if self.mode != Mode.BEFORE_HEAD:
                self.insert_html()
            self.insert_head()
            self.leave_head()
            return
        self._imply_body()
        self._end(tag)
