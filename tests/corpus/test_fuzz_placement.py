"""Pages that nobody wrote: as long as the time allows, no placement is wrong, no byte changes, no cut matters.

    PORTAL_GATEWAY_FUZZ_SECONDS=600 .venv/bin/python -m pytest -s tests/corpus/test_fuzz_placement.py

A round depends on the seed and its number only. Without the variable the seed is always the same one, else it is a new
one each time; `PORTAL_GATEWAY_FUZZ_SEED` repeats it.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from dom_oracle import matches, shape, walk, with_html5lib, with_lexbor
from page_mutations import cut, mutated_page, selectors_for
from placement_oracle import ParsedPage, is_right, rendered
from tree_construction import TreeCase

from portal_gateway.html.scanner import Mark, Position, Scanner, Segment, Target, compile_targets
from portal_gateway.html.selectors import parse_selector
from portal_gateway.html.tokenizer import PageScanner

SECONDS = float(os.environ.get("PORTAL_GATEWAY_FUZZ_SECONDS", "5"))
SEED = os.environ.get("PORTAL_GATEWAY_FUZZ_SEED") or (
    str(random.SystemRandom().getrandbits(32)) if "PORTAL_GATEWAY_FUZZ_SECONDS" in os.environ else "1"
)
# So many rounds are done whatever the time: a busy machine must not make the test an empty one.
MIN_ROUNDS = 300

_LATE_ATTRIBUTES = re.compile(rb"<(?:html|body)[\t\n\f\r /]", re.IGNORECASE)

pytestmark = [pytest.mark.corpus, pytest.mark.timeout(SECONDS + 120)]


@dataclass(frozen=True)
class Round:
    page: bytes
    selector: str
    position: Position
    pieces: list[bytes]


def _round(number: int, corpus: list[bytes]) -> Round:
    chance = random.Random(f"{SEED}:{number}")
    page = mutated_page(chance, corpus)
    selector = chance.choice(selectors_for(chance, page))
    return Round(page, selector, chance.choice(list(Position)), cut(chance, page))


def _scan(round_: Round, pieces: list[bytes]) -> tuple[list[Segment], str | None]:
    scanner = Scanner(compile_targets([Target(parse_selector(round_.selector), round_.position)]))
    segments = [s for piece in pieces for s in scanner.feed(piece)] + scanner.close()
    assert b"".join(s for s in segments if isinstance(s, bytes)) == round_.page
    return segments, scanner.reason(0)


def _other_shape(page: bytes) -> list[object] | None:
    try:
        return shape(with_html5lib(page))
    except AssertionError:  # its own, about some pages that end in a table
        return None


def _careful_reason(round_: Round) -> str | None:
    targets = compile_targets([Target(parse_selector(round_.selector), round_.position)])
    targets.candidates = None
    scanner = PageScanner(targets, 1 << 16)
    scanner.feed(round_.page)
    scanner.close()
    return scanner.reason(0)


def _offsets(segments: list[Segment]) -> list[tuple[int, Mark]]:
    offset, marks = 0, []
    for segment in segments:
        if isinstance(segment, bytes):
            offset += len(segment)
        else:
            marks.append((offset, segment))
    return marks


def _verdict(round_: Round) -> str:
    segments, reason = _scan(round_, [round_.page])
    assert _offsets(_scan(round_, round_.pieces)[0]) == _offsets(segments), "where the page is cut makes a difference"
    placed = [offset for offset, _ in _offsets(segments)]
    if placed and _LATE_ATTRIBUTES.search(round_.page, placed[-1]):
        return "unclear"  # a match that came to be when the snippet was out
    if not placed and reason != "no_match":
        return "left alone"
    page = ParsedPage(with_lexbor, tree := with_lexbor(round_.page), shape(tree))
    if page.shape != _other_shape(round_.page):
        return "unclear"  # the parsers themselves differ
    selector = parse_selector(round_.selector)
    first = next((node for node in walk(page.tree) if matches(selector, node)), None)
    if not placed and first is not None:
        # What was never read cannot be a reason: only whoever reads it all knows of it.
        return "missed" if _careful_reason(round_) == "no_match" else "left alone"
    if not placed:
        return "absent"
    return "placed" if is_right(page, first, round_.position, rendered(segments)) else "wrong"


def test_pages_that_nobody_wrote(tree_cases: list[TreeCase], record_property: Callable[[str, object], None]) -> None:
    corpus = [case.data for case in tree_cases if len(case.data) < 500]
    deadline = time.monotonic() + SECONDS
    counts: Counter[str] = Counter()
    number = 0
    while number < MIN_ROUNDS or time.monotonic() < deadline:
        round_ = _round(number, corpus)
        verdict = _verdict(round_)
        assert verdict not in ("wrong", "missed"), (SEED, number, round_)
        counts[verdict] += 1
        number += 1
    record_property("fuzzing", {"seed": SEED, **counts})
    print(f"\nseed {SEED}, {number} rounds: {dict(counts)}")
    assert counts["placed"] > number / 50
