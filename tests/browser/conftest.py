"""A real Chromium and the whole demo, both on real sockets, in one event loop."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from browser.browser_people import Visitor
from browser.frontend_build import build, install
from browser.frontend_site import Frontends, running_frontends
from playwright.async_api import Browser, BrowserContext, async_playwright, expect

from portal_gateway.sandbox.demo import Demo, running_demo

# Headless on a machine without network: nothing that Chromium does for itself may wait for an answer.
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# What a busy machine may take; nothing waits that long without failing.
expect.set_options(timeout=15_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture
async def demo() -> AsyncIterator[Demo]:
    async with running_demo() as demo:
        yield demo


@asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "the browser tests need Chromium: apt-get install chromium"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium,
            args=CHROMIUM_ARGUMENTS,
            # Playwright would turn the blocker off, and people have it on.
            ignore_default_args=["--disable-popup-blocking"],
        )
        yield browser
        await browser.close()


@pytest.fixture
async def context() -> AsyncIterator[BrowserContext]:
    async with running_browser() as browser:
        yield await browser.new_context(viewport={"width": 1280, "height": 860})


@pytest.fixture
async def visitor(demo: Demo, context: BrowserContext) -> AsyncIterator[Visitor]:
    visitor = Visitor(context, demo.url)
    context.on("page", visitor.watch)
    yield visitor
    assert not visitor.complaints


# The front ends are many small tests: they share one loop, and in it one browser and one site.


@pytest.fixture(scope="session")
def built_apps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    install()
    target = tmp_path_factory.mktemp("apps")
    build(target)
    return target


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as browser:
        yield browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def frontends(built_apps: Path) -> AsyncIterator[Frontends]:
    # The minutes pass in the browser's own clock, where a test moves it.
    async with running_frontends(built_apps, timeout_s=60, renew_s=600) as frontends:
        yield frontends


@pytest_asyncio.fixture(loop_scope="session")
async def guest(frontends: Frontends, browser: Browser) -> AsyncIterator[Visitor]:
    """A visitor of the five front ends; `enter` signs in."""
    frontends.reset()
    context = await browser.new_context(viewport={"width": 1280, "height": 860})
    visitor = Visitor(context, frontends.url)
    context.on("page", visitor.watch)
    yield visitor
    await context.close()
    assert not visitor.complaints
