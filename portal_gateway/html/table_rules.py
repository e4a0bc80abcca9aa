"""The rules of tables (HTML 13.2.6.4.9 to 13.2.6.4.15) and of select, reduced to what opens and closes which
element. What the rules would move in front of a table is `Ambiguous`. "Reprocess" is a call of `_start` or `_end`.
"""

from __future__ import annotations

from abc import abstractmethod

from portal_gateway.html import elements as e
from portal_gateway.html.body_rules import BodyRules
from portal_gateway.html.opaque import SELECT_CONTENT
from portal_gateway.html.tags import Tag
from portal_gateway.html.tree import Ambiguous, Mode

_TABLE_CONTEXT = (b"table", b"template", b"html")
_SECTION_CONTEXT = (b"tbody", b"tfoot", b"thead", b"template", b"html")
_ROW_CONTEXT = (b"tr", b"template", b"html")
_MODE_OF = {
    b"td": Mode.IN_CELL,
    b"th": Mode.IN_CELL,
    b"tr": Mode.IN_ROW,
    b"tbody": Mode.IN_TABLE_BODY,
    b"thead": Mode.IN_TABLE_BODY,
    b"tfoot": Mode.IN_TABLE_BODY,
    b"caption": Mode.IN_CAPTION,
    b"colgroup": Mode.IN_COLUMN_GROUP,
    b"table": Mode.IN_TABLE,
    b"body": Mode.IN_BODY,
}


