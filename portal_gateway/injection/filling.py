"""What goes into the places of a page, in whatever way the page passes: in a stream (`rewrite`) or whole (`whole`)."""

from __future__ import annotations

from portal_gateway.html.scanner import Mark, MarkKind
from portal_gateway.injection.outcomes import Outcome

# After so many bytes of one piece other requests have their turn: a kilobyte may unpack to a gigabyte.
TURN_BYTES = 1024 * 1024


class Filling:
    """Which placements have found a place so far, and whether what passes now belongs to a replaced element."""

    __slots__ = ("dropping", "hits")

    def __init__(self, count: int) -> None:
        self.hits = [0] * count
        self.dropping = False

    def snippet_at(self, mark: Mark, outcome: Outcome) -> bytes:
        """What to insert at `mark`, perhaps nothing."""
        if mark.kind is MarkKind.REPLACE_END:
            self.dropping = False
            return b""
        self.hits[mark.target] += 1
        if self.dropping or not outcome.snippet:
            return b""
        # The loader cannot know whether it will show anything: it keeps the original and hides it by itself.
        self.dropping = mark.kind is MarkKind.REPLACE_START and not outcome.is_loader
        return mark.end_tags() + outcome.snippet
