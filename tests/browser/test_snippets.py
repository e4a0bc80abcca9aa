"""How links, buttons and frames look that are put into pages, with the style sheet for them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from browser.axe_findings import SCREENS, findings
from browser.conftest import running_browser
from browser.frontend_build import install
from browser.layout_shift import shifted
from playwright.async_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from portal_gateway import EndUser, PortalGatewayMiddleware, load_settings
from portal_gateway.sandbox.demo import demo_config, running_vendors
from portal_gateway.sandbox.serve import create_sandbox
from portal_gateway.sandbox.server import running

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = """<!doctype html><html lang="en"><head><title>App</title><meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="/portal/-/snippets.css"><link rel="stylesheet" href="/app.css"></head><body>
<nav>Menu </nav><main><h1>App</h1></main><footer>Acme</footer></body></html>"""
STYLE = ":root { color-scheme: light dark; background: Canvas } body { font: 1rem/1.5 sans-serif }"
OWN_STYLE = ".portal-button { background: rgb(1, 2, 3) }"
JANE = EndUser("jane", "jane@vance.example", company_id="201")


def link(at: str, kind: str, **more: str) -> dict[str, object]:
    return {"at": at, "attributes": {"class": f"portal-link {kind}"}, "paths": ["/", "/own"], **more}


async def page(request: Request) -> Response:
    if request.url.path == "/app.css":
        own = OWN_STYLE if "own" in request.headers["referer"] else ""
        return Response(STYLE + own, media_type="text/css")
    policy = "default-src 'none'; style-src 'self'; frame-src 'self'; script-src 'self'; connect-src 'self'"
    return HTMLResponse(PAGE, headers={"content-security-policy": policy})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url() -> AsyncIterator[str]:
    sandbox = create_sandbox()
    async with running_vendors(sandbox, "127.0.0.1") as urls:
        config = demo_config(*urls)
        for portal in config["portals"].values():
            portal["access"] = {"budget_ms": 5000}
        frame = {"class": "portal-frame portal-frame-full"}
        config["portals"]["success"]["inject"] = [
            link("nav", "portal-button"),
            link("footer", "portal-floating"),
            {**link("nav", "portal-button", mode="loader"), "paths": ["/loader"]},
            {"at": "nav", "mode": "loader", "paths": ["/plain"]},
        ]
        config["portals"]["onboarding"] |= {
            "csp": "extend",
            "inject": [{"at": "main", "as": "iframe", "attributes": frame, "paths": ["/"]}],
        }
        environ = {
            "PLANHAT_API_TOKEN": sandbox.planhat_token,
            "ROCKETLANE_API_KEY": sandbox.rocketlane_api_key,
            "ROCKETLANE_SHARED_SECRET": sandbox.rocketlane_secret,
        }
        app = Starlette(routes=[Route("/{path:path}", page)])
        async with running(
            PortalGatewayMiddleware(app, load_settings(config, environ=environ), lambda _scope: JANE)
        ) as url:
            yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    install()
    async with running_browser() as browser:
        yield browser


async def computed(page: Page, selector: str, name: str) -> str:
    return str(await page.locator(selector).evaluate(f"(element) => getComputedStyle(element)['{name}']"))


async def opened(browser: Browser, address: str, screen: str = "desktop") -> Page:
    page = await browser.new_page(viewport=SCREENS[screen])
    await page.goto(address)
    return page


@pytest.mark.parametrize("screen", SCREENS)
async def test_a_button_a_floating_one_and_a_frame(url: str, browser: Browser, screen: str) -> None:
    page = await opened(browser, url + "/", screen)
    for selector in (".portal-button", ".portal-floating"):
        assert await computed(page, selector, "backgroundColor") == "rgb(11, 110, 117)"
        assert await computed(page, selector, "color") == "rgb(255, 255, 255)"
        assert await computed(page, selector, "textDecorationLine") == "none"
    frame = await page.locator("iframe").bounding_box()
    assert frame is not None
    assert frame["height"] == max(480, SCREENS[screen]["height"] - 192)
    assert frame["width"] <= SCREENS[screen]["width"]
    assert await computed(page, "iframe", "borderTopWidth") == "1px"
    await expect(page.locator(".portal-floating")).to_be_in_viewport(ratio=1)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        assert await findings(page) == []
    await page.emulate_media(media="print")
    await expect(page.locator(".portal-floating")).to_be_hidden()
    await page.close()


async def test_the_pages_own_rules_win(url: str, browser: Browser) -> None:
    page = await opened(browser, url + "/own")
    assert await computed(page, ".portal-button", "backgroundColor") == "rgb(1, 2, 3)"
    await page.close()


async def test_the_loaders_link_looks_the_same(url: str, browser: Browser) -> None:
    page = await opened(browser, url + "/loader")
    await expect(page.get_by_role("link", name="Customer portal")).to_be_visible()
    assert await computed(page, ".portal-button > a", "backgroundColor") == "rgb(11, 110, 117)"
    await page.close()


async def test_a_link_that_comes_late_moves_nothing(url: str, browser: Browser) -> None:
    page = await opened(browser, url + "/plain")
    await expect(page.get_by_role("link", name="Customer portal")).to_be_visible()
    assert await shifted(page) == 0
    await page.close()
