"""The end of the body, found from behind: the fast way for the one placement that needs no selector.

All bytes pass at once, except what follows the last `</body` of the final 8 KiB. Only when the input ends is it
decided whether that is the end of the body: cheap signs tell; where they do not, the careful scanner is asked,
as long as the page is short enough to be still at hand. An end too odd for both gets no snippet.
"""

from __future__ import annotations

import re
from functools import lru_cache

from portal_gateway.html.charsets import UNSCANNABLE_MARKS, has_unscannable_mark
from portal_gateway.html.elements import FORMATTING, RAW_TEXT
from portal_gateway.html.matching import CompiledTargets
from portal_gateway.html.output import Mark, MarkKind, Segment
from portal_gateway.html.runs import balanced_up_to_the_end
from portal_gateway.html.tokenizer import PageScanner

# How far from the end of the page `</body` is looked for, in bytes; no more than this is held back.
MAX_TAIL = 8 * 1024
# How much of what has passed is remembered to see whether the end tag stands in a comment, script or the like.
_CONTEXT = 1024
# Up to this many bytes the whole page is remembered (not held back) for the careful scanner.
_WHOLE = 64 * 1024

_AMBIGUOUS = "ambiguous_end"
_PREFIX = b"</body"
# An end tag and what may stand behind the end of the body without being part of it.
_TRAILER = re.compile(
    rb"</body[\t\n\f\r ]*+>"
    rb"(?:[\t\n\f\r ]++|<!--(?!-?>)(?:[^-]|-(?!-!?>))*+--!?>|</(?:body|html)[\t\n\f\r ]*+>)*+",
    re.IGNORECASE,
)
# Where an end tag mostly is, this many bytes from the end.
_NEAR = 256

# Elements in which markup is text, and those in which a place would be refused, moved or wrapped.
_RAW = RAW_TEXT | {b"script", b"noframes"}
_RISKY = FORMATTING | {b"frameset", b"math", b"plaintext", b"select", b"svg", b"table", b"template"}
_TURN = re.compile(rb"<(/?)(!--|(?:" + b"|".join(sorted(_RAW | _RISKY)) + rb")(?![a-z0-9]))")


class BodyEnd:
    """Like PageScanner, for targets that all append to the body."""

    #: It takes the whole page.
    decided_by = None

    def __init__(self, compiled: CompiledTargets, max_held: int) -> None:
        self.bail_reason: str | None = None
        self.matched: frozenset[int] = frozenset()
        self._compiled = compiled
        self._max_held = min(max_held, MAX_TAIL)
        self._held = b""
        self._context = b""
        self._whole: list[bytes] | None = []
        self._size = 0

    @property
    def done(self) -> bool:
        return self.bail_reason is not None or bool(self.matched)

    def reason(self, target: int) -> str | None:
        return self.bail_reason

    def feed(self, data: bytes) -> list[Segment]:
        if self.done or not data:
            return [data] if data else []
        self._remember(data)
        if self.bail_reason is not None:
            passed, self._held = self._held, b""
            return [passed + data]
        passed = b""
        if self._held:
            if len(self._held) + len(data) > self._max_held:
                passed = self._held
                self._pass(passed)
            else:
                data = self._held + data
            self._held = b""
        start = _end_tag(data, self._max_held)
        if start >= 0:
            data, self._held = data[:start], data[start:]
        self._pass(data)
        return [piece for piece in (passed, data) if piece]

    def close(self) -> list[Segment]:
        place = None if self.bail_reason else self._place()
        if place is None:
            self.bail_reason = self.bail_reason or _AMBIGUOUS
            return [self._held] if self._held else []
        count = len(self._compiled.targets)
        self.matched = frozenset(range(count))
        segments: list[Segment] = [Mark(target, MarkKind.INSERT) for target in range(count)]
        if place:
            segments.insert(0, self._held[:place])
        if place < len(self._held):
            segments.append(self._held[place:])
        return segments

    def _pass(self, data: bytes) -> None:
        self._context = data if len(data) >= _CONTEXT else self._context[-_CONTEXT:] + data

    def _remember(self, data: bytes) -> None:
        if self._whole is None:
            self._size += len(data)
            return
        self._whole.append(data)
        # More than four bytes have no new byte order mark to show.
        if self._size < 4 and has_unscannable_mark(b"".join(self._whole)):
            self.bail_reason = "charset"
        self._size += len(data)
        if self._size > _WHOLE:
            self._whole = None

    def _place(self) -> int | None:
        """The offset in what is held, or None if the end of the body is not certain to be there."""
        page = None if self._whole is None else b"".join(self._whole)
        return _place(self._context[-_CONTEXT:], self._held, page, self._compiled)


def end_of_body(page: bytes, compiled: CompiledTargets) -> int | str:
    """The offset that BodyEnd finds in a page of one piece, without what it takes to find it in a stream; or the
    reason why there is none."""
    if page.startswith(UNSCANNABLE_MARKS):
        return "charset"
    behind = _SHOWN_ENDS.find(page)
    if behind is not None:
        return len(page) - behind
    start = _end_tag(page, MAX_TAIL)
    if start < 0:
        start = len(page)
    place = _place(
        page[max(0, start - _CONTEXT) : start], page[start:], page if len(page) <= _WHOLE else None, compiled
    )
    return _AMBIGUOUS if place is None else start + place


