"""Where in the bytes of a page a target could match at all: a byte string that every match has in its tag.

What stands before the next candidate cannot match, whatever it is: text, a tag, part of a script. The other way round
a candidate proves nothing; that is for the tokenizer to do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from portal_gateway.html.selectors import Compound

# Elements that are there without a tag of their name (HTML 13.2.6).
_IMPLIED = frozenset(("body", "colgroup", "head", "html", "tbody", "tr"))
# Parsers make an img of this one.
_RENAMED = {"img": "im"}
_PLAIN_RUN = re.compile(r"[a-zA-Z0-9-]+")
# Character references that stand for one of the characters of _PLAIN_RUN, or for white space with no ";" at the end.
# The named one is "fj".
_SPELLED = re.compile(
    rb"&(?:fjlig"
    rb"|#0*(?:9|1[023]|32|45|4[89]|5[0-7]|6[5-9]|[78][0-9]|90|9[7-9]|1[01][0-9]|12[0-2])(?![0-9])"
    rb"|#[xX]0*(?:[9aAcCdD]|20|2[dD]|3[0-9]|[46][1-9a-fA-F]|[57][0-9aA])(?![0-9a-fA-F]))"
)

# What may stand around a word in an attribute's value, the ends of the data included.
_BEFORE_WORD = frozenset((b"", b'"', b"'", b"=", b";", b" ", b"\t", b"\n", b"\f", b"\r"))
_BEHIND_WORD = frozenset((b"", b'"', b"'", b">", b"&", b" ", b"\t", b"\n", b"\f", b"\r"))

_Find = Callable[[bytes, int], int]


class Candidates:
    """The places at which one of some compounds could match. Read-only after `__init__`."""

    __slots__ = ("finders",)

    def __init__(self, finders: tuple[_Find, ...]) -> None:
        self.finders = finders

    def search(self, data: bytes) -> Search:
        return Search(self.finders, data)


class Search:
    """The candidates in `data`, in order. Every byte is looked at once."""

    __slots__ = ("_data", "_finders", "_found")

    def __init__(self, finders: tuple[_Find, ...], data: bytes) -> None:
        self._finders = finders
        self._data = data
        self._found = [-1] * len(finders)

    def find(self, start: int) -> int:
        """The offset of the next candidate from `start` on, at some byte of the tag in question; the size of the data
        if there is none. `start` never goes back."""
        nearest = size = len(self._data)
        for index, find in enumerate(self._finders):
            found = self._found[index]
            if found < start:
                found = find(self._data, start)
                self._found[index] = found = found if found >= 0 else size
            nearest = min(nearest, found)
        return nearest


def candidates_of(compounds: Iterable[Compound]) -> Candidates | None:
    """None if one of the compounds could match anywhere."""
    values: set[tuple[bytes, bool]] = set()
    patterns: set[bytes] = set()
    for compound in compounds:
        if value := _value(compound):
            values.add(value)
        elif pattern := _pattern(compound):
            patterns.add(pattern)
        else:
            return None
    finders = [_word_finder(value) if is_word else _bytes_finder(value) for value, is_word in values]
    if values:
        finders.append(_pattern_finder(_SPELLED))
    if patterns:
        finders.append(_pattern_finder(re.compile(b"|".join(sorted(patterns)))))
    return Candidates(tuple(finders))


def _value(compound: Compound) -> tuple[bytes, bool] | None:
    """The longest part of an attribute's value that a tag holds as it is, or spells with one of _SPELLED. Also
    whether it has to be a word, with nothing else before or behind it."""
    parts = [
        (run, run == test.value and test.operator in ("=", "~="))
        for test in compound.attributes
        if not test.ignore_case
        for run in _PLAIN_RUN.findall(test.value)
    ]
    if not parts:
        return None
    run, is_word = max(parts, key=lambda part: len(part[0]))
    return run.encode(), is_word


def _pattern(compound: Compound) -> bytes:
    """An attribute's name, or the name of the element, in any case."""
    for test in compound.attributes:
        if _PLAIN_RUN.fullmatch(test.name):
            return _any_case(test.name)
    name = compound.name
    if name is None or name in _IMPLIED or not _PLAIN_RUN.fullmatch(name):
        return b""
    # An end tag without an open element makes a p or a br as well.
    return rb"</?" + _any_case(_RENAMED.get(name, name))


def _any_case(name: str) -> bytes:
    return "".join(f"[{c}{c.upper()}]" if c.isalpha() else re.escape(c) for c in name).encode()


def _bytes_finder(value: bytes) -> _Find:
    return lambda data, start: data.find(value, start)


def _word_finder(value: bytes) -> _Find:
    def find(data: bytes, start: int) -> int:
        found = data.find(value, start)
        while found >= 0:
            before, behind = data[found - 1 : found], data[found + len(value) : found + len(value) + 1]
            if before in _BEFORE_WORD and behind in _BEHIND_WORD:
                return found
            found = data.find(value, found + 1)
        return -1

    return find


def _pattern_finder(pattern: re.Pattern[bytes]) -> _Find:
    def find(data: bytes, start: int) -> int:
        match = pattern.search(data, start)
        return match.start() if match else -1

    return find
