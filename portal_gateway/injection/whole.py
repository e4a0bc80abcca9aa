"""A page that came in one piece, with everything known that goes into it: no stream, no waiting, nothing to decode.

Most pages are like that. What comes out is what `Rewrite` would have made of it, byte for byte.
"""

from __future__ import annotations

from collections.abc import Sequence

from portal_gateway.html.body_end import end_of_body
from portal_gateway.html.meta_csp import may_have_policies
from portal_gateway.html.scanner import Mark, Scanner
from portal_gateway.injection.decide import Outcome
from portal_gateway.injection.filling import TURN_BYTES, Filling, empty_reason
from portal_gateway.injection.plan import Plan
from portal_gateway.injection.rules import PagePlacements


def is_plain(plan: Plan, data: bytes) -> bool:
    """Whether a body of this one piece is in no need of a `Rewrite`."""
    if plan.coding != b"identity" or len(data) > TURN_BYTES:
        return False
    return not (plan.minds_policies and may_have_policies(data))


def whole_page(data: bytes, page: PagePlacements, outcomes: Sequence[Outcome]) -> tuple[bytes, Sequence[str]]:
    """The page with its snippets, and for each placement why it has no place; empty for those that have one.

    Raises what the scanner raises.
    """
    if empty_reason(outcomes) is not None:
        return data, [""] * len(outcomes)  # known to stay as it is: not even looked at
    if page.targets.only_body_end:
        place = end_of_body(data, page.targets)
        if isinstance(place, str):
            return data, [place] * len(outcomes)
        view = memoryview(data)  # a long page is copied once, not twice
        snippets = [outcome.snippet for outcome in outcomes]
        return b"".join((view[:place], *snippets, view[place:])), [""] * len(outcomes)
    scanner = Scanner(page.targets)
    filling = Filling(len(outcomes))
    out: list[bytes] = []
    for segment in (*scanner.feed(data), *scanner.close()):
        if isinstance(segment, Mark):
            out.append(filling.snippet_at(segment, outcomes[segment.target]))
        elif not filling.dropping:
            out.append(segment)
    misses = ["" if hits else scanner.reason(target) or "no_match" for target, hits in enumerate(filling.hits)]
    return b"".join(out), misses