class _ShownEnds:
    """How far from the end of a page its body ends, if the last bytes show it.

    Pages of one site end alike, with the same footer and the same scripts. Those ends are remembered, and of them the
    last one is compared before a digest is made of so many bytes.
    """

    _tail = b"<"  # no page that shows its end ends so
    _behind: int | None = None

    def find(self, page: bytes) -> int | None:
        if page.endswith(self._tail):
            return self._behind
        tail = page[-_CONTEXT - _NEAR :]
        behind = _shown_end(tail)
        if len(tail) == _CONTEXT + _NEAR:  # all of a short page says nothing of a longer one that ends alike
            self._tail, self._behind = tail, behind
        return behind


_SHOWN_ENDS = _ShownEnds()


@lru_cache(maxsize=128)
def _shown_end(tail: bytes) -> int | None:
    start = _last_end_tag(tail, max(0, len(tail) - _NEAR), len(tail))
    if start < 0 or _may_end_trailer(tail[max(0, start - _NEAR) : start]) or not _TRAILER.fullmatch(tail, start):
        return None
    return len(tail) - start if _is_settled(tail[max(0, start - _CONTEXT) : start]) else None


def _place(context: bytes, held: bytes, page: bytes | None, compiled: CompiledTargets) -> int | None:
    """The offset in `held`, which ends the page and follows `context`. `page` is all of it, unless that is too long."""
    if _TRAILER.fullmatch(held) and _is_settled(context):
        return 0
    if page is None:
        # A page without an end tag, or with something behind it, ends where the input does.
        return len(held) if _is_settled((context + held)[-_CONTEXT:]) else None
    return _place_by_scanner(page, len(page) - len(held), compiled)


def _place_by_scanner(page: bytes, start: int, compiled: CompiledTargets) -> int | None:
    """The offset from `start` on, before which nothing can be put any more."""
    scanner = PageScanner(compiled, max(MAX_TAIL, len(page)))
    offset = 0
    for segment in (*scanner.feed(page), *scanner.close()):
        if isinstance(segment, Mark):
            return offset - start if offset >= start else None
        offset += len(segment)
    return None


def _is_settled(context: bytes) -> bool:
    """Whether `context` leaves no comment, raw text, risky element, attribute or tag open at its end."""
    context = context.lower()
    # The quick way for what is plain; "<" may stand in the middle of a tag only before the first ">".
    first = min(index for index in (context.find(b">"), context.find(b"<"), len(context)) if index >= 0)
    if balanced_up_to_the_end(_RISKY, _RAW).match(context, first):
        return True
    risky: dict[bytes, int] = {}
    hidden_to = 0
    for match in _TURN.finditer(context):
        slash, name = match.groups()
        if match.start() < hidden_to:
            continue
        if name == b"!--" or (name in _RAW and not slash):
            hidden_to = context.find(b"-->" if name == b"!--" else b"</" + name, match.end())
            if hidden_to < 0:
                return False
            hidden_to += 1
        elif name in _RAW:
            # All before was the end of a text that began earlier.
            risky.clear()
        else:
            risky[name] = max(0, risky.get(name, 0) + (-1 if slash else 1))
    if any(risky.values()) or b"frameset" in risky:
        return False
    for quote in (b'"', b"'"):
        value = context.rfind(b"=" + quote)
        if value >= 0 and context.find(quote, value + 2) < 0:
            return False
    return context.rfind(b"<") <= context.rfind(b">")


def _end_tag(data: bytes, max_tail: int) -> int:
    """Where the last `</body` of `data` begins, or a cut-off beginning of one; -1 if nowhere.

    Of several with nothing but a trailer between, the first: all of them end the same body.
    """
    earliest = max(0, len(data) - max_tail)
    start = _last_end_tag(data, max(earliest, len(data) - _NEAR), len(data))
    if start < 0:
        start = _last_end_tag(data, earliest, len(data))
    if start < 0:
        cut_off = data.rfind(b"<", max(0, len(data) - len(_PREFIX) + 1))
        return cut_off if cut_off >= 0 and _PREFIX.startswith(data[cut_off:].lower()) else -1
    while _may_end_trailer(data[max(earliest, start - _NEAR) : start]):
        before = _last_end_tag(data, earliest, start)
        if before < 0 or not _TRAILER.fullmatch(data, before, start):
            break
        start = before
    return start


def _may_end_trailer(text: bytes) -> bool:
    """Whether `text` ends in a comment or an end tag of body or html, as far as it shows."""
    text = text.rstrip(b"\t\n\f\r ")
    last = text[text.rfind(b"<") :][:6].lower()
    return not text or text.endswith((b"->", b"-!>")) or last in (_PREFIX, b"</html")


def _last_end_tag(data: bytes, start: int, end: int) -> int:
    found = data[start:end].lower().rfind(_PREFIX)
    return start + found if found >= 0 else -1
