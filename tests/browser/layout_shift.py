"""How much of a page has moved by itself: https://wicg.github.io/layout-instability/"""

from __future__ import annotations

from playwright.async_api import Page

_SUM = """() => new Promise((resolve) => {
    const observer = new PerformanceObserver((list) =>
        resolve(list.getEntries().reduce((sum, entry) => sum + entry.value, 0)));
    observer.observe({ type: "layout-shift", buffered: true });
    // Without any shift it is never called.
    setTimeout(resolve, 300, 0);
})"""


async def shifted(page: Page) -> float:
    """The sum of all shifts so far; 0 if nothing has moved."""
    return float(await page.evaluate(_SUM))
