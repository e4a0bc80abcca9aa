"""Pages that people publish: documentation from a dozen generators, in many languages, and Django's admin.

In each page the targets are those that somebody might write into a rule: the body, main, an id, a class, something
within something, in all positions that such an element has.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from lexbor_oracle import ancestors, first_match, is_right, name_of, ordinary_elements, rendered
from selectolax.lexbor import LexborHTMLParser

from portal_gateway.html.scanner import Mark, Position, Scanner, Segment, Target
from portal_gateway.html.selectors import parse_selector

pytestmark = [pytest.mark.corpus, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]
PAGES = Path(os.environ.get("PORTAL_GATEWAY_REAL_PAGES", ROOT / ".cache" / "real-pages"))
PER_PACKAGE = 14
MAX_BYTES = 100_000
# Of all placements. Most are of two kinds: text before <body> (every page of nodejs-doc), and the <a id="x"/> of XHTML,
# to an HTML parser a link that never ends (debian-reference, libxml2-doc).
MAX_LEFT_ALONE = 0.07
# Nothing stands beside the body.
BODY_POSITIONS = (Position.APPEND, Position.PREPEND)


@dataclass(frozen=True)
class Page:
    name: str
    data: bytes

    @property
    def text(self) -> str:
        """As scanned: every byte is one character."""
        return self.data.decode("latin-1")

    def targets(self) -> list[tuple[str, Position]]:
        return [
            (selector, position)
            for selector in self._selectors()
            for position in (BODY_POSITIONS if selector == "body" else Position)
        ]

    def _selectors(self) -> Iterator[str]:
        chance = random.Random(self.name)
        tree = LexborHTMLParser(self.text)
        elements = ordinary_elements(tree)
        # The first match must be one of them too, not the body with the same class.
        named = {name for element in elements if (name := name_of(element))}
        names = sorted(name for name in named if first_match(tree, name) in elements)
        yield "body"
        if any(element.tag == "main" for element in elements):
            yield "main"
        for sign in "#.":
            if of_kind := [name for name in names if name.startswith(sign)]:
                yield chance.choice(of_kind)
        steps = [
            f"{name} {element.tag}"
            for element in elements
            if (name := next(filter(names.__contains__, map(name_of, ancestors(element))), None))
        ]
        if steps:
            yield chance.choice(steps)


@pytest.fixture(scope="module")
def admin_pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("django-admin")
    subprocess.run([sys.executable, Path(__file__).with_name("django_admin_pages.py"), directory], check=True)
    return directory


@pytest.fixture(scope="module")
def pages(admin_pages: Path) -> list[Page]:
    if not PAGES.is_dir():
        pytest.skip(f"no pages at {PAGES}: tests/corpus/fetch_pages.sh, which `make test` runs, puts them there")
    found = [page for package in sorted(PAGES.iterdir()) if package.is_dir() for page in _sample(package, PER_PACKAGE)]
    found += _sample(admin_pages, 100)
    assert len(found) > 250
    return found


def _sample(directory: Path, count: int) -> list[Page]:
    """The same pages each time, as long as the package is the same."""
    paths = sorted(path for path in directory.rglob("*.html") if path.is_file() and not path.is_symlink())
    fitting = [path for path in paths if path.stat().st_size <= MAX_BYTES]
    chosen = random.Random(directory.name).sample(fitting, min(count, len(fitting)))
    return [Page(str(path.relative_to(directory.parent)), path.read_bytes()) for path in chosen]


def _verdict(page: Page, selector: str, position: Position) -> str:
    scanner = Scanner([Target(parse_selector(selector), position)])
    segments = [*scanner.feed(page.data), *scanner.close()]
    assert b"".join(s for s in segments if isinstance(s, bytes)) == page.data, "bytes outside the snippet changed"
    if any(isinstance(segment, Mark) for segment in segments):
        right = is_right(page.text, rendered(segments).decode("latin-1"), selector, position)
        return "placed" if right else "wrong"
    reason = scanner.reason(0)
    return "missed" if reason == "no_match" else str(reason)


def test_real_pages_get_the_snippet_where_the_rule_says(
    pages: list[Page], record_property: Callable[[str, object], None]
) -> None:
    verdicts: Counter[str] = Counter()
    failures: list[tuple[str, ...]] = []
    left_alone: dict[str, set[str]] = {}  # reasons by page
    for page in pages:
        for selector, position in page.targets():
            verdict = _verdict(page, selector, position)
            verdicts[verdict] += 1
            if verdict in ("wrong", "missed"):
                failures.append((verdict, page.name, selector, position.value))
            elif verdict != "placed":
                left_alone.setdefault(page.name, set()).add(verdict)
    share = 1 - verdicts["placed"] / verdicts.total()
    summary = f"{len(pages)} pages, {verdicts.total()} placements, {share:.2%} left alone: {dict(verdicts)}"
    record_property("real_pages", summary)
    print("\n" + summary)
    print(f"pages with a target left alone: {len(left_alone)}")
    assert failures == []
    assert share < MAX_LEFT_ALONE, left_alone


def _marks(scanner: Scanner, pieces: list[bytes]) -> list[tuple[int, Segment]]:
    offset, marks = 0, []
    for segment in [s for piece in pieces for s in scanner.feed(piece)] + scanner.close():
        if isinstance(segment, bytes):
            offset += len(segment)
        else:
            marks.append((offset, segment))
    return marks


def test_where_a_real_page_is_cut_makes_no_difference(pages: list[Page]) -> None:
    chance = random.Random(7)
    for page in pages[::3]:
        targets = [Target(parse_selector(selector), position) for selector, position in page.targets()]
        cuts = sorted(chance.randrange(len(page.data) + 1) for _ in range(chance.choice((1, 3, 40))))
        pieces = [page.data[start:end] for start, end in zip([0, *cuts], [*cuts, len(page.data)], strict=True)]
        for target in targets:
            scanner = Scanner([target])
            marks = _marks(scanner, pieces)
            # In one piece nothing has to be held, however long.
            if scanner.reason(0) != "held_too_long":
                assert marks == _marks(Scanner([target]), [page.data]), (page.name, target)
