"""Pages that people publish: documentation from a dozen generators, in many languages, and Django's admin.

In each page the targets are those that somebody might write into a rule: the body, main, an id, a class, something
within something, in all positions that such an element has.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest
from lexbor_oracle import is_right, rendered
from real_pages import RealPage

from portal_gateway.html.scanner import Mark, Position, Scanner, Segment, Target
from portal_gateway.html.selectors import parse_selector

pytestmark = [pytest.mark.corpus, pytest.mark.timeout(240)]

# Of the pages that the scanner gives up, and of all placements. What is left are places inside the <a id="x"/> of
# XHTML, to an HTML parser a link that never ends (debian-reference, libxml2-doc).
MAX_GIVEN_UP = 0.01
MAX_LEFT_ALONE = 0.01


def _verdict(page: RealPage, selector: str, position: Position) -> tuple[str, bool]:
    """What became of the target, a reason if it has no place; whether the page was given up."""
    scanner = Scanner([Target(parse_selector(selector), position)])
    segments = [*scanner.feed(page.data), *scanner.close()]
    assert b"".join(s for s in segments if isinstance(s, bytes)) == page.data, "bytes outside the snippet changed"
    if any(isinstance(segment, Mark) for segment in segments):
        right = is_right(page.text, rendered(segments).decode("latin-1"), selector, position)
        return "placed" if right else "wrong", False
    reason = scanner.reason(0)
    return "missed" if reason == "no_match" else str(reason), scanner.bail_reason is not None


def test_real_pages_get_the_snippet_where_the_rule_says(
    real_pages: list[RealPage], record_property: Callable[[str, object], None]
) -> None:
    verdicts: Counter[str] = Counter()
    failures: list[tuple[str, ...]] = []
    left_alone: dict[str, set[str]] = {}  # reasons by page
    given_up: set[str] = set()
    for page in real_pages:
        for selector, position in page.targets():
            verdict, bailed = _verdict(page, selector, position)
            verdicts[verdict] += 1
            if verdict in ("wrong", "missed"):
                failures.append((verdict, page.name, selector, position.value))
            elif verdict != "placed":
                left_alone.setdefault(page.name, set()).add(verdict)
            if bailed:
                given_up.add(page.name)
    share = 1 - verdicts["placed"] / verdicts.total()
    summary = (
        f"{len(real_pages)} pages, {len(given_up) / len(real_pages):.2%} given up; "
        f"{verdicts.total()} placements, {share:.2%} left alone: {dict(verdicts)}, on {len(left_alone)} pages"
    )
    record_property("real_pages", summary)
    print("\n" + summary)
    assert failures == []
    assert len(given_up) < MAX_GIVEN_UP * len(real_pages), given_up
    assert share < MAX_LEFT_ALONE, left_alone


def _marks(scanner: Scanner, pieces: list[bytes]) -> list[tuple[int, Segment]]:
    offset, marks = 0, []
    for segment in [s for piece in pieces for s in scanner.feed(piece)] + scanner.close():
        if isinstance(segment, bytes):
            offset += len(segment)
        else:
            marks.append((offset, segment))
    return marks


def test_where_a_real_page_is_cut_makes_no_difference(real_pages: list[RealPage]) -> None:
    chance = random.Random(7)
    for page in real_pages[::3]:
        targets = [Target(parse_selector(selector), position) for selector, position in page.targets()]
        cuts = sorted(chance.randrange(len(page.data) + 1) for _ in range(chance.choice((1, 3, 40))))
        pieces = [page.data[start:end] for start, end in zip([0, *cuts], [*cuts, len(page.data)], strict=True)]
        for target in targets:
            scanner = Scanner([target])
            marks = _marks(scanner, pieces)
            # In one piece nothing has to be held, however long.
            if scanner.reason(0) != "held_too_long":
                assert marks == _marks(Scanner([target]), [page.data]), (page.name, target)
