"""The HTML tokenizer (HTML 13.2.5) over a page that arrives in pieces, feeding the placer.

Rules of this file:
1. The bytes that leave, concatenated, are the bytes that came in.
2. Every decision depends on the page only, never on where it was cut into pieces.
3. No more than `max_held` bytes are kept back; whoever needs more has no placement.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Callable
from html import unescape
from typing import TypeAlias

from portal_gateway.html.candidates import Search
from portal_gateway.html.charsets import has_unscannable_mark
from portal_gateway.html.matching import CompiledTargets
from portal_gateway.html.output import Output, Segment
from portal_gateway.html.placing import Placer
from portal_gateway.html.raw_text import RawText
from portal_gateway.html.skipping import skip_run
from portal_gateway.html.tags import LEAF, TAG, Tag
from portal_gateway.html.tree import Ambiguous, Mode

_COMMENT_AT_ONCE = re.compile(rb"-?>")
_COMMENT_END = re.compile(rb"--!?>")
_SPACE = re.compile(rb"[\t\n\f\r ]*")
_REFERENCE = re.compile(rb"&#?[0-9a-zA-Z]*;?")
_MAX_REFERENCE = 64
_LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_NUL_BREAKS = frozenset(
    (
        Mode.INITIAL,
        Mode.BEFORE_HTML,
        Mode.BEFORE_HEAD,
        Mode.IN_HEAD,
        Mode.AFTER_HEAD,
        Mode.AFTER_BODY,
        Mode.IN_COLUMN_GROUP,
    )
)


class PageScanner:
    """Reads a whole page, token by token, for any targets."""

    # Whether what cannot match may be passed over; up to this offset of the buffer nothing can.
    _passes_over = False
    _clear_to = 0
    # Made when it is first needed.
    _search: Search | None = None
    _raw: RawText
    _unfinished: str | None = None
    _mark_seen = False
    _closed = False
    _bail_reason: str | None = None
    #: So many bytes from the beginning of the page have decided everything; None as long as that is not so. No page
    #: that begins with them has other places.
    decided_by: int | None = None

    def __init__(self, compiled: CompiledTargets, max_held: int) -> None:
        self._output = Output()
        self._placer = Placer(compiled, self._output)
        self._candidates = compiled.candidates
        self._tree = self._placer.tree
        self._max_held = max_held
        # A plain function, not a bound method: a page that is done must not wait for the garbage collector.
        self._read: _Read = PageScanner._read_mark
        self._passing = not compiled.targets

    @property
    def done(self) -> bool:
        """Nothing can be placed any more and nothing is held: bytes may go past the scanner."""
        return self._passing

    @property
    def bail_reason(self) -> str | None:
        """Why the scanner gave the page up, a stable slug; None if it did not."""
        return self._bail_reason

    @property
    def matched(self) -> frozenset[int]:
        """The targets with at least one mark among the segments returned so far."""
        return frozenset(self._output.matched)

    def reason(self, target: int) -> str | None:
        """Why `target` has no mark: why its match was refused, the bail-out, or "no_match" after the end."""
        if target in self._output.matched:
            return None
        fallback = (self._unfinished or "no_match") if self._closed else None
        return self._placer.refusals.get(target) or self._bail_reason or fallback

    def begin(self, data: bytes) -> None:
        """Look at the first bytes of the page, which are read later, for a byte order mark."""
        self._mark_seen = has_unscannable_mark(data) is False

    @property
    def started(self) -> bool:
        """Whether the bytes that may be a byte order mark have been seen."""
        return self._mark_seen

    @property
    def idle(self) -> bool:
        """Whether nothing comes of what cannot match."""
        return self._mark_seen and self._placer.idle

    @property
    def holding(self) -> bool:
        return self._output.holding

    def feed(self, data: bytes, clear: int = 0) -> list[Segment]:
        """The segments that are ready. Nothing in what is unread and in the first `clear` bytes can match."""
        if self._passing:
            return [data] if data else []
        unread = self._output.load(data)
        self._clear_to = unread + clear if clear else 0
        self._search = None
        self._passes_over = self._candidates is not None
        return self._run(final=False)

    def take_back(self) -> bytes:
        """The last bytes that came in, as far as they have not been read; they have to be fed again."""
        return self._output.unload()

    def close(self) -> list[Segment]:
        self._closed = True
        if self._passing:
            return []
        self._output.load(b"")
        self._passes_over = False
        return self._run(final=True)

    def _run(self, *, final: bool) -> list[Segment]:
        size = len(self._output.buffer)
        position = 0
        try:
            if not self._mark_seen and not self._see_byte_order_mark(final):
                return []
            position = self._scan(final)
            if final:
                self._finish(position)
            held = size - position + self._output.held_bytes()
            if held > self._max_held:
                raise Ambiguous("held_too_long" if self._output.holding else "tag_too_long")
        except Ambiguous as ambiguity:
            self._bail_reason = ambiguity.reason
            self._output.withdraw_all()
        if final or self._bail_reason or self._placer.done:
            self._passing = True
            if not (final or self._bail_reason):
                self.decided_by = self._output.offset + position
            position = size
        return self._output.take(position)

    def _see_byte_order_mark(self, final: bool) -> bool:
        unscannable = has_unscannable_mark(self._output.buffer)
        if unscannable:
            raise Ambiguous("charset")
        self._mark_seen = final or unscannable is False
        return self._mark_seen

    def _finish(self, position: int) -> None:
        if self._tree.opaque.active:
            self._unfinished = self._unfinished or "unclosed_element"
        self._placer.finish(position, self._unfinished)

    def _scan(self, final: bool) -> int:
        size = len(self._output.buffer)
        position = 0
        while position < size and not self._placer.done:
            read = self._read
            following = read(self, position, final)
            if following == position and read is self._read:
                break
            position = following
        return position

    def _read_mark(self, position: int, final: bool) -> int:
        """The byte order mark of UTF-8 is no text: decoders take it away."""
        start = self._output.buffer[: len(BOM_UTF8)]
        if start != BOM_UTF8 and BOM_UTF8.startswith(start) and not final:
            return position
        self._read = PageScanner._read_data
        return position + len(BOM_UTF8) if start == BOM_UTF8 else position

    # --- the data state

    def _read_data(self, position: int, final: bool) -> int:
        buffer, placer, tree = self._output.buffer, self._placer, self._tree
        size = len(buffer)
        while position < size:
            if self._passes_over:
                position = self._pass_over(position)
            found = buffer.find(b"<", position)
            text_end = found if found >= 0 else size
            if text_end > position and tree.text_matters:
                position = self._read_text(position, text_end, final)
                if position < text_end:
                    return position
            position = text_end
            if found < 0:
                return position
            match = LEAF.match(buffer, position)
            if match is not None and placer.skips_leaf(match[1], match[2]):
                position = match.end()
                continue
            match = TAG.match(buffer, position)
            if match is None:
                following = self._read_other(position, final)
                if following == position or self._read is not PageScanner._read_data:
                    return following
                position = following
                continue
            end_slash, name, raw = match.groups()
            name = name.lower()
            if end_slash and tree.end_simply(name):
                position = match.end()
                continue
            placer.tag(Tag(name, bool(end_slash), raw), position, match.end())
            position = match.end()
            if tree.read_raw is not None and not end_slash:
                self._raw = RawText(tree.read_raw)
                self._read = PageScanner._read_raw
                self._unfinished = "eof_in_text"
                return position
            if placer.done:
                return position
        return position

    def _pass_over(self, position: int) -> int:
        """The offset behind what cannot match and changes nothing."""
        buffer = self._output.buffer
        size = len(buffer)
        while position < size:
            if position >= self._clear_to:
                self._clear_to = self._next_candidate(position)
                if position >= self._clear_to:
                    break
            position = skip_run(self._tree, buffer, position, self._clear_to)
            if position < self._clear_to:
                break
        return position

    def _next_candidate(self, position: int) -> int:
        if self._candidates is None or not self._placer.searching:
            return len(self._output.buffer)
        if self._search is None:
            self._search = self._candidates.search(self._output.buffer)
        return self._search.find(position)

    def _read_text(self, position: int, end: int, final: bool) -> int:
        """Text where it could matter: white space may not, anything else may imply or reopen elements."""
        buffer = self._output.buffer
        while position < end:
            blank = _SPACE.match(buffer, position, end)
            assert blank is not None
            if blank.end() > position:
                self._placer.text(position, blank=True)
                position = blank.end()
            elif buffer[position] == 0:
                if self._tree.mode in _NUL_BREAKS and not self._tree.opaque.active:
                    raise Ambiguous("nul")
                position += 1
            elif buffer[position] == 0x26:
                reference = _REFERENCE.match(buffer, position, end)
                assert reference is not None
                cut_off = reference.end() == len(buffer) and not reference[0].endswith(b";")
                if cut_off and not final and len(reference[0]) < _MAX_REFERENCE:
                    return position
                blank_reference = not unescape(reference[0].decode("ascii")).strip("\t\n\f\r ")
                self._placer.text(position, blank=blank_reference)
                position = reference.end()
            else:
                self._placer.text(position, blank=False)
                return end
        return position

    def _read_other(self, position: int, final: bool) -> int:
        """A "<" that begins no finished tag."""
        buffer = self._output.buffer
        kind = buffer[position + 1 : position + 2]
        if kind == b"!":
            return self._read_declaration(position, final)
        if kind == b"?":
            return self._begin(PageScanner._read_bogus, position + 2)
        name_at = position + 2 if kind == b"/" else position + 1
        if name_at >= len(buffer):
            return self._end_in_less_than(position) if final else position
        if buffer[name_at] in _LETTERS:
            # At the end of the input such a tag is dropped: whatever comes, comes before it.
            return position
        if kind != b"/":
            self._placer.text(position, blank=False)
            return position + 1
        if buffer[name_at] == 0x3E:
            return name_at + 1
        return self._begin(PageScanner._read_bogus, name_at)

    def _end_in_less_than(self, position: int) -> int:
        """The input ends in "<" or "</", which are text then. Behind "</" a tag would be read as a comment."""
        self._placer.text(position, blank=False)
        if self._output.buffer.endswith(b"/"):
            self._unfinished = "eof_in_tag"
        return len(self._output.buffer)

    def _read_declaration(self, position: int, final: bool) -> int:
        buffer = self._output.buffer
        head = buffer[position : position + 9].lower()
        short = len(buffer) - position < 9 and not final
        if head.startswith(b"<!--"):
            if len(buffer) - position < 6 and not final:
                return position
            at_once = _COMMENT_AT_ONCE.match(buffer, position + 4)
            return at_once.end() if at_once else self._begin(PageScanner._read_comment, position + 4)
        if head == b"<!doctype":
            end = buffer.find(b">", position)
            if end < 0:
                self._unfinished = "eof_in_comment" if final else None
                return position
            self._tree.doctype(buffer[position : end + 1])
            return end + 1
        if self._tree.opaque.cdata_allowed and buffer.startswith(b"<![CDATA[", position):
            if self._tree.frameset_ok:
                raise Ambiguous("foreign_content")
            return self._begin(PageScanner._read_cdata, position + 9)
        if short and any(known.startswith(head) for known in (b"<!--", b"<!doctype", b"<![cdata[")):
            return position
        return self._begin(PageScanner._read_bogus, position + 2)

    # --- the other states

    def _begin(self, read: _Read, position: int) -> int:
        self._read = read
        self._unfinished = "eof_in_comment"
        return position

    def _resume_data(self, position: int) -> int:
        self._read = PageScanner._read_data
        self._unfinished = None
        return position

    def _read_comment(self, position: int, final: bool) -> int:
        match = _COMMENT_END.search(self._output.buffer, position)
        if match:
            return self._resume_data(match.end())
        return max(position, len(self._output.buffer) - 3)

    def _read_bogus(self, position: int, final: bool) -> int:
        end = self._output.buffer.find(b">", position)
        return self._resume_data(end + 1) if end >= 0 else len(self._output.buffer)

    def _read_cdata(self, position: int, final: bool) -> int:
        end = self._output.buffer.find(b"]]>", position)
        return self._resume_data(end + 3) if end >= 0 else max(position, len(self._output.buffer) - 2)

    def _read_raw(self, position: int, final: bool) -> int:
        position, ended = self._raw.find_end(self._output.buffer, position)
        if ended:
            self._read = PageScanner._read_raw_end
        return position

    def _read_raw_end(self, position: int, final: bool) -> int:
        match = TAG.match(self._output.buffer, position)
        if match is None:
            return position
        self._resume_data(position)
        self._placer.tag(Tag(self._raw.name, end=True), position, match.end(), raw_end=True)
        return match.end()


# Reads on from a position of the buffer; the position it came to, the same if it needs more input.
_Read: TypeAlias = Callable[[PageScanner, int, bool], int]
