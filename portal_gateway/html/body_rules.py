"""The rules of "in body" (HTML 13.2.6.4.7), reduced to what opens and closes which element."""

from __future__ import annotations

from collections.abc import Callable

from portal_gateway.html import elements as e
from portal_gateway.html.formatting import ActiveFormatting
from portal_gateway.html.matching import Element, Matches
from portal_gateway.html.opaque import Opaque
from portal_gateway.html.tags import Tag
from portal_gateway.html.tree import Ambiguous, Mode


class BodyRules(ActiveFormatting):
    """Holds the state of all rules; the other insertion modes build on these."""

    mode = Mode.INITIAL
    frameset_ok = True
    # The open element whose content the tokenizer reads as text, and how it is to read it from now on.
    raw: Element | None = None
    read_raw: bytes | None = None
    # Counts what the rules put elsewhere: text before its table, attributes of a second body on the first one.
    put_elsewhere = 0
    quirks: bool | None = True
    head: Element | None = None
    form: Element | None = None

    def __init__(self, matches: Matches) -> None:
        super().__init__(matches)
        self.opaque = Opaque()

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
        depth = 0 if tag.name == b"html" else 1
        first, parent = self.stack[depth], self.stack[0] if depth else None
        if tag.attributes and not self._matches.add_attributes(first, parent, tag):
            raise Ambiguous("repeated_" + tag.name.decode())
        self.put_elsewhere += 1

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
            self.close_formatting(b"a")
            if open_link in self.formatting or open_link in self.stack:
                raise Ambiguous("misnested_formatting")
        self._body_formatting(tag)

    def _body_formatting(self, tag: Tag) -> None:
        self.reconstruct_formatting()
        self.insert_formatting(tag)

    def _body_nobr(self, tag: Tag) -> None:
        self.reconstruct_formatting()
        if self.in_scope(b"nobr"):
            self.close_formatting(b"nobr")
            self.reconstruct_formatting()
        self.insert_formatting(tag)

    def _body_marked(self, tag: Tag) -> None:
        self.reconstruct_formatting()
        self.insert(tag)
        self.add_marker()
        self.frameset_ok = False

    def _body_table(self, tag: Tag) -> None:
        if self.in_scope(b"p", e.BUTTON_SCOPE):
            if self.quirks is None:
                raise Ambiguous("quirks_mode")
            if not self.quirks:
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
            self.close_formatting(name)
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
        depth = self.stack.index(form)
        # The child stays where it is in the tree: what follows it would still be in the form.
        if form.watchers or self.stack[depth + 1].watchers:
            raise Ambiguous("misnested_form")
        del self.stack[depth]
        form.open = False


_Rule = Callable[[BodyRules, Tag], None]
_BODY_START: dict[bytes, _Rule] = {
    **dict.fromkeys(e.BLOCKS, BodyRules._body_block),
    **dict.fromkeys(e.HEADINGS, BodyRules._body_heading),
    **dict.fromkeys(e.FORMATTING, BodyRules._body_formatting),
    **dict.fromkeys(e.INLINE_VOIDS, BodyRules._body_void),
    **dict.fromkeys(e.HEAD_VOIDS, BodyRules._body_bare_void),
    **dict.fromkeys((b"param", b"source", b"track"), BodyRules._body_bare_void),
    **dict.fromkeys(e.RAW_TEXT | {b"script", b"noframes"}, BodyRules._body_raw),
    **dict.fromkeys(e.MARKED, BodyRules._body_marked),
    **dict.fromkeys(e.TABLE_PARTS | {b"head", b"frame"}, BodyRules._body_ignored),
    **dict.fromkeys((b"li", b"dd", b"dt"), BodyRules._body_item),
    **dict.fromkeys((b"pre", b"listing"), BodyRules._body_pre),
    **dict.fromkeys((b"option", b"optgroup"), BodyRules._body_option),
    **dict.fromkeys((b"rb", b"rp", b"rt", b"rtc"), BodyRules._body_ruby),
    **dict.fromkeys((b"html", b"body"), BodyRules._body_repeated),
    **dict.fromkeys((b"svg", b"math"), BodyRules._insert_foreign),
    b"a": BodyRules._body_link,
    b"button": BodyRules._body_button,
    b"form": BodyRules._body_form,
    b"frameset": BodyRules._body_frameset,
    b"hr": BodyRules._body_hr,
    b"image": BodyRules._body_image,
    b"nobr": BodyRules._body_nobr,
    b"plaintext": BodyRules._body_plaintext,
    b"select": BodyRules._body_select,
    b"table": BodyRules._body_table,
    b"template": BodyRules._insert_template,
}
