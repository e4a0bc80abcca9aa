"""What `<portal-frame>` does about portals that are slow, refused, or whose session has ended."""

from __future__ import annotations

import asyncio

import pytest
from browser.browser_people import Visitor
from browser.frontend_site import Frontends
from playwright.async_api import FrameLocator, Page, Route, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

# The widget counts from then on, too.
IN_VIEW = """() => new Promise(done => {
    const iframe = document.querySelector("portal-frame").shadowRoot.querySelector("iframe");
    new IntersectionObserver(([entry]) => entry.isIntersecting && done()).observe(iframe);
})"""
PATH = "/plain/onboarding"


def embeds(page: Page) -> list[str]:
    """The loads of the portal from now on."""
    loads: list[str] = []
    page.on("request", lambda request: loads.append(request.url) if request.url.endswith("/embed") else None)
    return loads


async def blank_page(guest: Visitor, *, frozen: bool = False) -> Page:
    """A new page of Jane's; `frozen`: its clock moves when the test says so."""
    await guest.enter("jane")
    page = await guest.context.new_page()
    if frozen:
        await page.clock.install()
    return page


async def signed_in(page: Page) -> FrameLocator:
    frame = page.frame_locator("portal-frame iframe")
    await expect(frame.locator("body")).to_contain_text("Logged in as Jane")
    await expect(page.locator("portal-frame [part=stage]")).to_have_attribute("data-state", "ready")
    return frame


async def in_trouble(page: Page, text: str) -> None:
    await expect(page.get_by_role("status")).to_have_text(text)


async def explained(page: Page, *, is_open: bool) -> None:
    """Whether the words about cookies are to be read."""
    await expect(page.locator("portal-frame details")).to_have_js_property("open", is_open)


async def test_the_portal_may_do_in_its_frame_what_it_needs_and_no_more(frontends: Frontends, guest: Visitor) -> None:
    page = await blank_page(guest)
    await page.goto(guest.base_url + PATH)
    body = (await signed_in(page)).locator("body")
    iframe = page.locator("portal-frame iframe")
    await expect(iframe).to_have_attribute("title", "Your onboarding")
    await expect(iframe).to_have_attribute("loading", "lazy")
    await expect(iframe).to_have_attribute("referrerpolicy", "strict-origin")
    assert "allow-top-navigation" not in str(await iframe.get_attribute("sandbox"))
    # `allow` without an origin would speak of our own redirect, and the vendor would get nothing.
    features = "features => features.map(feature => document.featurePolicy.allowsFeature(feature))"
    allowed = await body.evaluate(
        f"(_, features) => ({features})(features)", ["fullscreen", "storage-access", "camera"]
    )
    assert allowed == [True, True, False]
    assert await body.evaluate("() => document.cookie === '' && origin") == frontends.rocketlane_url
    with pytest.raises(Exception, match="SecurityError"):
        await body.evaluate("() => { top.location = 'https://elsewhere.example/' }")
    assert page.url == guest.base_url + PATH
    guest.complaints = [text for text in guest.complaints if "sandboxed" not in text]


async def test_a_slow_portal_is_explained_and_goes_on_loading(guest: Visitor) -> None:
    page, held = await blank_page(guest, frozen=True), asyncio.Event()

    async def hold(route: Route) -> None:
        await held.wait()
        await route.continue_()

    await page.route("**/embed", hold)
    await page.goto(guest.base_url + PATH)
    await in_trouble(page, "Loading…")
    await page.evaluate(IN_VIEW)
    await page.clock.run_for(59_000)
    await in_trouble(page, "Loading…")
    await page.clock.run_for(2_000)
    await in_trouble(page, "This takes longer than usual. Reload it, or open it in a new tab.")
    await explained(page, is_open=True)
    held.set()
    await signed_in(page)
    await in_trouble(page, "")


async def test_one_click_tries_again(guest: Visitor) -> None:
    page = await blank_page(guest, frozen=True)
    await page.route("**/embed", lambda route: asyncio.sleep(0))  # never answered
    await page.goto(guest.base_url + PATH)
    await in_trouble(page, "Loading…")
    await page.evaluate(IN_VIEW)
    await page.clock.run_for(61_000)
    await in_trouble(page, "This takes longer than usual. Reload it, or open it in a new tab.")
    await page.unroute("**/embed")
    await page.get_by_role("button", name="Reload").click()
    await signed_in(page)
    await explained(page, is_open=False)


async def test_the_gateways_own_refusal_stays_to_be_read(guest: Visitor) -> None:
    page = await blank_page(guest)
    await page.goto(guest.base_url + PATH)
    await signed_in(page)
    await guest.context.request.get(guest.base_url + "/out")
    await page.get_by_role("button", name="Reload").click()
    await in_trouble(page, "This could not be opened. Reload it in a moment.")
    await expect(page.frame_locator("portal-frame iframe").get_by_role("heading")).to_have_text("Please sign in first")
    await guest.enter("jane")
    await page.get_by_role("button", name="Reload").click()
    await signed_in(page)
    guest.complaints = [text for text in guest.complaints if "401" not in text]


