"""A sample of the pages that tests/corpus/fetch_pages.sh has unpacked, and of those that Django's admin writes."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lexbor_oracle import ancestors, first_match, name_of, ordinary_elements
from selectolax.lexbor import LexborHTMLParser

from portal_gateway.html.scanner import Position

ROOT = Path(__file__).parents[2]
PAGES = Path(os.environ.get("PORTAL_GATEWAY_REAL_PAGES", ROOT / ".cache" / "real-pages"))
PER_PACKAGE = 14
MAX_BYTES = 100_000
# Nothing stands beside the body.
BODY_POSITIONS = (Position.APPEND, Position.PREPEND)


@dataclass(frozen=True)
class RealPage:
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


def read_pages(scratch: Path) -> list[RealPage]:
    """The pages, and those of the admin, which go through `scratch`, an empty directory."""
    packages = [package for package in sorted(PAGES.iterdir()) if package.is_dir()]
    subprocess.run([sys.executable, Path(__file__).with_name("django_admin_pages.py"), scratch], check=True)
    return [page for package in packages for page in _sample(package, PER_PACKAGE)] + _sample(scratch, 100)


def _sample(directory: Path, count: int) -> list[RealPage]:
    """The same pages each time, as long as the package is the same."""
    paths = sorted(path for path in directory.rglob("*.html") if path.is_file() and not path.is_symlink())
    fitting = [path for path in paths if path.stat().st_size <= MAX_BYTES]
    chosen = random.Random(directory.name).sample(fitting, min(count, len(fitting)))
    return [RealPage(str(path.relative_to(directory.parent)), path.read_bytes()) for path in chosen]
