"""Takes the pictures of the documentation from the demo: `make screenshots`. Needs Chromium and the extra `mail`.

Every page of the gateway becomes one picture of four: on a desktop and on a phone, in light and in dark.
"""

from __future__ import annotations

import asyncio
import base64
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, BrowserContext, Page, ViewportSize, async_playwright

from portal_gateway.sandbox.demo import Demo, running_demo

IMAGES = Path(__file__).parent / "images"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@dataclass(frozen=True)
class View:
    screen: ViewportSize
    scheme: Literal["light", "dark"]


DESKTOP = ViewportSize(width=1280, height=720)
PHONE = ViewportSize(width=390, height=720)
VIEWS = [View(screen, scheme) for scheme in ("light", "dark") for screen in (DESKTOP, PHONE)]

Prepare = Callable[[Page, Demo], Awaitable[str]]


@dataclass(frozen=True)
class Shot:
    """A page: who looks at it and where, and what has to be there before the picture is taken.

    `where` is a path, or does what it takes and returns the path or address.
    """

    name: str
    user: str | None
    where: str | Prepare
    wanted: str
    language: str = "en-US"


async def shared_link(page: Page, demo: Demo) -> str:
    return demo.shared_link


async def asked(page: Page, demo: Demo) -> str:
    """Ask for a link by mail; where that leads."""
    await page.goto(demo.shared_link)
    await page.locator("#email").fill("sam@vance.example")
    await page.locator("button").click()
    await page.locator("h1").wait_for()
    return page.url


async def mailed_link(page: Page, demo: Demo) -> str:
    """The link in the latest mail."""
    assert demo.mail_url is not None
    await page.goto(demo.mail_url)  # which reloads itself
    await page.locator("main a").first.click()
    link = await page.frame_locator("iframe").locator("a").first.get_attribute("href")
    assert link is not None
    return link


async def broken_link(page: Page, demo: Demo) -> str:
    return await mailed_link(page, demo) + "x"


async def used_link(page: Page, demo: Demo) -> str:
    link = await mailed_link(page, demo)
    await page.goto(link)
    await page.locator("button").click()
    await page.wait_for_url(demo.rocketlane_url + "/**")
    return link


async def framed(page: Page, demo: Demo) -> str:
    """A frame of the app's that is left when nobody is signed in any more."""
    await page.goto(demo.url + "/login")
    await page.set_content(
        '<!doctype html><html lang="en"><title>App</title><style>* { margin: 0; border: 0 } '
        "iframe { display: block; width: 100vw; height: 100vh }</style>"
        '<iframe title="Onboarding" src="/portal/onboarding/embed"></iframe>'
    )
    return page.url


async def planhat_away(page: Page, demo: Demo) -> str:
    demo.sandbox.planhat_vendor.switches.status = 503
    return "/portal/success/launch"


README = (
    Shot("dashboard", "jane", "/", "a.portal-link"),
    Shot("onboarding", "jane", "/onboarding", "iframe.portal-frame"),
    Shot("no-access", "noah", "/portal/success/launch", "h1"),
)
# The vendors' troubles come last.
PAGES = (
    Shot("picker", "jane", "/portal/", ".choices"),
    Shot("chooser", "pia", "/portal/onboarding/", ".choices"),
    Shot("portal-page", "jane", "/portal/onboarding/", "iframe"),
    Shot("launch-page", "jane", "/portal/success/", ".button"),
    Shot("no-access", "noah", "/portal/success/launch", "h1"),
    Shot("no-portal", "noah", "/portal/", "h1", "de-AT"),
    Shot("no-such-page", "jane", "/portal/nowhere/", "h1", "es"),
    Shot("signed-out", None, framed, "iframe"),
    Shot("invitations", "jane", "/portal/onboarding/invitations", "form"),
    Shot("join", None, shared_link, "form"),
    Shot("join-sent", None, asked, "h1"),
    Shot("accept", None, mailed_link, "form"),
    Shot("link-used", None, used_link, "form"),
    Shot("link-refused", None, broken_link, "h1"),
    Shot("vendor-away", "jane", planhat_away, "h1", "fr"),
    Shot("picker-away", "lena", "/portal/", ".choices"),
)


async def look(context: BrowserContext, demo: Demo, shot: Shot) -> Page:
    """The page, as it is to be photographed."""
    page = await context.new_page()
    if shot.user is not None:
        await page.goto(demo.url + "/login")
        await page.locator(f"button[value={shot.user}]").click()
        await page.wait_for_url(demo.url + "/")
    where = shot.where if isinstance(shot.where, str) else await shot.where(page, demo)
    if where != page.url:
        await page.goto(demo.url + where if where.startswith("/") else where)
    await page.locator(shot.wanted).first.wait_for()
    await page.wait_for_load_state("networkidle")
    return page


async def take(browser: Browser, demo: Demo, shot: Shot, views: Sequence[View]) -> list[bytes]:
    """The page, once for each view."""
    context = await browser.new_context(locale=shot.language, viewport=views[0].screen)
    page = await look(context, demo, shot)
    pictures = []
    for view in views:
        await page.set_viewport_size(view.screen)
        await page.emulate_media(color_scheme=view.scheme)
        pictures.append(await page.screenshot())
    await context.close()
    return pictures


async def side_by_side(browser: Browser, pictures: list[bytes]) -> bytes:
    """One picture of several, in a row that wraps, at half their size."""
    images = "".join(f'<img src="data:image/png;base64,{base64.b64encode(p).decode()}">' for p in pictures)
    page = await browser.new_page(viewport=ViewportSize(width=883, height=100))
    await page.set_content(
        f"<style>body {{ margin: 0; display: flex; flex-wrap: wrap; gap: 12px; padding: 12px; background: #888 }}"
        f"img {{ height: 360px }}</style>{images}"
    )
    picture = await page.screenshot(full_page=True)
    await page.close()
    return picture


async def take_all() -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    async with running_demo() as demo, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        for shot in README:
            [picture] = await take(browser, demo, shot, [View(ViewportSize(width=1120, height=720), "light")])
            (IMAGES / f"{shot.name}.png").write_bytes(picture)
        for shot in PAGES:
            pictures = await take(browser, demo, shot, VIEWS)
            (IMAGES / "pages" / f"{shot.name}.png").write_bytes(await side_by_side(browser, pictures))
        await browser.close()


if __name__ == "__main__":
    (IMAGES / "pages").mkdir(parents=True, exist_ok=True)
    asyncio.run(take_all())
