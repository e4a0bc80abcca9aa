"""What axe-core finds in the widget and the portal's page: nothing serious, in both schemes and on both screens."""

from __future__ import annotations

import pytest
from browser.browser_people import Visitor
from browser.frontend_build import PACKAGES
from playwright.async_api import Page, ViewportSize, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCREENS = {"desktop": ViewportSize(width=1280, height=860), "phone": ViewportSize(width=390, height=800)}
# The vendor's page inside the iframe is the vendor's own.
RUN = """async () => (await axe.run(document, { iframes: false })).violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`)"""


async def findings(page: Page) -> list[str]:
    await page.evaluate((PACKAGES / "axe-core" / "axe.min.js").read_text("utf-8"))
    found: list[str] = await page.evaluate(RUN)
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
async def test_axe_finds_nothing_serious(scheme: str, screen: str, guest: Visitor) -> None:
    await guest.enter("jane")
    page = await guest.context.new_page()
    await page.set_viewport_size(SCREENS[screen])
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    await page.goto(guest.base_url + "/plain/orders")
    await expect(page.locator("portal-link a")).to_have_count(2)
    assert await findings(page) == []
    for path in ("/plain/onboarding", "/portal/onboarding/"):
        await page.goto(guest.base_url + path)
        await expect(page.frame_locator("iframe").locator("body")).to_contain_text("Logged in as Jane")
        await page.get_by_text("Nothing to see, or asked to sign in?").click()
        assert await findings(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_the_checker_finds_what_is_wrong(guest: Visitor) -> None:
    await guest.enter("jane")
    page = await guest.open("/plain/")
    await page.evaluate("document.body.append(document.createElement('button'))")
    assert [finding.split(":")[0] for finding in await findings(page)] == ["button-name"]
