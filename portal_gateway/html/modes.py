"""Tree construction (HTML 13.2.6) reduced to what opens and closes which element.

The comments name the insertion mode whose rules a method follows. "Reprocess" is a second call of `_start`/`_end`.
"""

from __future__ import annotations

from collections.abc import Callable

from portal_gateway.html import elements as e
from portal_gateway.html.doctype import quirks_mode
from portal_gateway.html.matching import Element
from portal_gateway.html.opaque import SELECT_CONTENT, Opaque
from portal_gateway.html.tags import Tag
from portal_gateway.html.tree import Ambiguous, Mode, OpenElements

_BEFORE_BODY = (Mode.INITIAL, Mode.BEFORE_HTML, Mode.BEFORE_HEAD, Mode.IN_HEAD, Mode.AFTER_HEAD)
_TABLE_MODES = (Mode.IN_TABLE, Mode.IN_COLUMN_GROUP, Mode.IN_TABLE_BODY, Mode.IN_ROW)
_LIKE_BODY = (Mode.IN_BODY, Mode.IN_CELL, Mode.IN_CAPTION)
_ACT_AS_START = (b"head", b"body", b"html", b"br")
_TABLE_CONTEXT = (b"table", b"template", b"html")
_SECTION_CONTEXT = (b"tbody", b"tfoot", b"thead", b"template", b"html")
_ROW_CONTEXT = (b"tr", b"template", b"html")


