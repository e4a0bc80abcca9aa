"""A page that came in one piece, with everything known that goes into it: no stream, no waiting, nothing to decode.

Most pages are like that. What comes out is what `Rewrite` would have made of it, byte for byte.
"""

from __future__ import annotations

from collections.abc import Sequence

from portal_gateway.html.body_end import end_of_body
from portal_gateway.html.meta_csp import may_have_policies
from portal_gateway.html.places import Places
from portal_gateway.html.scanner import Mark, Scanner
from portal_gateway.html.speedups import insert
from portal_gateway.injection.filling import TURN_BYTES, Filling
from portal_gateway.injection.outcomes import Outcomes
from portal_gateway.injection.plan import Plan
from portal_gateway.injection.rules import PagePlacements


def whole_page(
    data: bytes, plan: Plan, page: PagePlacements, outcomes: Outcomes
) -> tuple[bytes, Sequence[str] | None] | None:
    """The page with its snippets, and for each placement why it has no place, empty for those that have one; or None if
    all have. Nothing at all if the page takes a `Rewrite`.

    Raises what the scanner raises.
    """
    if plan.coding != b"identity" or len(data) > TURN_BYTES or (plan.minds_policies and may_have_policies(data)):
        return None
    if outcomes.empty_reason is not None:
        return data, None  # known to stay as it is: not even looked at
    if page.targets.only_body_end:
        place = end_of_body(data, page.targets)
        if isinstance(place, str):
            return data, [place] * len(outcomes.each)
        return insert(data, place, outcomes.snippets), None
    known = page.known_places.find(data)
    if known is not None:
        return _with_snippets(data, known, outcomes), known.misses
    return _scanned(data, page, outcomes)


def _with_snippets(data: bytes, known: Places, outcomes: Outcomes) -> bytes:
    if len(known.places) == 1:
        place, target = known.places[0]
        return insert(data, place, outcomes.each[target].snippet)
    view = memoryview(data)
    out: list[bytes | memoryview] = []
    passed = 0
    for place, target in known.places:
        out += view[passed:place], outcomes.each[target].snippet
        passed = place
    return b"".join((*out, view[passed:]))


def _scanned(data: bytes, page: PagePlacements, outcomes: Outcomes) -> tuple[bytes, Sequence[str] | None]:
    scanner = Scanner(page.targets)
    filling = Filling(len(outcomes.each))
    segments = (*scanner.feed(data), *scanner.close())
    out: list[bytes] = []
    for segment in segments:
        if isinstance(segment, Mark):
            out.append(filling.snippet_at(segment, outcomes.each[segment.target]))
        elif not filling.dropping:
            out.append(segment)
    reasons = ["" if hits else scanner.reason(target) or "no_match" for target, hits in enumerate(filling.hits)]
    misses = tuple(reasons) if any(reasons) else None
    page.known_places.learn(data, scanner, segments, misses)
    return b"".join(out), misses
