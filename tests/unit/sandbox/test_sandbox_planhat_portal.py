"""Planhat's portal: what a minted link opens, once, for thirty seconds."""

from __future__ import annotations

import httpx
import pytest

from portal_gateway.sandbox import Sandbox
from portal_gateway.sandbox.clock import FixedClock
from portal_gateway.sandbox.planhat_portal import LinkRefused, RedirectLinks


async def mint(planhat: httpx.AsyncClient, person: str = "jane") -> str:
    return (await planhat.get(f"/shareabletokens/extid-{person}")).text


async def test_a_link_logs_its_owner_in(planhat: httpx.AsyncClient) -> None:
    redirect = await planhat.get(await mint(planhat))
    assert redirect.status_code == 303
    assert redirect.headers["location"] == "/portal"
    assert redirect.headers["cache-control"] == "no-store"
    cookie = redirect.headers["set-cookie"]
    assert cookie.startswith("planhat_portal=")
    assert "HttpOnly" in cookie
    page = await planhat.get("/portal")
    assert page.status_code == 200
    assert "Logged in as <strong>Jane Moreau</strong> (jane@vance.example)" in page.text
    assert "Planhat sandbox" in page.text


async def test_the_next_link_changes_who_is_logged_in(planhat: httpx.AsyncClient) -> None:
    await planhat.get(await mint(planhat, "jane"))
    await planhat.get(await mint(planhat, "lena"))
    page = await planhat.get("/portal")
    assert "Lena Fischer" in page.text
    assert "Jane" not in page.text


async def test_a_link_works_for_thirty_seconds(sandbox: Sandbox, planhat: httpx.AsyncClient) -> None:
    early, late = await mint(planhat), await mint(planhat)
    sandbox.clock.advance(29)
    assert (await planhat.get(early)).status_code == 303
    sandbox.clock.advance(2)
    response = await planhat.get(late)
    assert response.status_code == 410
    assert "This link has expired." in response.text
    assert "set-cookie" not in response.headers


async def test_a_link_works_once(planhat: httpx.AsyncClient) -> None:
    link = await mint(planhat)
    await planhat.get(link)
    response = await planhat.get(link)
    assert response.status_code == 410
    assert "This link has already been used." in response.text


async def test_a_prefetcher_uses_a_link_up(planhat: httpx.AsyncClient) -> None:
    link = await mint(planhat)
    await planhat.head(link)
    assert (await planhat.get(link)).status_code == 410


async def test_a_link_may_work_again(sandbox: Sandbox, planhat: httpx.AsyncClient) -> None:
    sandbox.planhat_vendor.switches.update({"link_single_use": False})
    link = await mint(planhat)
    assert [(await planhat.get(link)).status_code for _ in range(2)] == [303, 303]


@pytest.mark.parametrize("token", ["x", "%00", "extid-jane"])
async def test_an_invented_link_is_refused(planhat: httpx.AsyncClient, token: str) -> None:
    response = await planhat.get(f"/redirect/{token}")
    assert response.status_code == 403
    assert "This link is not valid." in response.text


@pytest.mark.parametrize("cookie", [None, "planhat_portal=", "planhat_portal=65f1c0ffee00000000001001"])
async def test_the_portal_is_for_those_logged_in(planhat: httpx.AsyncClient, cookie: str | None) -> None:
    response = await planhat.get("/portal", headers={"Cookie": cookie} if cookie else {})
    assert response.status_code == 401
    assert "You are not signed in." in response.text


async def test_a_name_cannot_bring_markup(sandbox: Sandbox, planhat: httpx.AsyncClient) -> None:
    sandbox.world.planhat.end_users[0].first_name = "<script>"
    await planhat.get(await mint(planhat))
    page = await planhat.get("/portal")
    assert "&lt;script&gt;" in page.text
    assert "<script>" not in page.text


async def test_the_root_leads_to_the_portal_and_assets_are_served(planhat: httpx.AsyncClient) -> None:
    assert (await planhat.get("/")).headers["location"] == "/portal"
    assert (await planhat.get("/static/portal.css")).headers["content-type"].startswith("text/css")


def test_links_are_forgotten_when_long_dead() -> None:
    clock = FixedClock(0)
    links = RedirectLinks(clock)
    old = links.mint("someone", 30)
    clock.advance(700)
    links.mint("someone", 30)
    with pytest.raises(LinkRefused, match="not valid"):
        links.redeem(old, single_use=True)
