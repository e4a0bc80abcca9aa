"""Finds the places for snippets in an HTML page that arrives in pieces.

    scanner = Scanner(compile_targets([Target(parse_selector("main"), Position.APPEND)]))
    for segment in [*scanner.feed(data), *scanner.close()]: ...

Every segment is bytes of the page or a `Mark` between them. The bytes are the page, unchanged and in order. A mark
stands only where a snippet (one element with its content, all tags closed) becomes exactly the node that the
target asks for: DOM(page with the snippet) is DOM(page) with that node added. Everywhere else there is a reason
instead. What matches is judged by the page up to there: a second `<body class=x>` may come later. Not bound to the
rule is only `append` to body or html: the snippet is the last thing on the page in document order, that is before the
`</body>` that ends it, inside whatever element the page forgot to close.
"""

from __future__ import annotations

from collections.abc import Sequence

from portal_gateway.html.body_end import BodyEnd
from portal_gateway.html.candidate_first import CandidateFirst
from portal_gateway.html.matching import CompiledTargets, Position, Target, compile_targets
from portal_gateway.html.output import Mark, MarkKind, Segment
from portal_gateway.html.tokenizer import PageScanner

__all__ = [
    "CompiledTargets",
    "Mark",
    "MarkKind",
    "Position",
    "Scanner",
    "Segment",
    "Target",
    "compile_targets",
]

# A tag, or an element to be replaced, longer than this is no placeholder that somebody wrote by hand.
DEFAULT_MAX_HELD = 64 * 1024


class Scanner:
    """One per response. Holds back at most `max_held` bytes."""

    def __init__(self, targets: CompiledTargets | Sequence[Target], *, max_held: int = DEFAULT_MAX_HELD) -> None:
        compiled = targets if isinstance(targets, CompiledTargets) else compile_targets(targets)
        self._engine: BodyEnd | CandidateFirst | PageScanner
        if compiled.only_body_end:
            self._engine = BodyEnd(compiled, max_held)
        elif compiled.candidates is not None:
            self._engine = CandidateFirst(compiled, max_held)
        else:
            self._engine = PageScanner(compiled, max_held)
        self.feed = self._engine.feed
        self.close = self._engine.close
        self.reason = self._engine.reason

    @property
    def done(self) -> bool:
        """Nothing can be placed any more and nothing is held: bytes may go past the scanner."""
        return self._engine.done

    @property
    def decided_by(self) -> int | None:
        """So many bytes from the beginning of the page have decided everything; None if it took, or takes, all of it.
        A page that begins with the same bytes has the same marks, and for the same reasons not more."""
        return self._engine.decided_by

    @property
    def bail_reason(self) -> str | None:
        """Why the scanner gave the page up, a stable slug; None if it did not."""
        return self._engine.bail_reason

    @property
    def matched(self) -> frozenset[int]:
        """The targets with at least one mark among the segments returned so far."""
        return self._engine.matched
