"""The scanner that passes and skips what cannot match finds what the one that reads every token finds."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest
from html_readers import READERS, reading_with
from tree_construction import TreeCase

from portal_gateway.html.candidate_first import CandidateFirst
from portal_gateway.html.scanner import Mark, Position, Segment, Target, compile_targets
from portal_gateway.html.selectors import parse_selector
from portal_gateway.html.tokenizer import PageScanner

pytestmark = pytest.mark.corpus

PLAIN = (
    b'<section class="k"><h3><a href="x?a=1&amp;b">1</a></h3>\n<p>x <em>y</em></p><ul><li>1</li></ul><br></section>\n'
)
# As it is; with much to skip around it, to be left in the state that the case leaves; within a plain element.
FRAMES = (b"%s", b"<!doctype html><body>x" + PLAIN + b"%s" + PLAIN + b"<i id=zz>1</i>", b"<body><div id=zz>x%s</div>")
NAME = re.compile(rb"<([a-zA-Z][a-zA-Z0-9]*)")


@pytest.fixture(scope="module", params=READERS, autouse=True)
def reader(request: pytest.FixtureRequest) -> Iterator[None]:
    with reading_with(request.param):
        yield


def _marks(
    scanner: PageScanner | CandidateFirst, pieces: list[bytes]
) -> tuple[list[tuple[int, Mark]], list[str | None]]:
    segments: list[Segment] = [s for piece in pieces for s in scanner.feed(piece)]
    segments += scanner.close()
    assert b"".join(s for s in segments if isinstance(s, bytes)) == b"".join(pieces)
    marks, offset = [], 0
    for segment in segments:
        if isinstance(segment, Mark):
            marks.append((offset, segment))
        else:
            offset += len(segment)
    return marks, scanner.reason(0)


@pytest.mark.parametrize("frame", FRAMES, ids=["alone", "between", "within"])
def test_skipping_makes_no_difference(tree_cases: list[TreeCase], frame: bytes) -> None:
    chance = random.Random(3)
    placed = 0
    for case in tree_cases:
        page = frame.replace(b"%s", case.data)
        names = sorted({name.lower().decode() for name in NAME.findall(page)})
        for selector in ("#zz", *chance.sample(names, min(2, len(names)))):
            targets = compile_targets([Target(parse_selector(selector), chance.choice(list(Position)))])
            if targets.candidates is None:
                continue
            reading = compile_targets(targets.targets)
            reading.candidates = None
            expected, reason = _marks(PageScanner(reading, 1 << 16), [page])
            placed += bool(expected)
            cut = chance.randrange(len(page) + 1)
            for pieces in ([page], [page[:cut], page[cut:]], [page[i : i + 1] for i in range(len(page))]):
                marks, why = _marks(CandidateFirst(targets, 1 << 16), pieces)
                assert marks == expected, (case.name, selector, pieces[:2])
                assert why in (reason, "no_match"), (case.name, selector)
    assert placed > 300
