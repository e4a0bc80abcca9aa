"""How the widget asks, how little it needs of the page, and what it does not disturb."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from browser.browser_people import Visitor
from playwright.async_api import Page, Route, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

UNKNOWN = {"portal": "success", "access": None, "label": "Portal", "expires_in": 0}
HEARD = """window.heard = 0;
for (const type of ["portal-access", "portal-error"]) addEventListener(type, () => (window.heard += 1));"""
COME_BACK = "document.dispatchEvent(new Event('visibilitychange'))"


class Gateway:
    """Answers /access as the test says, until that is empty, and then truly."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, route: Route) -> None:
        self.asked += 1
        if not self.answers:
            await route.continue_()
            return
        answer = self.answers.pop(0)
        if isinstance(answer, int):
            await route.fulfill(status=answer)
        else:
            await route.fulfill(json=answer)


async def frozen_page(guest: Visitor, gateway: Gateway) -> Page:
    await guest.enter("jane")
    page = await guest.context.new_page()
    await page.clock.install()
    await page.add_init_script(HEARD)
    await page.route("**/success/access", gateway)
    await page.goto(guest.base_url + "/plain/")
    await page.wait_for_function("() => heard === 1")
    return page


@asynccontextmanager
async def one_more_answer(page: Page) -> AsyncIterator[None]:
    before = await page.evaluate("heard")
    yield
    await page.wait_for_function("before => heard > before", arg=before)


async def answered(page: Page, *, after_s: float) -> None:
    """Let seconds pass in which the gateway is asked, and wait until the element has heard the answer."""
    async with one_more_answer(page):
        await page.clock.run_for(after_s * 1000)


async def test_an_unknown_answer_is_asked_for_again_ever_more_seldom(guest: Visitor) -> None:
    gateway = Gateway(UNKNOWN, UNKNOWN)
    page = await frozen_page(guest, gateway)
    await expect(page.locator("portal-link a")).to_have_count(0)
    await answered(page, after_s=2.5)
    await page.clock.run_for(2_500)
    assert gateway.asked == 2
    await answered(page, after_s=2.5)
    await expect(page.locator("portal-link a")).to_be_visible()


async def test_it_does_not_ask_for_ever(guest: Visitor) -> None:
    gateway = Gateway(*[503] * 20)
    page = await frozen_page(guest, gateway)
    for delay in (3, 5, 10, 20, 40, 80):
        await answered(page, after_s=delay)
    await page.clock.run_for(3_600_000)
    assert gateway.asked == 7
    gateway.answers.clear()
    async with one_more_answer(page):
        await page.evaluate(COME_BACK)
    await expect(page.locator("portal-link a")).to_be_visible()
    guest.complaints = [text for text in guest.complaints if "503" not in text]


async def test_a_portal_that_does_not_exist_is_asked_for_once(guest: Visitor) -> None:
    gateway = Gateway(404)
    page = await frozen_page(guest, gateway)
    await page.clock.run_for(3_600_000)
    assert gateway.asked == 1
    guest.complaints = [text for text in guest.complaints if "404" not in text]


async def test_who_comes_back_after_the_answer_has_expired_is_asked_about_again(guest: Visitor) -> None:
    gateway = Gateway()
    page = await frozen_page(guest, gateway)
    await expect(page.locator("portal-link a")).to_be_visible()
    await page.evaluate(COME_BACK)
    assert gateway.asked == 1
    await page.clock.run_for(301_000)
    gateway.answers = [{**UNKNOWN, "access": False}]
    async with one_more_answer(page):
        await page.evaluate(COME_BACK)
    await expect(page.locator("portal-link a")).to_have_count(0)


async def test_nothing_moves_when_the_link_appears(guest: Visitor) -> None:
    await guest.enter("jane")
    page = await guest.open("/plain/orders")
    await expect(page.locator("portal-link a")).to_have_count(2)
    settled = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    await page.evaluate(settled)
    # An observer calls for shifts only: one that we make shows that it works, and has to be the only one.
    await page.evaluate("""() => {
        const box = document.createElement("div");
        box.append(...Array.from({ length: 9 }, () => document.createElement("br")));
        document.body.prepend(box);
    }""")
    shifts = await page.evaluate("""() => new Promise(done => new PerformanceObserver(list =>
        done(list.getEntries().length)).observe({ type: "layout-shift", buffered: true }))""")
    assert shifts == 1


async def test_the_strictest_policy_has_nothing_to_object_to(guest: Visitor) -> None:
    await guest.enter("jane")
    page = await guest.open("/plain/bare")
    await expect(page.locator("portal-frame [part=bar]")).to_have_css("display", "flex")
    await expect(page.locator("nav portal-link a")).to_have_css("color", "rgb(0, 0, 0)")
    await expect(page.frame_locator("iframe").locator("body")).to_contain_text("Logged in as Jane")


async def test_nothing_turns_for_those_who_want_no_motion(guest: Visitor) -> None:
    await guest.enter("jane")
    page = await guest.context.new_page()
    await page.route("**/embed", lambda route: None)
    await page.goto(guest.base_url + "/plain/onboarding")
    turning = "stage => getComputedStyle(stage, '::after').animationName"
    stage = page.locator("portal-frame [data-state=loading]")
    assert await stage.evaluate(turning) == "turn"
    await page.emulate_media(reduced_motion="reduce")
    assert await stage.evaluate(turning) == "none"


async def test_what_a_link_replaces_is_hidden_while_there_is_one(guest: Visitor) -> None:
    await guest.enter("jane")
    page = await guest.open("/plain/replaced")
    await expect(page.locator("main a")).to_be_visible()
    await expect(page.locator("#old")).to_be_hidden()
    await page.evaluate("document.querySelector('main portal-link').remove()")
    await expect(page.locator("#old")).to_be_visible()


async def test_a_fallback_is_for_those_without_javascript(guest: Visitor) -> None:
    await guest.enter("jane")
    page = await guest.open("/plain/fallback")
    await expect(page.locator("main").get_by_role("link")).to_have_text("Customer portal (opens in a new tab)")
    assert guest.context.browser is not None
    without = await guest.context.browser.new_context(java_script_enabled=False)
    page = await without.new_page()
    await page.goto(guest.base_url + "/in/jane")
    await page.goto(guest.base_url + "/plain/fallback")
    await page.locator("main").get_by_role("link", name="Customer portal").click()
    await expect(page.locator("body")).to_contain_text("Logged in as Jane")
    await without.close()


async def test_an_element_may_learn_of_its_portal_late_and_of_another_one(guest: Visitor) -> None:
    await guest.enter("jane")
    page = await guest.open("/plain/")
    await page.evaluate("document.querySelector('main').append(document.createElement('portal-link'))")
    link = page.locator("main portal-link")
    await expect(link.locator("a")).to_have_count(0)
    for portal in ("success", "onboarding"):
        await link.evaluate("(link, portal) => link.setAttribute('portal', portal)", portal)
        await expect(link.locator("a")).to_have_attribute("href", f"/portal/{portal}/launch")
