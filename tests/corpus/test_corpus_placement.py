"""DOM(page with the snippet) is DOM(page) with the snippet's node where the selector says, or there is a reason.

Input, tree and oracle come from others: html5lib's cases, their expected trees, and whichever of html5lib and
lexbor builds exactly that tree.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from dom_oracle import from_dump, matches, shape, walk, with_html5lib, with_lexbor
from placement_oracle import ParsedPage, is_right, rendered
from tree_construction import TreeCase

from portal_gateway.html.matching import CompiledTargets
from portal_gateway.html.scanner import Mark, Position, Scanner, Target, compile_targets
from portal_gateway.html.selectors import Selector, parse_selector
from portal_gateway.html.tokenizer import PageScanner

pytestmark = pytest.mark.corpus

SELECTORS = ("body > *", "* > :nth-child(2)", "p *", "*:first-child", "html body *", "head *", "[class]", "table td")


@dataclass(frozen=True)
class Page(ParsedPage):
    case: TreeCase


@pytest.fixture(scope="module")
def pages(tree_cases: list[TreeCase]) -> list[Page]:
    """The cases for which an oracle agrees with the tree that the case itself expects."""
    pages = [page for case in tree_cases if (page := _page(case)) is not None]
    assert len(pages) > 0.85 * len(tree_cases)
    return pages


def _page(case: TreeCase) -> Page | None:
    # The oracles read every byte as one latin-1 character; so does the expected tree here.
    expected = shape(from_dump(case.document.encode("utf-8", "surrogatepass").decode("latin-1")))
    for parse in (with_html5lib, with_lexbor):
        tree = parse(case.data)
        if shape(tree) == expected:
            return Page(parse, tree, expected, case)
    return None


def _selectors(page: Page) -> Iterator[Selector]:
    names = sorted({node.name for node in walk(page.tree) if " " not in node.name})
    for name in names:
        yield parse_selector(re.sub(r"([^\w-])", r"\\\1", name))
    yield from map(parse_selector, SELECTORS)


def _verdict(page: Page, selector: Selector, position: Position, scanner: Scanner | PageScanner) -> str:
    segments = [*scanner.feed(page.case.data), *scanner.close()]
    assert b"".join(s for s in segments if isinstance(s, bytes)) == page.case.data
    first = next((node for node in walk(page.tree) if matches(selector, node)), None)
    if any(isinstance(segment, Mark) for segment in segments):
        return "placed" if is_right(page, first, position, rendered(segments)) else "wrong"
    reason = scanner.reason(0)
    if reason == "no_match":
        return "absent" if first is None else "missed"
    assert reason
    return "bailed" if scanner.bail_reason else "refused"


def test_no_placement_is_wrong(pages: list[Page], record_property: Callable[[str, object], None]) -> None:
    counts: Counter[str] = Counter()
    failures = []
    for page in pages:
        for selector in _selectors(page):
            for position in Position:
                verdict = _verdict(page, selector, position, Scanner([Target(selector, position)]))
                counts[verdict] += 1
                if verdict in ("wrong", "missed"):
                    failures.append((verdict, page.case.name, page.case.data, str(selector), position.value))
    record_property("placements", dict(counts))
    print("\nplacements:", dict(counts))
    assert failures == []
    assert counts["placed"] > 10_000


def test_the_careful_scanner_agrees_on_the_end_of_the_body(pages: list[Page]) -> None:
    body = parse_selector("body")
    compiled = compile_targets([Target(body, Position.APPEND)])
    verdicts = Counter(_verdict(page, body, Position.APPEND, PageScanner(compiled, 1 << 16)) for page in pages)
    assert verdicts["wrong"] == verdicts["missed"] == 0
    assert verdicts["placed"] > 700


def _marks(compiled: CompiledTargets, pieces: list[bytes]) -> list[tuple[int, Mark]]:
    scanner = Scanner(compiled)
    offset = 0
    marks = []
    for segment in [s for piece in pieces for s in scanner.feed(piece)] + scanner.close():
        if isinstance(segment, bytes):
            offset += len(segment)
        else:
            marks.append((offset, segment))
    return marks


@pytest.mark.parametrize("position", list(Position))
def test_where_a_page_is_cut_makes_no_difference(pages: list[Page], position: Position) -> None:
    chance = random.Random(5)
    compiled = compile_targets([Target(parse_selector(s), position) for s in ("p", "div, b, td, li", "body", "* *")])
    for page in pages:
        data = page.case.data
        whole = _marks(compiled, [data])
        cut = chance.randrange(len(data) + 1)
        assert _marks(compiled, [data[:cut], data[cut:]]) == whole, page.case.name
        assert _marks(compiled, [data[i : i + 1] for i in range(len(data))]) == whole, page.case.name


@pytest.mark.parametrize("position", list(Position))
def test_what_has_been_decided_is_not_changed_by_what_comes(pages: list[Page], position: Position) -> None:
    """Whatever the page goes on with: with nothing, or as another page does."""
    decided = 0
    for page, other in zip(pages, [*pages[1:], pages[0]], strict=True):
        for name in ("p", "div", "b", "td", "li", "*"):
            compiled = compile_targets([Target(parse_selector(name), position)])
            scanner = Scanner(compiled)
            scanner.feed(page.case.data)
            if scanner.decided_by is None:
                continue
            decided += 1
            marks = _marks(compiled, [page.case.data])
            beginning = page.case.data[: scanner.decided_by]
            assert _marks(compiled, [beginning]) == marks, page.case.name
            assert _marks(compiled, [beginning + other.case.data]) == marks, page.case.name
    assert decided > 100
