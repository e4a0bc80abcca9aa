"""A real Chromium and the whole demo, both on real sockets, in one event loop."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from browser.browser_people import Demo, Visitor
from playwright.async_api import BrowserContext, async_playwright

from portal_gateway.sandbox.demo import demo_app, running_vendors
from portal_gateway.sandbox.serve import create_sandbox
from portal_gateway.sandbox.server import running

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture
async def demo() -> AsyncIterator[Demo]:
    sandbox = create_sandbox()
    async with (
        running_vendors(sandbox, "127.0.0.1") as (planhat_url, rocketlane_url),
        running(demo_app(sandbox, planhat_url, rocketlane_url)) as url,
    ):
        yield Demo(url, sandbox, planhat_url, rocketlane_url)


@pytest.fixture
async def context() -> AsyncIterator[BrowserContext]:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "the browser tests need Chromium: apt-get install chromium"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        yield await browser.new_context(viewport={"width": 1280, "height": 860})
        await browser.close()


@pytest.fixture
async def visitor(demo: Demo, context: BrowserContext) -> AsyncIterator[Visitor]:
    visitor = Visitor(context, demo.url)
    context.on("page", visitor.watch)
    yield visitor
    assert not visitor.complaints