async def test_a_portal_that_goes_round_in_circles_is_explained(frontends: Frontends, guest: Visitor) -> None:
    page = await blank_page(guest)
    circle = f"{frontends.rocketlane_url}/circle"
    onward = f"<!doctype html><meta http-equiv=refresh content='0; url={circle}'><title>Signing you in</title>"
    for address in ("**/embed", circle):
        await page.route(address, lambda route: route.fulfill(body=onward, content_type="text/html"))
    await page.goto(guest.base_url + PATH)
    await explained(page, is_open=True)
    await expect(page.get_by_role("link", name="Open in a new tab", exact=True)).to_be_visible()


async def test_beside_a_blank_box_stands_what_to_do(frontends: Frontends, guest: Visitor) -> None:
    frontends.sandbox.rocketlane_vendor.switches.update({"x_frame_options": "DENY"})
    page = await blank_page(guest)
    await page.goto(guest.base_url + PATH)
    await explained(page, is_open=False)
    await page.get_by_text("Nothing to see, or asked to sign in?").click()
    await explained(page, is_open=True)
    async with page.context.expect_page() as opening:
        await page.get_by_role("link", name="Open in a new tab", exact=True).click()
    await expect((await opening.value).locator("body")).to_contain_text("Logged in as Jane")
    guest.complaints = [text for text in guest.complaints if "X-Frame-Options" not in text]


async def test_the_session_is_renewed_after_the_servers_seconds(guest: Visitor) -> None:
    page = await blank_page(guest, frozen=True)
    loads = embeds(page)
    await page.goto(guest.base_url + PATH)
    await signed_in(page)
    await page.clock.run_for(599_000)
    assert len(loads) == 1
    async with page.expect_request("**/embed"):
        await page.clock.run_for(1_000)
    await signed_in(page)


async def test_nobodys_work_is_taken_away_by_a_renewal(guest: Visitor) -> None:
    page = await blank_page(guest, frozen=True)
    loads = embeds(page)
    await page.goto(guest.base_url + PATH)
    await (await signed_in(page)).locator("h1").first.click()
    await page.clock.run_for(601_000)
    await in_trouble(page, "Your session here may have ended. Reload to go on.")
    assert len(loads) == 1
    await page.get_by_role("button", name="Reload").press("Enter")
    await signed_in(page)
    assert len(loads) == 2


async def test_reloading_the_frame_is_no_step_in_the_history(guest: Visitor) -> None:
    page = await blank_page(guest)
    await page.goto(guest.base_url + PATH)
    await signed_in(page)
    steps = await page.evaluate("history.length")
    async with page.expect_request("**/embed"):
        await page.locator("portal-frame").evaluate("frame => frame.reload()")
    await signed_in(page)
    assert await page.evaluate("history.length") == steps


async def test_moving_the_element_keeps_the_portal_as_it_is(guest: Visitor) -> None:
    page = await blank_page(guest)
    loads = embeds(page)
    await page.goto(guest.base_url + PATH)
    await signed_in(page)
    await page.evaluate("document.body.moveBefore(document.querySelector('portal-frame'), null)")
    await signed_in(page)
    assert len(loads) == 1
    await expect(page.locator("body > portal-frame iframe")).to_have_count(1)


async def test_every_text_can_be_the_pages_own(guest: Visitor) -> None:
    page = await blank_page(guest)
    await page.goto(guest.base_url + PATH)
    await signed_in(page)
    await page.evaluate("""() => {
        const text = document.createElement("span");
        text.slot = "open";
        text.textContent = "In neuem Tab öffnen";
        document.querySelector("portal-frame").append(text);
    }""")
    await expect(page.get_by_role("link", name="In neuem Tab öffnen")).to_be_visible()


async def test_a_frame_is_reached_and_left_by_keyboard(guest: Visitor) -> None:
    page = await blank_page(guest)
    await page.goto(guest.base_url + PATH)
    await signed_in(page)
    await page.get_by_role("link", name="Onboarding", exact=True).focus()
    stops = []
    for _ in range(4):
        await page.keyboard.press("Tab")
        stops.append(
            await page.evaluate("() => (document.activeElement.shadowRoot ?? document).activeElement.localName")
        )
    assert stops == ["a", "button", "a", "iframe"]


async def test_the_portals_own_page_frames_it_with_and_without_javascript(guest: Visitor) -> None:
    page = await blank_page(guest)
    await page.goto(guest.base_url + "/portal/onboarding/")
    await signed_in(page)
    await expect(page.get_by_role("link", name="Open in a new tab", exact=True)).to_have_count(1)
    assert guest.context.browser is not None
    plain = await guest.context.browser.new_context(java_script_enabled=False)
    page = await plain.new_page()
    await page.goto(guest.base_url + "/in/jane")
    await page.goto(guest.base_url + "/portal/onboarding/")
    await expect(page.frame_locator("iframe").locator("body")).to_contain_text("Logged in as Jane")
    await plain.close()
