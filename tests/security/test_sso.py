"""Rule 11: a token is sent to an address of the list only, and only of whoever this very request proves to be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import jwt
import pytest
from site_kit import IN_FRAME, SCRIPT, Site

pytestmark = pytest.mark.asyncio(loop_scope="module")

MakeSite = Callable[..., Awaitable[Site]]
BACK = "https://acme.rocketlane.example/cp/projects?tab=plan"


def with_sso(config: dict[str, Any]) -> None:
    config["portals"]["onboarding"]["sso"] = {"return_to": ["https://acme.rocketlane.example/cp/"]}


def sso(address: str = BACK, portal: str = "onboarding") -> str:
    return f"/portal/{portal}/sso?return_to={quote(address, safe='')}"


def claims(site: Site, location: str) -> dict[str, Any]:
    [token] = parse_qs(urlsplit(location).query)["token"]
    return jwt.decode(token, site.sandbox.rocketlane_secret, ["HS256"])


async def test_a_visitor_with_access_gets_back_with_a_token_of_their_own(make_site: MakeSite) -> None:
    site = await make_site(with_sso)
    for user in ("jane", "ines"):
        answer = await (await site.browser(user)).get(sso())
        assert answer.status_code == 303
        assert answer.headers["location"].startswith(BACK + "&token=")
        assert answer.headers["cache-control"] == "no-store"
        assert claims(site, answer.headers["location"])["user"]["emailId"] == f"{user}@vance.example"


@pytest.mark.parametrize(
    "address",
    [
        "//evil.example/cp/",
        "https://evil.example/cp/",
        "https://acme.rocketlane.example@evil.example/cp/",
        "https://acme.rocketlane.example\\@evil.example/cp/",
        "https://acme.rocketlane.example／.evil.example/cp/",
        "https%3A%2F%2Facme.rocketlane.example%2Fcp%2F",
        "https://acme.rocketlane.example/cp/%252e%252e/admin",
        "https://acme.rocketlane.example/admin",
        "javascript:alert(1)",
        "https://acme.rocketlane.example/cp/?token=evil",
    ],
)
async def test_no_other_address_gets_a_token_or_a_visitor(make_site: MakeSite, address: str) -> None:
    site = await make_site(with_sso)
    answer = await (await site.browser("jane")).get(sso(address))
    assert (answer.status_code, answer.headers.get("location")) == (400, None)
    assert "evil" not in answer.text
    assert site.sandbox.rocketlane_vendor.calls.count("GET", "/projects") == 0


async def test_without_access_there_is_no_token(make_site: MakeSite) -> None:
    site = await make_site(with_sso)
    answer = await (await site.browser("noah")).get(sso())
    assert (answer.status_code, answer.headers.get("location")) == (403, None)


async def test_nobody_is_signed_in_by_an_address_that_names_them(make_site: MakeSite) -> None:
    site = await make_site(with_sso)
    answer = await (await site.browser(None)).get(sso() + "&user_id=jane&email=jane@vance.example")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login?next=%2Fportal%2Fonboarding%2Fsso%3Freturn_to%3Dhttps%253A")
    assert "token=" not in answer.headers["location"]


async def test_after_signing_in_the_visitor_gets_where_they_were_going(make_site: MakeSite) -> None:
    site = await make_site(with_sso)
    browser = await site.browser(None)
    back = parse_qs(urlsplit((await browser.get(sso())).headers["location"]).query)["next"][0]
    signed_in = await browser.post("/login", data={"user_id": "jane", "next": back})
    answer = await browser.get(signed_in.headers["location"])
    assert answer.headers["location"].startswith(BACK + "&token=")


@pytest.mark.parametrize("headers", [IN_FRAME, SCRIPT, {"purpose": "prefetch"}], ids=["frame", "script", "prefetch"])
async def test_what_is_no_visit_gets_no_token(make_site: MakeSite, headers: dict[str, str]) -> None:
    site = await make_site(with_sso)
    answer = await (await site.browser("jane")).get(sso(), headers=headers)
    assert (answer.status_code, answer.headers.get("location")) == (400, None)


async def test_a_chosen_project_is_checked_and_the_way_back_kept(make_site: MakeSite) -> None:
    site = await make_site(with_sso)
    browser = await site.browser("pia")
    chooser = await browser.get(sso())
    assert chooser.status_code == 200
    assert f"?return_to={quote(BACK, safe='')}&amp;project=6002" in chooser.text
    chosen = await browser.get(sso() + "&project=6002")
    assert claims(site, chosen.headers["location"])["config"]["projectId"] == 6002
    assert (await browser.get(sso() + "&project=5001")).status_code == 403


async def test_without_an_address_the_portal_opens(make_site: MakeSite) -> None:
    site = await make_site(with_sso)
    answer = await (await site.browser("jane")).get("/portal/onboarding/sso")
    assert urlsplit(answer.headers["location"]).path == "/cp/embed"


async def test_it_is_off_by_default_and_for_planhat(make_site: MakeSite) -> None:
    site = await make_site()
    browser = await site.browser("jane")
    assert (await browser.get(sso())).status_code == 404
    assert (await browser.get(sso(portal="success"))).status_code == 404


async def test_no_token_and_no_address_is_logged(make_site: MakeSite, caplog: pytest.LogCaptureFixture) -> None:
    site = await make_site(with_sso)
    with caplog.at_level("DEBUG", "portal_gateway"):
        answer = await (await site.browser("jane")).get(sso())
        await (await site.browser("jane")).get(sso("https://evil.example/SECRET"))
    token = parse_qs(urlsplit(answer.headers["location"]).query)["token"][0]
    assert token not in caplog.text
    assert "SECRET" not in caplog.text