class TreeRules(OpenElements):
    def __init__(self, enter: Callable[[Element, Element | None, bool], None]) -> None:
        super().__init__(enter)
        self.mode = Mode.INITIAL
        self.frameset_ok = True
        self.opaque = Opaque()
        # The open element whose content the tokenizer reads as text, and how it is to read it from now on.
        self.raw: Element | None = None
        self.read_raw: bytes | None = None
        # Counts text that the rules put before a table instead of into it.
        self.fostered = 0
        self._quirks: bool | None = True
        self._head: Element | None = None
        self.form: Element | None = None

    # --- tokens

    @property
    def text_matters(self) -> bool:
        """Whether text could change anything; elsewhere it need not be looked at."""
        return self.frameset_ok or self.formatting_pending or self.mode is not Mode.IN_BODY

    def doctype(self, text: bytes) -> None:
        if self.mode is Mode.INITIAL:
            self._quirks = quirks_mode(text)
            self.mode = Mode.BEFORE_HTML

    def start(self, tag: Tag) -> None:
        self.read_raw = None
        if not self.opaque:
            self._start(tag)
        else:
            self.read_raw = self.opaque.start(tag)

    def end(self, tag: Tag) -> None:
        if not self.opaque:
            self._end(tag)
            return
        self.opaque.end(tag, frozenset(element.name for element in self.stack[:-1]))
        if not self.opaque:
            if self.pop().name == b"template":
                self.clear_to_marker()

    def end_raw(self) -> None:
        """The end tag of the element whose text was read raw."""
        if self.raw is not None:
            self.raw = None
            self.pop()

    def whitespace(self) -> None:
        if self.opaque or self.raw:
            return
        if self.mode in _LIKE_BODY or self.mode is Mode.AFTER_BODY:
            self.reconstruct_formatting()

    def characters(self) -> None:
        """Text that is not white space."""
        if self.opaque:
            self.frameset_ok = self.frameset_ok and not self.opaque.foreign
            return
        if self.mode in _BEFORE_BODY:
            self._imply_body()
        if self.mode is Mode.AFTER_BODY:
            self.mode = Mode.IN_BODY
        if self.mode is Mode.IN_COLUMN_GROUP:
            self._leave_column_group()
        if self.mode in _TABLE_MODES:
            self._foster_text()
        elif self.mode is not Mode.IN_SELECT:
            self.reconstruct_formatting()
            self.frameset_ok = False

    def finish(self) -> None:
        """The end of the file, which implies html, head and body."""
        if not self.opaque and self.raw is None and self.mode in _BEFORE_BODY:
            self._imply_body()

    def _foster_text(self) -> None:
        if self.formatting_pending:
            raise Ambiguous("foster_parenting")
        self.fostered += 1

    # --- dispatch by insertion mode

    def _start(self, tag: Tag) -> None:
        mode = self.mode
        if mode is Mode.IN_BODY:
            self._start_in_body(tag)
        elif mode in _BEFORE_BODY:
            self._start_before_body(tag)
        elif mode is Mode.IN_SELECT:
            self._start_in_select(tag)
        elif mode is Mode.AFTER_BODY:
            if tag.name != b"html":
                self.mode = Mode.IN_BODY
            self._start_in_body(tag)
        else:
            self._start_in_table_mode(tag)

    def _end(self, tag: Tag) -> None:
        mode = self.mode
        if mode is Mode.IN_BODY:
            self._end_in_body(tag)
        elif mode in _BEFORE_BODY:
            self._end_before_body(tag)
        elif mode is Mode.IN_SELECT:
            self._end_in_select(tag)
        elif mode is Mode.AFTER_BODY:
            if tag.name != b"html":
                self.mode = Mode.IN_BODY
                self._end_in_body(tag)
        else:
            self._end_in_table_mode(tag)

    # --- "initial" to "after head"

    def _imply_html(self, tag: Tag | None = None) -> None:
        self.insert(tag or Tag(b"html"), implied=tag is None)
        self.mode = Mode.BEFORE_HEAD

    def _imply_head(self, tag: Tag | None = None) -> None:
        self._head = self.insert(tag or Tag(b"head"), implied=tag is None)
        self.mode = Mode.IN_HEAD

    def _imply_body(self) -> None:
        if self.mode in (Mode.INITIAL, Mode.BEFORE_HTML):
            self._imply_html()
        if self.mode is Mode.BEFORE_HEAD:
            self._imply_head()
        if self.mode is Mode.IN_HEAD:
            self._leave_head()
        self.insert(Tag(b"body"), implied=True)
        self.mode = Mode.IN_BODY

    def _leave_head(self) -> None:
        self.pop()
        self.mode = Mode.AFTER_HEAD

    def _start_before_body(self, tag: Tag) -> None:
        name = tag.name
        if self.mode in (Mode.INITIAL, Mode.BEFORE_HTML):
            self._imply_html(tag if name == b"html" else None)
            if name == b"html":
                return
        if name == b"html":
            self._repeated(tag)
            return
        if self.mode is Mode.BEFORE_HEAD:
            self._imply_head(tag if name == b"head" else None)
            if name == b"head":
                return
        if name == b"head":
            return
        if name in e.HEAD_CONTENT or (name == b"noscript" and self.mode is Mode.IN_HEAD):
            self._start_in_head(tag)
            return
        if self.mode is Mode.IN_HEAD:
            self._leave_head()
        if name == b"frameset":
            raise Ambiguous("frameset")
        if name == b"body":
            self.insert(tag)
            self.mode = Mode.IN_BODY
            self.frameset_ok = False
            return
        self._imply_body()
        self._start(tag)

    def _start_in_head(self, tag: Tag) -> None:
        """ "In head", also for what stands between head and body: the parser puts that into the head."""
        if self.mode is Mode.IN_HEAD or self._head is None:
            self._insert_head_content(tag)
            return
        self.stack.append(self._head)
        self._insert_head_content(tag)
        self.stack.remove(self._head)

    def _insert_head_content(self, tag: Tag) -> None:
        if tag.name in e.HEAD_VOIDS:
            self.insert_void(tag)
        elif tag.name == b"template":
            self._insert_template(tag)
        else:
            self._insert_raw(tag)

    def _end_before_body(self, tag: Tag) -> None:
        name = tag.name
        if name == b"head" and self.mode is Mode.IN_HEAD:
            self._leave_head()
            return
        if name not in _ACT_AS_START or (name == b"head" and self.mode is Mode.AFTER_HEAD):
            return
        if name == b"head":
            if self.mode is not Mode.BEFORE_HEAD:
                self._imply_html()
            self._imply_head()
            self._leave_head()
            return
        self._imply_body()
        self._end(tag)

    # --- "in body"

    def _insert_raw(self, tag: Tag) -> None:
        self.raw = self.insert(tag)
        self.read_raw = tag.name

    def _insert_template(self, tag: Tag) -> None:
        self.insert(tag)
        self.add_marker()
        self.frameset_ok = False
        self.opaque.enter_template()

    def _insert_foreign(self, tag: Tag) -> None:
        self.reconstruct_formatting()
        self.insert(tag)
        if tag.self_closing:
            self.stack.pop().open = False
        else:
            self.opaque.enter_foreign(tag.name)

    def _repeated(self, tag: Tag) -> None:
        """A second html or body adds its attributes to the first one, which selectors have already seen."""
        if tag.attributes:
            raise Ambiguous("repeated_" + tag.name.decode())

    def _start_in_body(self, tag: Tag) -> None:
        rule = _BODY_START.get(tag.name)
        if rule is not None:
            rule(self, tag)
        else:
            self.reconstruct_formatting()
            self.insert(tag)

    def _body_block(self, tag: Tag) -> None:
        self.close_p()
        self.insert(tag)

    def _body_heading(self, tag: Tag) -> None:
        self.close_p()
        if self.stack[-1].name in e.HEADINGS:
            self.pop()
        self.insert(tag)

    def _body_pre(self, tag: Tag) -> None:
        self._body_block(tag)
        self.frameset_ok = False

    def _body_form(self, tag: Tag) -> None:
        if self.form is None:
            self.close_p()
            self.form = self.insert(tag)

    def _body_item(self, tag: Tag) -> None:
        self.frameset_ok = False
        names = (b"li",) if tag.name == b"li" else (b"dd", b"dt")
        for element in reversed(self.stack):
            if element.name in names:
                self.imply_end_tags(element.name)
                self.pop_until(element.name)
                break
            if element.name in e.SPECIAL and element.name not in (b"address", b"div", b"p"):
                break
        self._body_block(tag)

    def _body_plaintext(self, tag: Tag) -> None:
        self.close_p()
        self._insert_raw(tag)

    def _body_button(self, tag: Tag) -> None:
        if self.in_scope(b"button"):
            self.imply_end_tags()
            self.pop_until(b"button")
        self.reconstruct_formatting()
        self.insert(tag)
        self.frameset_ok = False

    def _body_link(self, tag: Tag) -> None:
        open_link = self.find_formatting(b"a")
        if open_link is not None:
            self.disturbed = True
            self.close_formatting(tag)
            if open_link in self.formatting or open_link in self.stack:
                raise Ambiguous("misnested_formatting")
        self._body_formatting(tag)

    def _body_formatting(self, tag: Tag) -> None:
        self.reconstruct_formatting()
        self.insert_formatting(tag)

    def _body_nobr(self, tag: Tag) -> None:
        self.reconstruct_formatting()
        if self.in_scope(b"nobr"):
            self.close_formatting(tag)
            self.reconstruct_formatting()
        self.insert_formatting(tag)

    def _body_marked(self, tag: Tag) -> None:
        self.reconstruct_formatting()
        self.insert(tag)
        self.add_marker()
        self.frameset_ok = False

    def _body_table(self, tag: Tag) -> None:
        if self.in_scope(b"p", e.BUTTON_SCOPE):
            if self._quirks is None:
                raise Ambiguous("quirks_mode")
            if not self._quirks:
                self.close_p()
        self.insert(tag)
        self.frameset_ok = False
        self.mode = Mode.IN_TABLE

    def _body_void(self, tag: Tag) -> None:
        self.reconstruct_formatting()
        self.insert_void(tag)
        if tag.name != b"input" or tag.attributes.get("type", "").lower() != "hidden":
            self.frameset_ok = False

    def _body_bare_void(self, tag: Tag) -> None:
        self.insert_void(tag)

    def _body_hr(self, tag: Tag) -> None:
        self.close_p()
        self.insert_void(tag)
        self.frameset_ok = False

    def _body_image(self, tag: Tag) -> None:
        self._body_void(Tag(b"img", raw=tag.raw))

    def _body_raw(self, tag: Tag) -> None:
        if tag.name == b"xmp":
            self.close_p()
            self.reconstruct_formatting()
        if tag.name in (b"xmp", b"iframe", b"textarea"):
            self.frameset_ok = False
        self._insert_raw(tag)

    def _body_select(self, tag: Tag) -> None:
        self.reconstruct_formatting()
        self.insert(tag)
        self.frameset_ok = False
        self.mode = Mode.IN_SELECT

    def _body_option(self, tag: Tag) -> None:
        if self.stack[-1].name == b"option":
            self.pop()
        self.reconstruct_formatting()
        self.insert(tag)

    def _body_ruby(self, tag: Tag) -> None:
        if self.in_scope(b"ruby"):
            self.imply_end_tags(b"" if tag.name in (b"rb", b"rtc") else b"rtc")
        self.insert(tag)

    def _body_repeated(self, tag: Tag) -> None:
        self._repeated(tag)
        if tag.name == b"body":
            self.frameset_ok = False

    def _body_frameset(self, tag: Tag) -> None:
        if self.frameset_ok:
            raise Ambiguous("frameset")

    def _body_ignored(self, tag: Tag) -> None:
        """Table parts outside a table, a second head, a stray frame."""

    def _end_in_body(self, tag: Tag) -> None:
        name = tag.name
        if name in e.FORMATTING:
            self.close_formatting(tag)
        elif name in (b"body", b"html"):
            if self.in_scope(b"body"):
                self.mode = Mode.AFTER_BODY
        elif name in e.CLOSED_BY_NAME or name in e.MARKED:
            if self.in_scope(name):
                self.imply_end_tags()
                self.pop_until(name)
                if name in e.MARKED:
                    self.clear_to_marker()
        elif name in (b"p", b"br", b"li", b"dd", b"dt", b"form") or name in e.HEADINGS:
            self._end_special(tag)
        elif name != b"template":
            self.close_any(name)

    def _end_special(self, tag: Tag) -> None:
        name = tag.name
        if name == b"p":
            if not self.in_scope(b"p", e.BUTTON_SCOPE):
                self.disturbed = True
                self.insert(Tag(b"p"), implied=True)
            self.close_p()
        elif name == b"br":
            self._body_void(Tag(b"br"))
        elif name == b"form":
            self._end_form()
        elif name in e.HEADINGS:
            if any(self.in_scope(heading) for heading in e.HEADINGS):
                self.imply_end_tags()
                self.pop_until(*e.HEADINGS)
        elif self.in_scope(name, e.LIST_SCOPE if name == b"li" else e.SCOPE):
            self.imply_end_tags(name)
            self.pop_until(name)

    def _end_form(self) -> None:
        form, self.form = self.form, None
        if form is None or not form.open or not self.in_scope(b"form"):
            return
        self.imply_end_tags()
        if self.stack[-1] is form:
            self.pop()
            return
        if form.watchers:
            raise Ambiguous("misnested_form")
        self.stack.remove(form)
        form.open = False

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
        if mode is Mode.IN_CELL or mode is Mode.IN_CAPTION:
            if name not in e.TABLE_PARTS:
                self._start_in_body(tag)
            elif mode is Mode.IN_CELL and self.in_table_scope(b"td", b"th"):
                self._close_cell()
                self._start(tag)
            elif mode is Mode.IN_CAPTION and self._close_caption():
                self._start(tag)
        elif mode is Mode.IN_ROW:
            self._start_in_row(tag)
        elif mode is Mode.IN_TABLE_BODY:
            self._start_in_table_body(tag)
        elif mode is Mode.IN_COLUMN_GROUP:
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
        mode, name = self.mode, tag.name
        if mode is Mode.IN_CELL:
            self._end_in_cell(tag)
        elif mode is Mode.IN_CAPTION:
            if name == b"caption":
                self._close_caption()
            elif name == b"table":
                if self._close_caption():
                    self._end(tag)
            elif name not in e.TABLE_PARTS and name not in (b"body", b"html"):
                self._end_in_body(tag)
        elif mode is Mode.IN_COLUMN_GROUP:
            if name == b"colgroup":
                self._leave_column_group()
            elif name not in (b"col", b"template"):
                self._leave_column_group()
                self._end(tag)
        elif mode is Mode.IN_ROW and name == b"tr":
            self._close_row()
        elif mode is Mode.IN_ROW and (name == b"table" or name in e.TABLE_SECTIONS):
            if self.in_table_scope(name) and self._close_row():
                self._end(tag)
        elif mode is Mode.IN_TABLE_BODY and name in e.TABLE_SECTIONS:
            if self.in_table_scope(name):
                self._close_section()
        elif mode is Mode.IN_TABLE_BODY and name == b"table":
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