class TableRules(BodyRules):
    @abstractmethod
    def _start(self, tag: Tag) -> None:
        """A start tag by the rules of the current insertion mode."""

    @abstractmethod
    def _end(self, tag: Tag) -> None:
        """An end tag by the rules of the current insertion mode."""

    # --- "in select": parsers of different age differ on everything but its plain content

    def _start_in_select(self, tag: Tag) -> None:
        name = tag.name
        if name not in SELECT_CONTENT:
            raise Ambiguous("in_select")
        if name == b"script":
            self._insert_raw(tag)
        elif name == b"template":
            self._insert_template(tag)
        else:
            if self.stack[-1].name == b"option":
                self.pop()
            if name == b"optgroup" and self.stack[-1].name == b"optgroup":
                self.pop()
            self.insert(tag)

    def _end_in_select(self, tag: Tag) -> None:
        name = tag.name
        if name == b"select":
            self.pop_until(b"select")
            self._reset_mode()
        elif name == b"optgroup":
            if self.stack[-1].name == b"option" and self.stack[-2].name == b"optgroup":
                self.pop()
            if self.stack[-1].name == b"optgroup":
                self.pop()
        elif name == b"option":
            if self.stack[-1].name == b"option":
                self.pop()
        else:
            raise Ambiguous("in_select")

    # --- tables

    def _start_in_table_mode(self, tag: Tag) -> None:
        mode, name = self.mode, tag.name
        if mode == Mode.IN_CELL or mode == Mode.IN_CAPTION:
            if name not in e.TABLE_PARTS:
                self._start_in_body(tag)
            elif mode == Mode.IN_CELL and self.in_table_scope(b"td", b"th"):
                self._close_cell()
                self._start(tag)
            elif mode == Mode.IN_CAPTION and self._close_caption():
                self._start(tag)
        elif mode == Mode.IN_ROW:
            self._start_in_row(tag)
        elif mode == Mode.IN_TABLE_BODY:
            self._start_in_table_body(tag)
        elif mode == Mode.IN_COLUMN_GROUP:
            self._start_in_column_group(tag)
        else:
            self._start_in_table(tag)

    def _start_in_table(self, tag: Tag) -> None:
        name = tag.name
        if name in e.TABLE_PARTS:
            self._start_table_part(tag)
        elif name == b"table":
            if self.in_table_scope(b"table"):
                self._close_table()
                self._start(tag)
        elif name in (b"style", b"script"):
            self._insert_raw(tag)
        elif name == b"template":
            self._insert_template(tag)
        elif name == b"input" and tag.attributes.get("type", "").lower() == "hidden":
            self.insert_void(tag)
        elif name == b"form":
            if self.form is None:
                self.form = self.insert(tag)
                self.pop()
        else:
            raise Ambiguous("foster_parenting")

    def _start_table_part(self, tag: Tag) -> None:
        self.clear_back_to(_TABLE_CONTEXT)
        name = tag.name
        if name == b"caption":
            self.add_marker()
            self.insert(tag)
            self.mode = Mode.IN_CAPTION
        elif name == b"colgroup":
            self.insert(tag)
            self.mode = Mode.IN_COLUMN_GROUP
        elif name == b"col":
            self.insert(Tag(b"colgroup"), implied=True)
            self.mode = Mode.IN_COLUMN_GROUP
            self._start(tag)
        elif name in e.TABLE_SECTIONS:
            self.insert(tag)
            self.mode = Mode.IN_TABLE_BODY
        else:
            self.insert(Tag(b"tbody"), implied=True)
            self.mode = Mode.IN_TABLE_BODY
            self._start(tag)

    def _start_in_table_body(self, tag: Tag) -> None:
        name = tag.name
        if name == b"tr" or name in e.CELLS:
            self.clear_back_to(_SECTION_CONTEXT)
            self.insert(tag if name == b"tr" else Tag(b"tr"), implied=name != b"tr")
            self.mode = Mode.IN_ROW
            if name != b"tr":
                self._start(tag)
        elif name in e.TABLE_PARTS:
            if self._close_section():
                self._start(tag)
        else:
            self._start_in_table(tag)

    def _start_in_row(self, tag: Tag) -> None:
        if tag.name in e.CELLS:
            self.clear_back_to(_ROW_CONTEXT)
            self.insert(tag)
            self.mode = Mode.IN_CELL
            self.add_marker()
        elif tag.name in e.TABLE_PARTS:
            if self._close_row():
                self._start(tag)
        else:
            self._start_in_table(tag)

    def _start_in_column_group(self, tag: Tag) -> None:
        if tag.name == b"col":
            self.insert_void(tag)
        elif tag.name == b"template":
            self._insert_template(tag)
        elif tag.name == b"html":
            self._repeated(tag)
        else:
            self._leave_column_group()
            self._start(tag)

    def _end_in_table_mode(self, tag: Tag) -> None:
        mode = self.mode
        if mode == Mode.IN_CELL:
            self._end_in_cell(tag)
        elif mode == Mode.IN_CAPTION:
            self._end_in_caption(tag)
        elif mode == Mode.IN_COLUMN_GROUP:
            self._end_in_column_group(tag)
        elif mode == Mode.IN_ROW:
            self._end_in_row(tag)
        elif mode == Mode.IN_TABLE_BODY:
            self._end_in_table_body(tag)
        else:
            self._end_in_table(tag)

    def _end_in_caption(self, tag: Tag) -> None:
        name = tag.name
        if name == b"caption":
            self._close_caption()
        elif name == b"table":
            if self._close_caption():
                self._end(tag)
        elif name not in e.TABLE_PARTS and name not in (b"body", b"html"):
            self._end_in_body(tag)

    def _end_in_column_group(self, tag: Tag) -> None:
        if tag.name == b"colgroup":
            self._leave_column_group()
        elif tag.name not in (b"col", b"template"):
            self._leave_column_group()
            self._end(tag)

    def _end_in_row(self, tag: Tag) -> None:
        name = tag.name
        if name == b"tr":
            self._close_row()
        elif name == b"table" or name in e.TABLE_SECTIONS:
            if self.in_table_scope(name) and self._close_row():
                self._end(tag)
        else:
            self._end_in_table(tag)

    def _end_in_table_body(self, tag: Tag) -> None:
        name = tag.name
        if name in e.TABLE_SECTIONS:
            if self.in_table_scope(name):
                self._close_section()
        elif name == b"table":
            if self._close_section():
                self._end(tag)
        else:
            self._end_in_table(tag)

    def _end_in_table(self, tag: Tag) -> None:
        name = tag.name
        if name == b"table":
            if self.in_table_scope(b"table"):
                self._close_table()
        elif name in (b"p", b"br"):
            raise Ambiguous("foster_parenting")
        elif name not in e.TABLE_PARTS and name not in (b"body", b"html"):
            self._end_in_body(tag)

    def _end_in_cell(self, tag: Tag) -> None:
        name = tag.name
        if name in e.CELLS:
            if self.in_table_scope(name):
                self.imply_end_tags()
                self.pop_until(name)
                self.clear_to_marker()
                self.mode = Mode.IN_ROW
        elif name in (b"table", b"tr") or name in e.TABLE_SECTIONS:
            if self.in_table_scope(name):
                self._close_cell()
                self._end(tag)
        elif name not in (b"body", b"caption", b"col", b"colgroup", b"html"):
            self._end_in_body(tag)

    def _close_table(self) -> None:
        self.pop_until(b"table")
        self._reset_mode()

    def _close_section(self) -> bool:
        if not self.in_table_scope(*e.TABLE_SECTIONS):
            return False
        self.clear_back_to(_SECTION_CONTEXT)
        self.pop()
        self.mode = Mode.IN_TABLE
        return True

    def _close_row(self) -> bool:
        if not self.in_table_scope(b"tr"):
            return False
        self.clear_back_to(_ROW_CONTEXT)
        self.pop()
        self.mode = Mode.IN_TABLE_BODY
        return True

    def _close_cell(self) -> None:
        self.imply_end_tags()
        self.pop_until(*e.CELLS)
        self.clear_to_marker()
        self.mode = Mode.IN_ROW

    def _close_caption(self) -> bool:
        if not self.in_table_scope(b"caption"):
            return False
        self.imply_end_tags()
        self.pop_until(b"caption")
        self.clear_to_marker()
        self.mode = Mode.IN_TABLE
        return True

    def _leave_column_group(self) -> None:
        self.pop()
        self.mode = Mode.IN_TABLE

    def _reset_mode(self) -> None:
        """13.2.4.1 "reset the insertion mode appropriately"."""
        for element in reversed(self.stack):
            mode = _MODE_OF.get(element.name)
            if mode is not None:
                self.mode = mode
                return
