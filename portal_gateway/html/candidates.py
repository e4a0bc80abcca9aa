"""Where in the bytes of a page a target could match at all: a byte string that every match has in its tag.

What stands before the next candidate cannot match, whatever it is: text, a tag, part of a script. The other way round
a candidate proves nothing; that is for the tokenizer to do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from portal_gateway.html.selectors import Compound
from portal_gateway.html.speedups import find, find_tag

# Elements that are there without a tag of their name (HTML 13.2.6).
_IMPLIED = frozenset(("body", "colgroup", "head", "html", "tbody", "tr"))
# Parsers make an img of this one.
_RENAMED = {"img": "im"}
_PLAIN_RUN = re.compile(r"[a-zA-Z0-9-]+")
# Character references that stand for one of the characters of _PLAIN_RUN, or for white space with no ";" at the end.
# Of the named ones that is "fj".
_SPELLED_BY_NAME = b"&fjlig"
_SPELLED_BY_NUMBER = re.compile(
    rb"&#(?:0*(?:9|1[023]|32|45|4[89]|5[0-7]|6[5-9]|[78][0-9]|90|9[7-9]|1[01][0-9]|12[0-2])(?![0-9])"
    rb"|[xX]0*(?:[9aAcCdD]|20|2[dD]|3[0-9]|[46][1-9a-fA-F]|[57][0-9aA])(?![0-9a-fA-F]))"
)

# What may stand around a word in an attribute's value, the ends of the data included.
_BEFORE_WORD = frozenset((b"", b'"', b"'", b"=", b";", b" ", b"\t", b"\n", b"\f", b"\r"))
_BEHIND_WORD = frozenset((b"", b'"', b"'", b">", b"&", b" ", b"\t", b"\n", b"\f", b"\r"))

_Find = Callable[[bytes, int], int]


class Candidates:
    """The places at which one of some selectors could match. Read-only after `__init__`."""

    __slots__ = ("_finders", "_leads")

    def __init__(self, finders: tuple[_Find, ...], leads: tuple[_Find, ...]) -> None:
        self._finders = finders
        self._leads = leads

    def search(self, data: bytes) -> Search:
        return Search(self._finders, data)

    @property
    def are_led(self) -> bool:
        """Whether there is none until something else has been seen: an element that they must stand in."""
        return bool(self._leads)

    def find_lead(self, data: bytes) -> int:
        """Where that stands; the size of the data if it does not."""
        return Search(self._leads, data).find(0)


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
        for index, finder in enumerate(self._finders):
            found = self._found[index]
            if found < start:
                found = finder(self._data, start)
                self._found[index] = found = found if found >= 0 else size
            nearest = min(nearest, found)
        return nearest


def candidates_of(chains: Sequence[Sequence[Compound]]) -> Candidates | None:
    """For compounds each in the one before. None if one of the last ones could match anywhere."""
    finders = _finders(chain[-1] for chain in chains)
    leads = _finders(chain[0] for chain in chains) if all(len(chain) > 1 for chain in chains) else ()
    return Candidates(finders, leads) if finders else None


def _finders(compounds: Iterable[Compound]) -> tuple[_Find, ...]:
    """What finds all places at which one of the compounds could match; nothing if that is anywhere."""
    values: set[tuple[bytes, bool]] = set()
    patterns: set[bytes] = set()
    names: set[bytes] = set()
    for compound in compounds:
        if value := _value(compound):
            values.add(value)
        elif pattern := _pattern(compound):
            patterns.add(pattern)
        elif name := _name(compound):
            names.add(name)
        else:
            return ()
    finders = [_word_finder(value) if is_word else _bytes_finder(value) for value, is_word in values]
    if values:
        finders += (_bytes_finder(_SPELLED_BY_NAME), _find_number)
    if patterns:
        finders.append(_pattern_finder(re.compile(b"|".join(sorted(patterns)))))
    return (*finders, *map(_tag_finder, names))


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
    """An attribute's name, in any case."""
    for test in compound.attributes:
        if _PLAIN_RUN.fullmatch(test.name):
            return _any_case(test.name)
    return b""


def _name(compound: Compound) -> bytes:
    """What the element's tag begins with. An end tag without an open element makes a p or a br as well."""
    name = compound.name
    if name is None or name in _IMPLIED or not _PLAIN_RUN.fullmatch(name):
        return b""
    return _RENAMED.get(name, name).encode()


def _any_case(name: str) -> bytes:
    return "".join(f"[{c}{c.upper()}]" if c.isalpha() else re.escape(c) for c in name).encode()


def _bytes_finder(value: bytes) -> _Find:
    return lambda data, start: find(data, value, start)


def _tag_finder(name: bytes) -> _Find:
    return lambda data, start: find_tag(data, name, start)


def _find_number(data: bytes, start: int) -> int:
    found = find(data, b"&#", start)
    while found >= 0 and not _SPELLED_BY_NUMBER.match(data, found):
        found = find(data, b"&#", found + 1)
    return found


def _word_finder(value: bytes) -> _Find:
    def find_word(data: bytes, start: int) -> int:
        found = find(data, value, start)
        while found >= 0:
            end = found + len(value)
            before, behind = data[max(0, found - 1) : found], data[end : end + 1]
            if before in _BEFORE_WORD and behind in _BEHIND_WORD:
                return found
            found = find(data, value, found + 1)
        return -1

    return find_word


def _pattern_finder(pattern: re.Pattern[bytes]) -> _Find:
    def find_pattern(data: bytes, start: int) -> int:
        match = pattern.search(data, start)
        return match.start() if match else -1

    return find_pattern
