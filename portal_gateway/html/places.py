"""Places remembered by what stands before them.

The scanner reads a page no further than it has to. What it finds follows from what it has read, so a page that begins
with the very same bytes has the same places: the pages of one site often do, up to behind their navigation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from portal_gateway.html.output import MarkKind, Segment
from portal_gateway.html.scanner import Mark, Scanner

# Beginnings longer than this are not kept, and no more of them than this: 2 MiB at most.
MAX_BEGINNING = 32 * 1024
MAX_KNOWN = 64
# Pages with another title are told apart by so many bytes.
_KEY_SIZE = 512


class Places(NamedTuple):
    """Where in a page, from its beginning on, there is a place for which target, and why there is none for others."""

    beginning: bytes
    places: tuple[tuple[int, int], ...]
    misses: tuple[str, ...] | None


class KnownPlaces:
    """The places for one set of targets in pages seen before."""

    def __init__(self) -> None:
        self._known: dict[bytes, Places] = {}

    def find(self, page: bytes) -> Places | None:
        known = self._known.get(page[:_KEY_SIZE])
        return known if known is not None and page.startswith(known.beginning) else None

    def learn(self, page: bytes, scanner: Scanner, segments: Sequence[Segment], misses: tuple[str, ...] | None) -> None:
        """Remember what `scanner` found in `page`, unless it took the whole page, or more is to be done at a place."""
        if scanner.decided_by is None or scanner.decided_by > MAX_BEGINNING:
            return
        places = []
        offset = 0
        for segment in segments:
            if not isinstance(segment, Mark):
                offset += len(segment)
            elif segment.kind is MarkKind.INSERT and segment.ends is None:
                places.append((offset, segment.target))
            else:
                return
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known[page[:_KEY_SIZE]] = Places(page[: scanner.decided_by], tuple(places), misses)
