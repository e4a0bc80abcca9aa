"""What leaves the scanner: the input bytes in order, with marks between, part of it held while a mark is unsure.

A hold begins where an unsure mark stands. It ends in one of two ways: the mark is confirmed, or it is taken out as
if it had never been; the bytes flow either way.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias


class MarkKind(Enum):
    INSERT = "insert"
    REPLACE_START = "replace_start"
    REPLACE_END = "replace_end"


class OmittedEnds:
    """The end tags that the page omits at one place, innermost first. Several snippets may share the place, and not
    every one is written."""

    __slots__ = ("_names", "_written")

    def __init__(self, names: Sequence[bytes]) -> None:
        self._names = names
        self._written = 0

    def write(self, count: int) -> bytes:
        """The first `count` of them, less those that were written before."""
        names = self._names[self._written : count]
        self._written = max(self._written, count)
        return b"".join(b"</" + name + b">" for name in names)


@dataclass(slots=True)
class Mark:
    """A place between two bytes. `target` is the index of the target; what is between REPLACE_START and
    REPLACE_END is the element to replace, always whole.

    Before its snippet the result of `end_tags` has to be written, once and only if the snippet is: where the page
    leaves it to the next tag to close `omitted` elements, the snippet would be in the innermost of them.
    """

    target: int
    kind: MarkKind
    omitted: int = 0
    ends: OmittedEnds | None = field(default=None, compare=False, repr=False)

    def end_tags(self) -> bytes:
        return self.ends.write(self.omitted) if self.ends else b""


Segment: TypeAlias = bytes | Mark


class Output:
    buffer = b""
    #: Where in the page the buffer begins.
    offset = 0
    _cut = 0
    _held_from = 0

    def __init__(self) -> None:
        self.matched: set[int] = set()
        self._segments: list[Segment] = []
        self._holds: dict[Hashable, list[Mark]] = {}

    @property
    def holding(self) -> bool:
        return bool(self._holds)

    def has_hold(self, key: Hashable) -> bool:
        return key in self._holds

    def held_bytes(self) -> int:
        return sum(len(s) for s in self._segments[self._held_from :] if isinstance(s, bytes)) if self._holds else 0

    def load(self, data: bytes) -> int:
        """Add `data` to what is unread; how much that is."""
        unread = len(self.buffer) - self._cut
        self.buffer = self.buffer[self._cut :] + data if unread else data
        self.offset += self._cut
        self._cut = 0
        return unread

    def unload(self) -> bytes:
        unread = self.buffer[self._cut :]
        self.buffer = b""
        self.offset += self._cut
        self._cut = 0
        return unread

    def mark(self, offset: int, mark: Mark, key: Hashable = None) -> None:
        """Put `mark` before the byte at `offset` of the buffer; with a key, hold from there on."""
        self.advance(offset)
        if key is not None:
            if not self._holds:
                self._held_from = len(self._segments)
            self._holds.setdefault(key, []).append(mark)
        self._segments.append(mark)

    def advance(self, offset: int) -> None:
        if offset > self._cut:
            self._segments.append(self.buffer[self._cut : offset])
            self._cut = offset

    def confirm(self, key: Hashable) -> None:
        self._holds.pop(key, None)

    def withdraw(self, key: Hashable) -> list[Mark]:
        """Take out the marks of `key`; those marks."""
        marks = self._holds.pop(key, [])
        self._segments = [s for s in self._segments if not any(s is mark for mark in marks)]
        return marks

    def withdraw_all(self) -> None:
        if self._holds:
            kept = [s for s in self._segments[self._held_from :] if isinstance(s, bytes)]
            self._segments[self._held_from :] = kept
            self._holds.clear()

    def take(self, offset: int) -> list[Segment]:
        """Everything up to `offset` that is not held."""
        self.advance(offset)
        end = self._held_from if self._holds else len(self._segments)
        taken, self._segments = self._segments[:end], self._segments[end:]
        self._held_from = 0
        self.matched.update(segment.target for segment in taken if isinstance(segment, Mark))
        return taken
