"""The widget in five kinds of front end: plain pages, htmx, Turbo, React, Vue."""

from __future__ import annotations

import pytest
from browser.browser_people import Visitor
from browser.frontend_build import type_errors
from browser.frontend_site import APPS, Frontends
from playwright.async_api import Page, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLIENT_SIDE = [app for app in APPS if app != "plain"]
SIGN_OUT = "async () => { await fetch('/out'); document.dispatchEvent(new Event('portal-refresh')) }"


def asked(page: Page) -> list[str]:
    """The questions that the page asks from now on."""
    questions: list[str] = []
    page.on("request", lambda request: questions.append(request.url) if request.url.endswith("/access") else None)
    return questions


async def opened(guest: Visitor, path: str, user: str = "jane") -> Page:
    await guest.enter(user)
    return await guest.open(path)


async def follow(page: Page, name: str) -> None:
    await page.get_by_role("link", name=name, exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(name)


@pytest.mark.parametrize("app", APPS)
async def test_one_click_opens_the_portal(app: str, guest: Visitor) -> None:
    page = await opened(guest, f"/{app}/")
    async with page.context.expect_page() as opening:
        await page.locator("header portal-link a").click()
    portal = await opening.value
    await expect(portal.locator("body")).to_contain_text("Logged in as Jane")
    assert await portal.evaluate("window.opener") is None


@pytest.mark.parametrize("app", APPS)
async def test_nobody_else_sees_anything(app: str, guest: Visitor) -> None:
    await guest.enter("noah")
    page = await guest.context.new_page()
    async with page.expect_response("**/portal/success/access"):
        await page.goto(f"{guest.base_url}/{app}/orders")
    await expect(page.locator("portal-link")).to_have_count(2)
    await expect(page.locator("portal-link a")).to_have_count(0)
    assert await page.locator("portal-link").first.evaluate("link => getComputedStyle(link).display") == "none"


@pytest.mark.parametrize("app", CLIENT_SIDE)
async def test_the_links_survive_client_side_navigation_and_ask_once(app: str, guest: Visitor) -> None:
    await guest.enter("jane")
    page = await guest.context.new_page()
    questions = asked(page)
    await page.goto(f"{guest.base_url}/{app}/")
    await page.evaluate("window.sameDocument = true")
    menu = page.locator("header portal-link a")
    await expect(menu).to_be_visible()
    await follow(page, "Orders")
    await expect(page.get_by_role("link", name="Ask in the portal (opens in a new tab)")).to_be_visible()
    await follow(page, "Home")
    await expect(page.locator("main portal-link")).to_have_count(0)
    await page.go_back()
    await expect(page.locator("main portal-link a")).to_be_visible()
    await expect(menu).to_have_count(1)
    assert await page.evaluate("window.sameDocument") is True
    assert questions == [f"{guest.base_url}/portal/success/access"]


@pytest.mark.parametrize("app", CLIENT_SIDE)
async def test_a_frame_that_comes_with_client_side_navigation_is_signed_in(app: str, guest: Visitor) -> None:
    page = await opened(guest, f"/{app}/")
    await follow(page, "Onboarding")
    frame = page.frame_locator("portal-frame iframe")
    await expect(frame.locator("body")).to_contain_text("Logged in as Jane")
    await follow(page, "Orders")
    await expect(page.locator("iframe")).to_have_count(0)


@pytest.mark.parametrize("app", APPS)
async def test_who_signs_out_without_a_new_page_leaves_nothing_behind(app: str, guest: Visitor) -> None:
    page = await opened(guest, f"/{app}/onboarding")
    await expect(page.frame_locator("iframe").locator("body")).to_contain_text("Logged in as Jane")
    await page.evaluate(SIGN_OUT)
    await expect(page.locator("portal-link a, iframe")).to_have_count(0)


async def test_a_react_app_uses_the_modules_own_function(guest: Visitor) -> None:
    page = await opened(guest, "/react/")
    await expect(page.get_by_text("Need help?")).to_be_visible()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.locator("portal-link a")).to_have_count(0)
    await expect(page.get_by_text("Need help?")).to_have_count(0)


async def test_a_vue_app_hears_the_events(guest: Visitor) -> None:
    page = await opened(guest, "/vue/")
    await expect(page.get_by_text("Need help?")).to_be_visible()


async def test_turbos_page_cache_holds_no_link_of_somebody_who_has_left(guest: Visitor) -> None:
    page = await opened(guest, "/turbo/light")
    await expect(page.locator("#light > portal-link > a")).to_have_count(1)
    await follow(page, "Orders")
    await page.evaluate(SIGN_OUT)
    await expect(page.locator("portal-link a")).to_have_count(0)
    async with page.expect_event("console", lambda message: message.text == "restored"):
        await page.evaluate("addEventListener('turbo:render', () => console.log('restored'), { once: true })")
        await page.go_back()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Light")
    await expect(page.locator("#light > portal-link")).to_have_count(1)
    await expect(page.locator("portal-link a")).to_have_count(0)


@pytest.mark.parametrize("name", ["orders", "light", "onboarding"])
async def test_morphing_leaves_the_elements_as_they_are(name: str, guest: Visitor) -> None:
    page = await opened(guest, f"/turbo/{name}")
    shown = page.locator("portal-link a, iframe")
    await expect(shown).to_have_count(2)
    await page.evaluate("document.querySelectorAll('main portal-frame').forEach(frame => { frame.kept = true })")
    morphed = """() => new Promise(done => {
        addEventListener("turbo:morph", () => requestAnimationFrame(done), { once: true });
        Turbo.visit(location.href, { action: "replace" });
    })"""
    await page.evaluate(morphed)
    await expect(shown).to_have_count(2)
    frames = page.locator("main portal-frame")
    assert await frames.evaluate_all("frames => frames.every(frame => frame.kept)")


async def test_a_light_link_is_one_of_the_pages_own(guest: Visitor) -> None:
    page = await opened(guest, "/plain/light")
    link = page.locator("#light > portal-link > a.portal-link")
    await expect(link).to_have_css("color", "rgb(1, 102, 3)")
    await expect(link).to_have_css("font-weight", "700")
    await link.evaluate("link => link.remove()")
    await expect(link).to_have_text("Customer portal")


async def test_prefetching_makes_no_signed_link(frontends: Frontends, guest: Visitor) -> None:
    page = await opened(guest, "/plain/speculation")
    async with page.expect_response(lambda answer: answer.url.endswith("/launch")) as prefetch:
        await page.reload()
    assert (await prefetch.value).status == 400
    await expect(page.locator("portal-link a")).to_be_visible()
    assert set(frontends.prefetched) == {"/portal/success/launch"}
    assert frontends.minted() == 0
    guest.complaints = [text for text in guest.complaints if "400" not in text]


@pytest.mark.parametrize("app", ["plain", "turbo", "htmx"])
async def test_pointing_at_the_link_makes_no_signed_link(app: str, frontends: Frontends, guest: Visitor) -> None:
    page = await opened(guest, f"/{app}/light")
    launches: list[str] = []
    page.on("request", lambda request: launches.append(request.url) if request.url.endswith("/launch") else None)
    for link in await page.locator("portal-link a").all():
        await link.hover()
    await page.get_by_role("link", name="Orders", exact=True).hover()
    await follow(page, "Orders")
    assert launches == []
    assert frontends.minted() == 0


async def test_the_declarations_fit_a_react_app_with_typescript(built_apps: object) -> None:
    assert type_errors() == ""
