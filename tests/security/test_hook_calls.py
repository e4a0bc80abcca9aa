"""Hooks end to end, with the vendors' emulators: what a caller with or without the secret can bring about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from site_kit import IN_FRAME, Site

from portal_gateway.portal import hooks

pytestmark = pytest.mark.asyncio(loop_scope="module")

MakeSite = Callable[..., Awaitable[Site]]
SECRET = "hook-secret-of-these-tests"
FRAME = b"portal-frame"


@pytest.fixture
def with_hooks(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Callable[[dict[str, Any]], None]:
    (tmp_path / "secret").write_text(SECRET)

    def change(config: dict[str, Any]) -> None:
        for portal in config["portals"].values():
            portal["hook"] = {"secret": {"file": str(tmp_path / "secret")}, "header": "X-Hook-Secret"}

    return change


def project_event(number: int, kind: str = "PROJECT_ARCHIVED", project: int = 5001) -> dict[str, Any]:
    return {
        "eventId": f"event-{number}",
        "resourceType": "PROJECT",
        "eventType": kind,
        "data": {"projectId": project, "customer": {"companyId": 201}},
    }


async def call(site: Site, name: str, body: dict[str, Any], secret: str = SECRET) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(site.app), base_url="http://app.test") as client:
        return await client.post(f"/portal/-/hooks/{name}", json=body, headers={"X-Hook-Secret": secret})


async def test_an_archived_project_is_entered_by_nobody_and_gone_once_asked_about(
    make_site: MakeSite, with_hooks: Any
) -> None:
    site = await make_site(with_hooks)
    browser = await site.browser("jane")
    assert FRAME in (await browser.get("/onboarding")).content
    [project] = [p for p in site.sandbox.world.rocketlane.projects if p.id == 5001]
    project.archived = True
    assert FRAME in (await browser.get("/onboarding")).content, "decisions are kept for a while"
    assert (await call(site, "onboarding", project_event(1))).json() == {"outcome": "forgotten"}
    assert (await browser.get("/portal/onboarding/embed", headers=IN_FRAME)).status_code == 403
    assert FRAME not in (await browser.get("/onboarding")).content


async def test_a_user_who_was_given_access_sees_the_link_on_the_next_page(make_site: MakeSite, with_hooks: Any) -> None:
    site = await make_site(with_hooks)
    browser = await site.browser("ines")
    assert b"portal-link" not in (await browser.get("/")).content
    [ines] = [user for user in site.sandbox.world.planhat.end_users if user.external_id == "ines"]
    ines.portal_access = True
    assert (await call(site, "success", {"user_id": "ines"})).status_code == 200
    assert b"portal-link" in (await browser.get("/")).content


async def test_an_event_gives_nobody_access(make_site: MakeSite, with_hooks: Any) -> None:
    site = await make_site(with_hooks)
    browser = await site.browser("omar")
    claims = {**project_event(1, "PROJECT_UPDATED"), "access": True, "user_id": "omar"}
    claims["data"]["teamMembers"] = {"customers": [{"emailId": "omar@vance.example"}]}
    assert (await call(site, "onboarding", claims)).status_code == 200
    assert (await browser.get("/portal/onboarding/embed", headers=IN_FRAME)).status_code == 403


async def test_without_the_secret_nothing_is_dropped(make_site: MakeSite, with_hooks: Any) -> None:
    site = await make_site(with_hooks)
    browser = await site.browser("jane")
    await browser.get("/onboarding")
    calls = site.sandbox.rocketlane_vendor.calls
    before = len(calls)
    for secret in ("", SECRET[:-1], SECRET.upper(), "x" * 100_000):
        response = await call(site, "onboarding", project_event(1), secret)
        assert (response.status_code, response.json()["code"]) == (401, "wrong_secret")
    await browser.get("/onboarding")
    assert len(calls) == before


async def test_a_flood_of_events_costs_the_vendor_next_to_nothing(make_site: MakeSite, with_hooks: Any) -> None:
    site = await make_site(with_hooks)
    browser = await site.browser("jane")
    calls = site.sandbox.rocketlane_vendor.calls
    for number in range(50):
        await call(site, "onboarding", project_event(number // 2))
        await browser.get("/onboarding")
    assert calls.count("GET", "/api/1.0/projects") <= 2


async def test_a_body_too_long_is_refused(make_site: MakeSite, with_hooks: Any) -> None:
    site = await make_site(with_hooks)
    event = {**project_event(1), "data": "x" * hooks.MAX_EVENT_BYTES}
    response = await call(site, "onboarding", event)
    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    assert (await call(site, "onboarding", project_event(1))).json() == {"outcome": "forgotten"}
