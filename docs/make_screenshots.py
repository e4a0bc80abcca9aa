"""Takes the pictures of the documentation from the demo: `make screenshots`. Needs Chromium."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from playwright.async_api import Page, async_playwright

from portal_gateway.sandbox.demo import running_demo

IMAGES = Path(__file__).parent / "images"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]

# (file, who is signed in, path, what has to be there before the picture is taken)
SHOTS = (
    ("dashboard", "jane", "/", "a.portal-link"),
    ("onboarding", "jane", "/onboarding", "iframe.portal-frame"),
    ("no-access", "noah", "/portal/success/launch", "h1"),
    ("picker", "jane", "/portal/", ".choices"),
    ("chooser", "pia", "/portal/onboarding/", ".choices"),
    ("portal-page", "jane", "/portal/onboarding/", "iframe"),
    ("launch-page", "jane", "/portal/success/", ".button"),
)


async def take_all() -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    async with running_demo() as demo, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        for name, user, path, wanted in SHOTS:
            context = await browser.new_context(viewport={"width": 1120, "height": 720})
            page = await context.new_page()
            await _sign_in(page, demo.url, user)
            await page.goto(demo.url + path)
            await page.locator(wanted).first.wait_for()
            await page.wait_for_load_state("networkidle")
            await page.screenshot(path=IMAGES / f"{name}.png")
            await context.close()
        await browser.close()


async def _sign_in(page: Page, url: str, user: str) -> None:
    await page.goto(url + "/login")
    await page.locator(f"button[value={user}]").click()
    await page.wait_for_url(url + "/")


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    asyncio.run(take_all())
