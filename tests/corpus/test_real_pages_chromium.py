"""Chromium agrees: its DOM of a real page with the snippet is that of the page, and one node where the rule says."""

from __future__ import annotations

import random
import shutil
from collections.abc import AsyncIterator

import pytest
from lexbor_oracle import rendered
from playwright.async_api import Page as BrowserPage
from playwright.async_api import async_playwright
from real_pages import RealPage

from portal_gateway.html.scanner import Mark, Position, Scanner, Target
from portal_gateway.html.selectors import parse_selector

pytestmark = [pytest.mark.browser, pytest.mark.corpus]

PAGES = 60
TARGETS = 4

# A document of DOMParser runs no script and loads nothing.
COMPARE = """
async ([page, out, selector, position]) => {
    const parse = (text) => new DOMParser().parseFromString(text, "text/html");
    const expected = parse(page), got = parse(out);
    const mark = expected.createElement("portal-mark");
    const place = {append: "append", prepend: "prepend", before: "before", after: "after", replace: "replaceWith"};
    if (selector === "body" && position === "append") {
        const marks = got.querySelectorAll("portal-mark");
        const rest = got.createRange();
        rest.setStartAfter(marks[0]);
        rest.setEndAfter(got.body);
        const isLast = marks.length === 1 && !rest.toString().trim();
        marks[0].remove();
        return isLast && got.documentElement.outerHTML === expected.documentElement.outerHTML;
    }
    expected.querySelector(selector)[place[position]](mark);
    return got.documentElement.outerHTML === expected.documentElement.outerHTML;
}
"""


@pytest.fixture
async def browser_page() -> AsyncIterator[BrowserPage]:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "the browser tests need Chromium: apt-get install chromium"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield await browser.new_page()
        await browser.close()


def _with_snippet(page: RealPage, selector: str, position: Position) -> str | None:
    scanner = Scanner([Target(parse_selector(selector), position)])
    segments = [*scanner.feed(page.data), *scanner.close()]
    if not any(isinstance(segment, Mark) for segment in segments):
        return None
    return rendered(segments).decode("latin-1")


async def test_chromium_agrees(real_pages: list[RealPage], browser_page: BrowserPage) -> None:
    chance = random.Random(11)
    compared = 0
    wrong: list[tuple[str, str, str]] = []
    for page in chance.sample(real_pages, PAGES):
        targets = page.targets()
        for selector, position in chance.sample(targets, min(TARGETS, len(targets))):
            out = _with_snippet(page, selector, position)
            if out is None:
                continue
            compared += 1
            if not await browser_page.evaluate(COMPARE, [page.text, out, selector, position.value]):
                wrong.append((page.name, selector, position.value))
    print(f"\n{compared} placements compared")
    assert wrong == []
    assert compared > PAGES * TARGETS * 0.9
