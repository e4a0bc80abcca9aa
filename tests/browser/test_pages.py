"""Every page that the documentation shows, as people have it: both schemes, both screens, without JavaScript."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from browser.axe_findings import SCREENS, findings
from browser.browser_people import Visitor
from browser.conftest import running_browser
from browser.frontend_build import install
from browser.layout_shift import shifted
from playwright.async_api import Browser, expect

from portal_gateway.sandbox.demo import Demo, running_demo

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCRIPT = Path(__file__).parents[2] / "docs" / "make_screenshots.py"


def photographer() -> Any:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("make_screenshots", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["make_screenshots"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SHOTS = photographer()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    install()
    async with running_browser() as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def demo() -> AsyncIterator[Demo]:
    async with running_demo() as demo:
        yield demo


@pytest.mark.parametrize("shot", SHOTS.PAGES, ids=lambda shot: shot.name)
async def test_nothing_serious_nothing_sideways_nothing_in_the_console(shot: Any, browser: Browser, demo: Demo) -> None:
    context = await browser.new_context(locale=shot.language)
    visitor = Visitor(context, demo.url)
    context.on("page", visitor.watch)
    page = await SHOTS.look(context, demo, shot)
    shown: Any = page.frames[-1] if shot.name == "signed-out" else page
    assert await shown.evaluate("document.documentElement.lang") == shot.language[:2]
    for scheme in ("light", "dark"):
        for screen in SCREENS.values():
            await page.set_viewport_size(screen)
            await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            assert await findings(shown) == []
        await page.set_viewport_size({"width": 360, "height": 640})
        assert await shown.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # The browser itself reports a document with a status such as 403 as a console error.
    assert [text for text in visitor.complaints if "the server responded with a status of" not in text] == []
    await context.close()


async def test_without_javascript_the_pages_work(browser: Browser, demo: Demo) -> None:
    demo.sandbox.reset()
    context = await browser.new_context(java_script_enabled=False)
    page = await Visitor(context, demo.url).sign_in("pia")
    await page.goto(demo.url + "/portal/onboarding/")
    await page.get_by_role("link", name="Globex second plant").click()
    await expect(page.frame_locator("iframe").locator("body")).to_contain_text("Globex second plant")
    await expect(page.get_by_text("Loading…")).to_be_hidden()
    await page.get_by_role("link", name="Other projects").click()
    await page.get_by_role("link", name="Globex onboarding").click()
    async with context.expect_page() as opening:
        await page.get_by_role("link", name="Open in a new tab").click()
    await expect((await opening.value).locator("body")).to_contain_text("Globex onboarding")
    await context.close()


async def test_the_frame_speaks_the_visitors_language(browser: Browser, demo: Demo) -> None:
    demo.sandbox.reset()
    context = await browser.new_context(locale="de-DE")
    page = await Visitor(context, demo.url).sign_in("jane")
    await page.goto(demo.url + "/portal/onboarding/")
    await expect(page.get_by_role("button", name="Neu laden")).to_be_visible()
    await page.get_by_text("Bleibt das Fenster leer").click()
    await expect(page.get_by_text("Möglicherweise blockiert Ihr Browser")).to_be_visible()
    await context.close()


@pytest.mark.parametrize("path", ["/", "/portal/", "/portal/success/"])
async def test_nothing_moves_when_a_page_is_there(path: str, browser: Browser, demo: Demo) -> None:
    demo.sandbox.reset()
    context = await browser.new_context()
    page = await Visitor(context, demo.url).sign_in("jane")
    await page.goto(demo.url + path)
    await page.wait_for_load_state("networkidle")
    assert await shifted(page) == 0
    await context.close()


async def test_the_observer_sees_what_moves(browser: Browser, demo: Demo) -> None:
    page = await browser.new_page()
    await page.goto(demo.url + "/login")
    await page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    await page.evaluate("document.body.style.marginTop = '200px'")
    assert await shifted(page) > 0
    await page.close()
