"""The three doors by which people join, in a real browser, with the mails as they are delivered."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from browser.axe_findings import SCREENS, findings
from browser.browser_people import Visitor
from browser.conftest import running_browser
from browser.frontend_build import install
from playwright.async_api import Browser, Page, expect

from portal_gateway.sandbox.demo import JOIN, Demo, running_demo

pytestmark = pytest.mark.asyncio(loop_scope="module")

SENT = "Look into your mailbox"


@dataclass
class Street:
    """The demo and a browser for everybody who comes along."""

    demo: Demo
    browser: Browser

    async def stranger(self, **options: Any) -> Visitor:
        """Somebody with a browser that knows nothing yet."""
        return Visitor(await self.browser.new_context(**options), self.demo.url)

    async def page(self, **options: Any) -> Page:
        return await (await self.stranger(**options)).context.new_page()

    async def ask(self, email: str) -> Page:
        """Ask for a link; the page that says so."""
        page = await self.page()
        await page.goto(self.demo.shared_link)
        await page.get_by_label("E-mail address").fill(email)
        await page.get_by_role("button").click()
        await expect(page.get_by_role("heading")).to_have_text(SENT)
        return page

    async def mail_to(self, email: str) -> Page:
        """The latest mail to an address, opened in a mailbox."""
        page = await self.page()
        assert self.demo.mail_url is not None
        mail = page.get_by_role("link").filter(has_text=f"to {email}")
        await page.goto(self.demo.mail_url)  # which reloads itself
        await mail.first.click()
        return page

    async def link_in_mail_to(self, email: str) -> str:
        mail = await self.mail_to(email)
        link = await mail.frame_locator("iframe").get_by_role("link").get_attribute("href")
        assert link is not None
        return link


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def street() -> AsyncIterator[Street]:
    async with running_demo() as demo, running_browser() as browser:
        yield Street(demo, browser)


async def followed(mail: Page) -> Page:
    """Where the link in a mail leads: it opens in a tab of its own."""
    async with mail.context.expect_page() as opening:
        await mail.frame_locator("iframe").get_by_role("link").click()
    page = await opening.value
    await page.wait_for_load_state()
    return page


async def entered(page: Page) -> None:
    await page.get_by_role("button", name="Open Onboarding").click()


async def test_by_shared_link(street: Street) -> None:
    await street.ask("new@vance.example")
    page = await followed(await street.mail_to("new@vance.example"))
    await expect(page.locator("main")).to_contain_text("You enter as new@vance.example")
    await entered(page)
    await expect(page.locator("body")).to_contain_text("Logged in as new@vance.example")
    await expect(page.locator("body")).to_contain_text("Vance onboarding")
    assert page.url.startswith(street.demo.rocketlane_url)


async def test_by_invitation(street: Street) -> None:
    jane = await street.stranger()
    page = await jane.sign_in("jane")
    await page.goto(f"{street.demo.url}/portal/onboarding/")
    await page.get_by_role("link", name="Invite others").click()
    await page.get_by_label("E-mail addresses").fill("kit@vance.example, someone@gmail.com\nnonsense")
    await page.get_by_label("Message").fill("Hello <b>Kit</b>,\nplease have a look.")
    await page.get_by_role("button", name="Invite").click()
    await expect(page.get_by_role("status")).to_contain_text("kit@vance.example a link is on its way")
    await expect(page.get_by_role("status")).to_contain_text("someone@gmail.com not invited: private addresses")
    await expect(page.get_by_role("status")).to_contain_text("nonsense not invited: this is not an e-mail address")

    mail = await street.mail_to("kit@vance.example")
    body = mail.frame_locator("iframe").locator("body")
    await expect(body).to_contain_text("Jane Moreau invites you to the project “Vance onboarding”")
    await expect(body).to_contain_text("Hello <b>Kit</b>,")
    portal = await followed(mail)
    await entered(portal)
    await expect(portal.locator("body")).to_contain_text("Logged in as kit@vance.example")

    await page.goto(f"{street.demo.url}/portal/onboarding/invitations")
    await expect(page.get_by_role("listitem").filter(has_text="kit@")).to_contain_text("joined")


async def test_by_click_of_somebody_who_is_signed_in(street: Street) -> None:
    async with running_demo(join={"jwt": True}) as demo:
        noah = Visitor(await street.browser.new_context(), demo.url)
        page = await noah.sign_in("noah")
        await page.goto(f"{demo.url}/portal/onboarding/")
        await expect(page.frame_locator("iframe").locator("body")).to_contain_text("Logged in as noah@vance.example")


async def test_only_those_with_the_permission_are_offered_to_invite(street: Street) -> None:
    ines = await street.stranger()
    page = await ines.sign_in("ines")
    await page.goto(f"{street.demo.url}/portal/onboarding/")
    await expect(page.get_by_role("heading", name="Onboarding")).to_be_visible()
    await expect(page.get_by_role("link", name="Invite others")).to_have_count(0)
    await page.goto(f"{street.demo.url}/portal/onboarding/invitations")
    await expect(page.get_by_role("heading")).to_have_text("You cannot invite others")


async def test_a_scanner_that_opens_every_link_of_a_mail_uses_up_none(street: Street) -> None:
    await street.ask("scanned@vance.example")
    mail = await street.mail_to("scanned@vance.example")
    await mail.get_by_text("The same as text").click()
    links = await mail.locator("pre a").all() + await mail.frame_locator("iframe").get_by_role("link").all()
    assert len(links) == 2, "one in the text, one in the HTML"
    for link in links:
        scanner = await street.page(user_agent="Scanner/1.0")
        await scanner.goto(str(await link.get_attribute("href")), wait_until="networkidle")
    page = await followed(mail)
    await entered(page)
    await expect(page.locator("body")).to_contain_text("Logged in as scanned@vance.example")


async def test_the_mailbox_runs_nothing_of_a_mail(street: Street) -> None:
    await street.ask("plain@vance.example")
    frame = (await street.mail_to("plain@vance.example")).locator("iframe")
    assert await frame.get_attribute("sandbox") == "allow-popups allow-popups-to-escape-sandbox"


class TestRefusals:
    """Each with its page, and what is to be done about it."""

    async def test_used(self, street: Street) -> None:
        await street.ask("used@vance.example")
        link = await street.link_in_mail_to("used@vance.example")
        page = await street.page()
        await page.goto(link)
        await entered(page)
        await expect(page.locator("body")).to_contain_text("Logged in")
        await page.goto(link)
        await expect(page.get_by_role("heading")).to_have_text("This link has been used")
        await page.get_by_role("button", name="Mail me a new link").click()
        await expect(page.get_by_role("heading")).to_have_text(SENT)
        renewed = await street.link_in_mail_to("used@vance.example")
        assert renewed != link
        await page.goto(renewed)
        await expect(page.locator("main")).to_contain_text("used@vance.example")

    async def test_revoked(self, street: Street) -> None:
        jane = await street.stranger()
        page = await jane.sign_in("jane")
        await page.goto(f"{street.demo.url}/portal/onboarding/invitations")
        await page.get_by_label("E-mail addresses").fill("gone@vance.example")
        await page.get_by_role("button", name="Invite").click()
        link = await street.link_in_mail_to("gone@vance.example")
        await page.get_by_role("button", name="Take back: gone@vance.example").click()
        await expect(page.get_by_role("listitem").filter(has_text="gone@")).to_contain_text("taken back")
        page = await street.page()
        await page.goto(link)
        await expect(page.get_by_role("heading")).to_have_text("This invitation has been taken back")
        await expect(page.get_by_role("button")).to_have_count(0)

    async def test_superseded(self, street: Street) -> None:
        jane = await street.stranger()
        page = await jane.sign_in("jane")
        await page.goto(f"{street.demo.url}/portal/onboarding/invitations")
        await page.get_by_label("E-mail addresses").fill("twice@vance.example")
        await page.get_by_role("button", name="Invite").click()
        link = await street.link_in_mail_to("twice@vance.example")
        await page.get_by_role("button", name="Send again: twice@vance.example").click()
        page = await street.page()
        await page.goto(link)
        await expect(page.get_by_role("heading")).to_have_text("There is a newer link")

    async def test_expired(self, street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
        await street.ask("late@vance.example")
        link = await street.link_in_mail_to("late@vance.example")
        joining = street.demo.app.gateway.joining
        assert joining is not None
        monkeypatch.setattr(joining.service._links, "_clock", lambda: time.time() + 16 * 60)
        page = await street.page()
        await page.goto(link)
        await expect(page.get_by_role("heading")).to_have_text("This link has expired")
        await expect(page.get_by_role("button")).to_have_text("Mail me a new link")

    async def test_of_a_project_that_is_closed_or_of_a_vendor_that_is_away(self, street: Street) -> None:
        await street.ask("closed@vance.example")
        link = await street.link_in_mail_to("closed@vance.example")
        sandbox = street.demo.sandbox
        project = sandbox.world.rocketlane.project(5001)
        assert project is not None
        page = await street.page()
        sandbox.rocketlane_vendor.switches.status = 503
        try:
            await page.goto(link)
            await entered(page)
            await expect(page.get_by_role("heading")).to_have_text("The portal cannot be reached right now")
            sandbox.rocketlane_vendor.switches.status = 0
            project.archived = True
            await page.get_by_role("link", name="Try again").click()
            await entered(page)
            await expect(page.get_by_role("heading")).to_have_text("This project is closed")
        finally:
            sandbox.reset()

    async def test_forged(self, street: Street) -> None:
        await street.ask("forged@vance.example")
        link = await street.link_in_mail_to("forged@vance.example")
        page = await street.page()
        for forged in (re.sub(r"\.\d{10}\.", ".9999999999.", link), f"{street.demo.url}/portal/accept", link[:-1]):
            await page.goto(forged)
            await expect(page.get_by_role("heading")).to_have_text("This link does not work")

    async def test_not_allowed(self, street: Street) -> None:
        await expect_refusal(street, JOIN, "lena@globex.example", "This portal is not open to your e-mail address")

    async def test_free_mail(self, street: Street) -> None:
        await expect_refusal(street, JOIN, "me@gmail.com", "This portal is not open to private addresses")

    async def test_no_address(self, street: Street) -> None:
        page = await street.page()
        await page.goto(street.demo.shared_link)
        # The browser's own idea of an address is another one.
        await page.get_by_label("E-mail address").fill("somebody@localhost")
        await page.get_by_role("button").click()
        await expect(page.locator("main")).to_contain_text("This is not an address that mail could be sent to.")
        await expect(page.get_by_label("E-mail address")).to_have_value("somebody@localhost")


async def expect_refusal(street: Street, join: Mapping[str, Any], email: str, heading: str) -> None:
    """Whoever asks is told no only where the configuration says so."""
    await street.ask(email)
    async with running_demo(join={**join, "reveal": True}) as demo:
        page = await street.page()
        await page.goto(demo.shared_link)
        await page.get_by_label("E-mail address").fill(email)
        await page.get_by_role("button").click()
        await expect(page.get_by_role("heading")).to_have_text(heading)


@pytest.mark.parametrize(("screen", "scheme"), [("desktop", "light"), ("phone", "dark")])
async def test_axe_finds_nothing_serious(scheme: Any, screen: str, street: Street) -> None:
    install()
    email = f"{screen}-{scheme}@globex.example"
    pia = await street.stranger(viewport=SCREENS[screen], color_scheme=scheme)
    page = await pia.sign_in("pia")
    await page.goto(f"{street.demo.url}/portal/onboarding/invitations")
    await page.get_by_label("E-mail addresses").fill(email)
    await page.get_by_role("button", name="Invite").click()
    await expect(page.get_by_role("status")).to_be_visible()
    await _is_fine(page)
    link = await street.link_in_mail_to(email)
    for path in (street.demo.shared_link, link, str(street.demo.mail_url), f"{street.demo.mail_url}/1"):
        await page.goto(path)
        await _is_fine(page)
    await page.goto(link)
    await entered(page)
    await page.goto(link)
    await expect(page.get_by_role("heading")).to_have_text("This link has been used")
    await _is_fine(page)


async def _is_fine(page: Page) -> None:
    assert await findings(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
