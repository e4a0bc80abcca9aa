"""What axe-core finds in the widget and the portal's page: nothing serious, in both schemes and on both screens."""

from __future__ import annotations

import pytest
from browser.axe_findings import SCREENS, findings
from browser.browser_people import Visitor
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")


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
        await page.locator("summary").click()
        assert await findings(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_the_checker_finds_what_is_wrong(guest: Visitor) -> None:
    await guest.enter("jane")
    page = await guest.open("/plain/")
    await page.evaluate("document.body.append(document.createElement('button'))")
    assert [finding.split(":")[0] for finding in await findings(page)] == ["button-name"]
