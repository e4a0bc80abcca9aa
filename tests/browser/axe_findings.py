"""What axe-core says about a page."""

from __future__ import annotations

from browser.frontend_build import PACKAGES
from playwright.async_api import Page, ViewportSize

SCREENS = {"desktop": ViewportSize(width=1280, height=860), "phone": ViewportSize(width=390, height=800)}
# The vendor's page inside the iframe is the vendor's own.
_RUN = """async () => (await axe.run(document, { iframes: false })).violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`)"""


async def findings(page: Page) -> list[str]:
    """What is serious or critical, each as a rule and where it is broken."""
    await page.evaluate((PACKAGES / "axe-core" / "axe.min.js").read_text("utf-8"))
    found: list[str] = await page.evaluate(_RUN)
    return found
