"""The two modes of injection as a browser lives them: caches, policies, no script."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from browser.browser_people import Visitor
from playwright.async_api import BrowserContext, expect
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from portal_gateway import PortalGatewayMiddleware, load_settings
from portal_gateway.sandbox.demo import demo_config, running_vendors
from portal_gateway.sandbox.serve import create_sandbox
from portal_gateway.sandbox.server import running

PAGE = "<!doctype html><title>App</title><nav><div class=links><a href=/>Home</a></div></nav><main><h1>App</h1></main>"
STRICT = "default-src 'none'; script-src 'nonce-r4nd0m'; connect-src 'self'"


async def enter(request: Request) -> Response:
    user_id = request.path_params["user"]
    request.session.update(user_id=user_id, email=f"{user_id}@vance.example", company_id="201")
    return HTMLResponse("<title>in</title>")


async def page(request: Request) -> Response:
    headers = {
        "/shared": {"cache-control": "public, max-age=60", "etag": '"v1"'},
        "/strict": {"cache-control": "public", "content-security-policy": STRICT},
        "/closed": {"cache-control": "public", "content-security-policy": "default-src 'none'"},
        "/onboarding": {"content-security-policy": "default-src 'self'; style-src 'self'"},
    }
    if request.headers.get("if-none-match") == '"v1"':
        return Response(status_code=304, headers={"etag": '"v1"'})
    return HTMLResponse(PAGE, headers=headers.get(request.url.path))


@asynccontextmanager
async def site(*, extend_csp: bool) -> AsyncIterator[str]:
    sandbox = create_sandbox()
    async with running_vendors(sandbox, "127.0.0.1") as (planhat_url, rocketlane_url):
        config = demo_config(planhat_url, rocketlane_url)
        config["portals"]["onboarding"]["csp"] = "extend" if extend_csp else "keep"
        secrets = {
            "PLANHAT_API_TOKEN": sandbox.planhat_token,
            "ROCKETLANE_API_KEY": sandbox.rocketlane_api_key,
            "ROCKETLANE_SHARED_SECRET": sandbox.rocketlane_secret,
        }
        app = Starlette(
            routes=[Route("/in/{user}", enter), Route("/{path:path}", page)],
            middleware=[Middleware(SessionMiddleware, secret_key="test")],
        )
        gateway = PortalGatewayMiddleware(app, load_settings(config, environ=secrets))
        async with running(gateway) as url:
            yield url


@pytest.fixture
async def person(context: BrowserContext) -> AsyncIterator[Visitor]:
    async with site(extend_csp=True) as url:
        visitor = Visitor(context, url)
        context.on("page", visitor.watch)
        yield visitor
        assert not visitor.complaints


async def test_a_page_that_shared_caches_keep_gets_its_link_from_the_browser(person: Visitor) -> None:
    await person.open("/in/jane")
    shared = await person.open("/shared")
    await expect(shared.locator("portal-link a.portal-link")).to_have_text("Customer portal")
    async with shared.context.expect_page() as opening:
        await shared.locator("portal-link a").click()
    await expect((await opening.value).locator("body")).to_contain_text("Logged in as Jane")


async def test_the_very_same_page_shows_nothing_to_others(person: Visitor) -> None:
    await person.open("/in/noah")
    shared = await person.context.new_page()
    async with shared.expect_response("**/portal/success/access") as answer:
        await shared.goto(person.base_url + "/shared")
    assert (await (await answer.value).json())["access"] is False
    await expect(shared.locator("portal-link")).to_have_count(1)
    await expect(shared.locator("portal-link a")).to_have_count(0)


async def test_the_loader_works_with_the_nonce_of_a_strict_policy(person: Visitor) -> None:
    await person.open("/in/jane")
    strict = await person.open("/strict")
    await expect(strict.locator("portal-link a")).to_have_count(1)


async def test_a_policy_without_any_script_is_respected_and_breaks_nothing(person: Visitor) -> None:
    await person.open("/in/jane")
    closed = await person.open("/closed")
    await expect(closed.locator("h1")).to_have_text("App")
    await expect(closed.locator("portal-link, .portal-link")).to_have_count(0)


async def test_the_iframe_shows_through_a_policy_that_was_extended_for_it(person: Visitor) -> None:
    await person.open("/in/jane")
    onboarding = await person.open("/onboarding")
    await expect(onboarding.frame_locator("iframe").locator("body")).to_contain_text("Logged in as Jane")


async def test_without_leave_to_extend_the_policy_there_is_no_broken_iframe(context: BrowserContext) -> None:
    async with site(extend_csp=False) as url:
        visitor = Visitor(context, url)
        context.on("page", visitor.watch)
        await visitor.open("/in/jane")
        onboarding = await visitor.open("/onboarding")
        await expect(onboarding.locator("h1")).to_have_text("App")
        await expect(onboarding.locator("iframe")).to_have_count(0)
        assert not visitor.complaints


async def test_the_decided_link_works_without_javascript(person: Visitor) -> None:
    browser = person.context.browser
    assert browser is not None
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(person.base_url + "/in/jane")
    await page.goto(person.base_url + "/portal/success/access")  # the decision is at hand from now on
    await page.goto(person.base_url + "/")
    async with context.expect_page() as opening:
        await page.locator("a.portal-link").click()
    await expect((await opening.value).locator("body")).to_contain_text("Logged in as Jane")


async def test_a_prefetched_launch_uses_up_no_link(person: Visitor) -> None:
    await person.open("/in/jane")
    page = await person.open("/")
    answer = await page.request.get(
        person.base_url + "/portal/success/launch", headers={"sec-purpose": "prefetch;prerender"}, max_redirects=0
    )
    assert answer.status == 400
