"""The HTML engine beside others that put a snippet into a page: time for a whole page, input to output, no server.

Every engine gets the page as bytes in one piece and gives bytes back, with the snippet appended to the first match.
lol-html's binding and ours keep all other bytes; the others parse and write the page anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

import lolhtml
import lxml.html
from bs4 import BeautifulSoup
from selectolax.lexbor import LexborHTMLParser

from bench import pages
from bench.measure import call_us
from bench.report import Cell, Goal, Table
from portal_gateway.html.scanner import CompiledTargets, Mark, Position, Scanner, Target, compile_targets
from portal_gateway.html.selectors import parse_selector
from portal_gateway.html.speedups import COMPILED

SNIPPET = '<a class="portal-link" href="/portal/success/launch">Customer portal</a>'
_BYTES = SNIPPET.encode()
_GENERATED_SELECTORS = ("body", "#content", "#footer", ".site-footer", "nav .links", "footer .absent")
_NOTE = (
    "CPU us per page (MB/s). `x lolhtml`: how many times the throughput of lol-html's binding. "
    f"Our C extension is {'in use' if COMPILED else 'not built: the figures are those of plain Python'}."
)
_ID = re.compile(rb'\sid="([a-zA-Z][\w-]*)"')

Engine = Callable[[bytes], bytes]


def run(rounds: int, seconds: float) -> list[Table]:
    tables = []
    for title, page, selectors in _inputs():
        rows = [_row(page, selector, rounds, seconds) for selector in selectors]
        tables.append(Table(f"{title}, {len(page) / 1000:.0f} KB", rows, _NOTE, Goal("x lolhtml")))
    return tables


def _inputs() -> Iterator[tuple[str, bytes, tuple[str, ...]]]:
    for size in (5_000, 100_000, 1_000_000):
        yield "Generated page", pages.generated(size), _GENERATED_SELECTORS
    for name, page in pages.real():
        ids = _ID.findall(page)
        middle = (f"#{ids[len(ids) // 2].decode()}",) if ids else ()
        yield name, page, ("body", *middle, "main .absent")


def _row(page: bytes, selector: str, rounds: int, seconds: float) -> dict[str, Cell]:
    ours = partial(scan, compile_targets([Target(parse_selector(selector), Position.APPEND)]))
    costs = {"ours": call_us(partial(ours, page), seconds / 4, rounds)}
    for name, engine in _PEERS.items():
        costs[name] = call_us(partial(engine, selector, page), seconds / 4, rounds)
    row: dict[str, Cell] = {"selector": f"`{selector}`"}
    row["found"] = "yes" if ours(page) != page else "no"
    row |= {name: f"{cost:.0f} ({len(page) / cost:.0f})" for name, cost in costs.items()}
    row["x lolhtml"] = round(costs["lolhtml"] / costs["ours"], 2)
    row["must reach"] = 1.5
    return row


def scan(targets: CompiledTargets, page: bytes) -> bytes:
    scanner = Scanner(targets)
    segments = [*scanner.feed(page), *scanner.close()]
    return b"".join([segment.end_tags() + _BYTES if isinstance(segment, Mark) else segment for segment in segments])


class _Append:
    """lol-html calls it for every match; only the first counts."""

    __slots__ = ("found",)

    def __init__(self) -> None:
        self.found = False

    def element(self, element: lolhtml.Element) -> None:
        if not self.found:
            self.found = True
            element.append(SNIPPET, lolhtml.ContentType.HTML)


def _lolhtml(selector: str, page: bytes) -> bytes:
    output: list[bytes] = []
    rewriter = lolhtml.HTMLRewriter(output.append)
    rewriter.on(selector, _Append())
    rewriter.write(page)
    rewriter.end()
    return b"".join(output)


def _selectolax(selector: str, page: bytes) -> bytes:
    tree = LexborHTMLParser(page)
    node = tree.css_first(selector)
    if node is not None:
        node.insert_child(SNIPPET)
    return (tree.html or "").encode()


def _lxml(selector: str, page: bytes) -> bytes:
    root = lxml.html.document_fromstring(page)
    found = root.xpath(_xpath(selector))
    if found:
        found[0].append(lxml.html.fragment_fromstring(SNIPPET))
    return lxml.html.tostring(root, encoding="utf-8")


def _bs4(selector: str, page: bytes) -> bytes:
    soup = BeautifulSoup(page, "lxml")
    node = soup.select_one(selector)
    if node is not None:
        node.append(SNIPPET)
    return soup.encode("utf-8")


def _xpath(selector: str) -> str:
    """The few selectors of this bench without another dependency."""
    path = ""
    for step in selector.split():
        if step.startswith("#"):
            path += f"//*[@id='{step[1:]}']"
        elif step.startswith("."):
            path += f"//*[contains(concat(' ', @class, ' '), ' {step[1:]} ')]"
        else:
            path += f"//{step}"
    return path


_PEERS: dict[str, Callable[[str, bytes], bytes]] = {
    "lolhtml": _lolhtml,
    "selectolax": _selectolax,
    "lxml": _lxml,
    "bs4": _bs4,
}