_Rule = Callable[[TreeRules, Tag], None]
_BODY_START: dict[bytes, _Rule] = {
    **dict.fromkeys(e.BLOCKS, TreeRules._body_block),
    **dict.fromkeys(e.HEADINGS, TreeRules._body_heading),
    **dict.fromkeys(e.FORMATTING, TreeRules._body_formatting),
    **dict.fromkeys(e.INLINE_VOIDS, TreeRules._body_void),
    **dict.fromkeys(e.HEAD_VOIDS, TreeRules._body_bare_void),
    **dict.fromkeys((b"param", b"source", b"track"), TreeRules._body_bare_void),
    **dict.fromkeys(e.RAW_TEXT | {b"script", b"noframes"}, TreeRules._body_raw),
    **dict.fromkeys(e.MARKED, TreeRules._body_marked),
    **dict.fromkeys(e.TABLE_PARTS | {b"head", b"frame"}, TreeRules._body_ignored),
    **dict.fromkeys((b"li", b"dd", b"dt"), TreeRules._body_item),
    **dict.fromkeys((b"pre", b"listing"), TreeRules._body_pre),
    **dict.fromkeys((b"option", b"optgroup"), TreeRules._body_option),
    **dict.fromkeys((b"rb", b"rp", b"rt", b"rtc"), TreeRules._body_ruby),
    **dict.fromkeys((b"html", b"body"), TreeRules._body_repeated),
    **dict.fromkeys((b"svg", b"math"), TreeRules._insert_foreign),
    b"a": TreeRules._body_link,
    b"button": TreeRules._body_button,
    b"form": TreeRules._body_form,
    b"frameset": TreeRules._body_frameset,
    b"hr": TreeRules._body_hr,
    b"image": TreeRules._body_image,
    b"nobr": TreeRules._body_nobr,
    b"plaintext": TreeRules._body_plaintext,
    b"select": TreeRules._body_select,
    b"table": TreeRules._body_table,
    b"template": TreeRules._insert_template,
}
