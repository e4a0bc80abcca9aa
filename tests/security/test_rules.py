"""The rules that never break, each from end to end: a real host app, the gateway around it, both vendors' emulators.

Rules 8 (memory) and 9 (reasons) are in test_rules_bounds.py."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from codings_kit import pack, unpack
from gateway_kit import (
    BROWSER,
    HTML,
    PAGE,
    PageApp,
    Response,
    ScriptedProvider,
    ask,
    http_scope,
    planhat,
    settings,
    wrapped,
)
from selectolax.lexbor import LexborHTMLParser
from site_kit import IN_FRAME, NAVIGATION, SCRIPT, Site, without_snippets

from portal_gateway.sandbox import create_sandbox
from portal_gateway.sandbox.demo import demo_config, running_vendors

pytestmark = pytest.mark.asyncio(loop_scope="module")

MakeSite = Callable[..., Awaitable[Site]]

FAULTS: list[dict[str, Any]] = [
    {"status": 401},
    {"status": 429},
    {"status": 500},
    {"status": 503},
    {"fault": "html"},
    {"fault": "huge"},
    {"access_form": "unknown", "fault_path": "/api/", "status": 500},
]
FAULT_IDS = ["401", "429", "500", "503", "html", "40-mb", "strange"]


class TestRule1TheHostAppIsNeverWorseOff:
    @pytest.mark.parametrize("fault", FAULTS, ids=FAULT_IDS)
    async def test_a_vendor_in_trouble_does_not_touch_the_page(
        self, make_site: MakeSite, fault: dict[str, Any]
    ) -> None:
        site = await make_site()
        browser, bare = await site.browser(), await site.browser(bare=True)
        site.switch(**fault)
        for path in ("/", "/onboarding", "/reports", "/nowhere", "/api/me"):
            ours, theirs = await browser.get(path), await bare.get(path)
            assert (ours.status_code, ours.content) == (theirs.status_code, theirs.content), path

    @pytest.mark.parametrize("fault", ["hang", "trickle"])
    async def test_a_vendor_that_never_answers_costs_the_budget_only(self, make_site: MakeSite, fault: str) -> None:
        def no_budget(config: dict[str, Any]) -> None:
            for portal in config["portals"].values():
                portal["access"]["budget_ms"] = 0

        site = await make_site(no_budget)
        browser, bare = await site.browser(), await site.browser(bare=True)
        site.switch(fault=fault)
        for path in ("/", "/onboarding"):
            ours, theirs = await browser.get(path), await bare.get(path)
            assert ours.status_code == 200
            assert b"<portal-link" in ours.content
            assert without_snippets(ours.content) == theirs.content

    @pytest.mark.interpreted
    async def test_neither_does_a_fault_of_our_own(self, make_site: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
        site = await make_site()
        browser, bare = await site.browser(), await site.browser(bare=True)
        for target in ("responder.plan_page", "rewrite.Scanner", "rewrite.decoder"):
            with monkeypatch.context() as patch:
                patch.setattr(f"portal_gateway.injection.{target}", lambda *_: 1 / 0)
                ours, theirs = await browser.get("/"), await bare.get("/")
            assert (ours.status_code, ours.content) == (theirs.status_code, theirs.content), target
            assert ours.headers["content-length"] == theirs.headers["content-length"]

    async def test_the_first_byte_does_not_wait_for_the_vendor(self, monkeypatch: pytest.MonkeyPatch) -> None:
        provider = ScriptedProvider()
        provider.gate = asyncio.Event()
        rule = {"at": "nav", "position": "append"}
        config = settings(portals={"success": planhat(rule, access={"budget_ms": 10_000})})
        app = wrapped(PageApp(), config, {"success": provider}, monkeypatch)
        response = Response()
        request = asyncio.create_task(app(http_scope(user="jane"), None, response.send))
        async with asyncio.timeout(5):
            while not response.body:
                await asyncio.sleep(0)
        assert response.body == PAGE[: PAGE.index(b"</nav>")]
        provider.gate.set()
        await request
        assert without_snippets(response.body) == PAGE


class TestRule2BytesOutsideTheInsertionAreNeverChanged:
    @pytest.mark.parametrize("path", ["/", "/onboarding", "/reports", "/login"])
    async def test_the_page_is_the_apps_page_plus_the_snippet(self, make_site: MakeSite, path: str) -> None:
        site = await make_site()
        browser, bare = await site.browser(), await site.browser(bare=True)
        ours, theirs = (await browser.get(path)).content, (await bare.get(path)).content
        assert without_snippets(ours) == theirs
        assert (ours != theirs) is (path != "/login")

    @pytest.mark.parametrize("path", ["/", "/onboarding"])
    async def test_it_parses_to_the_same_dom_plus_the_snippet(self, make_site: MakeSite, path: str) -> None:
        site = await make_site()
        browser, bare = await site.browser(), await site.browser(bare=True)
        ours = LexborHTMLParser((await browser.get(path)).text)
        added = ours.css("[data-portal]")
        assert added
        for node in added:
            node.decompose()
        assert ours.html == LexborHTMLParser((await bare.get(path)).text).html

    @pytest.mark.parametrize("coding", ["identity", "gzip", "deflate", "br", "zstd", "gzip, br"])
    async def test_in_every_coding_we_open(self, monkeypatch: pytest.MonkeyPatch, coding: str) -> None:
        inner = PageApp(pack(coding, PAGE), headers=[HTML, (b"content-encoding", coding.encode())])
        app = wrapped(inner, settings({"at": "nav"}), {"success": ScriptedProvider()}, monkeypatch)
        page = unpack(coding, (await ask(app, "/", user="jane")).body)
        assert without_snippets(page) == PAGE
        assert page != PAGE


IMPERSONATIONS = [
    pytest.param("?user_id=jane&id=jane&email=jane@vance.example&user=jane&enduser_id=extid-jane", {}, id="query"),
    pytest.param("/jane", {}, id="path"),
    pytest.param("?project=5001", {}, id="project"),
    pytest.param("", {"x-user-id": "jane", "x-user-email": "jane@vance.example", "x_user_id": "jane"}, id="headers"),
    pytest.param("", {"remote-user": "jane", "x-forwarded-user": "jane", "x-forwarded-for": "127.0.0.1"}, id="proxy"),
    pytest.param("", {"authorization": "Bearer jane"}, id="bearer"),
    pytest.param("", {"cookie": "user_id=jane; session=jane; coldchain_session=jane"}, id="cookie"),
]


class TestRule3ALinkIsMintedOnlyForWhoThisRequestProves:
    @pytest.mark.parametrize(("suffix", "headers"), IMPERSONATIONS)
    async def test_no_value_of_a_request_becomes_an_identity(
        self, make_site: MakeSite, suffix: str, headers: dict[str, str]
    ) -> None:
        site = await make_site()
        for portal in ("success", "onboarding"):
            for user in (None, "noah") if "cookie" not in headers else (None,):
                browser = await site.browser(user, **headers)
                for route, extra in (("launch", {}), ("embed", IN_FRAME)):
                    response = await browser.request(
                        "GET", f"/portal/{portal}/{route}{suffix}", headers=extra, content=b"user_id=jane&id=jane"
                    )
                    assert response.status_code in (303, 401, 403, 404)
                    assert "token" not in response.headers.get("location", "")
                    assert response.headers.get("location", "/login").startswith("/login")
        assert site.minted() == 0

    @pytest.mark.parametrize(
        ("suffix", "headers"), [p for p in IMPERSONATIONS if p.id in ("headers", "proxy", "bearer")]
    )
    async def test_whoever_claims_to_be_another_stays_herself(
        self, make_site: MakeSite, suffix: str, headers: dict[str, str]
    ) -> None:
        site = await make_site()
        lena = await site.browser("lena", **headers)
        link = (await lena.get(f"/portal/success/launch{suffix}")).headers["location"]
        async with httpx.AsyncClient(follow_redirects=True) as portal:
            page = (await portal.get(link)).text
        assert "Lena Fischer" in page
        assert "Jane" not in page
        embed = (await lena.get("/portal/onboarding/embed", headers=IN_FRAME)).headers["location"]
        assert _claims(site, embed)["user"] == {"emailId": "lena@globex.example"}

    async def test_no_two_responses_share_a_link_and_none_may_be_stored(self, make_site: MakeSite) -> None:
        site = await make_site()
        browser = await site.browser()
        answers = [await browser.get("/portal/success/launch") for _ in range(3)]
        assert len({answer.headers["location"] for answer in answers}) == 3
        for answer in answers:
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["referrer-policy"] == "strict-origin"

    async def test_an_old_link_is_not_worth_anything(self, make_site: MakeSite) -> None:
        site = await make_site()
        link = (await (await site.browser()).get("/portal/success/launch")).headers["location"]
        async with httpx.AsyncClient() as portal:
            assert (await portal.get(link)).status_code == 303
            assert (await portal.get(link)).status_code == 410

    async def test_a_link_in_a_page_is_this_users_own_and_the_page_is_not_stored(self, make_site: MakeSite) -> None:
        def inline(config: dict[str, Any]) -> None:
            config["portals"]["onboarding"]["inject"][0]["sign"] = "inline"

        site = await make_site(inline)
        tokens = []
        for user, email in (("jane", "jane@vance.example"), ("lena", "lena@globex.example")):
            response = await (await site.browser(user)).get("/onboarding")
            assert response.headers["cache-control"] == "no-store"
            source = LexborHTMLParser(response.text).css_first("iframe.portal-frame").attributes["src"]
            tokens.append(source)
            assert _claims(site, source or "")["user"] == {"emailId": email}
            assert response.text.count("token=") == 1
        assert tokens[0] != tokens[1]
        nobody = await (await site.browser("noah")).get("/onboarding")
        assert "token=" not in nobody.text

    @pytest.mark.parametrize(
        "headers",
        [
            {"sec-purpose": "prefetch;prerender"},
            {"purpose": "prefetch"},
            {"sec-fetch-dest": "image", "sec-fetch-mode": "no-cors"},
            SCRIPT,
            {"sec-fetch-dest": "iframe", "sec-fetch-site": "cross-site"},
        ],
    )
    async def test_what_is_no_click_mints_nothing(self, make_site: MakeSite, headers: dict[str, str]) -> None:
        site = await make_site()
        browser = await site.browser()
        for path in ("/portal/success/launch", "/portal/onboarding/embed"):
            if path.endswith("embed") and headers == {"sec-purpose": "prefetch;prerender"}:
                headers = {**headers, "sec-fetch-dest": "iframe"}
            response = await browser.get(path, headers=headers)
            assert response.status_code in (400, 403)
            assert "location" not in response.headers
            assert (await browser.head(path)).status_code == 405
        assert site.minted() == 0

    async def test_no_log_holds_a_link_a_token_a_secret_or_a_vendors_body(
        self, make_site: MakeSite, caplog: pytest.LogCaptureFixture
    ) -> None:
        site = await make_site()
        browser = await site.browser()
        links = []
        with caplog.at_level(logging.DEBUG):
            for path in ("/portal/success/launch?token=QUERY", "/portal/onboarding/launch", "/", "/onboarding"):
                links.append((await browser.get(path)).headers.get("location", ""))
            for fault in ({"evil_link": True}, *FAULTS):
                site.switch(**fault)
                site.gateway._access.forget_portal("success")
                answer = await browser.get("/portal/success/launch")
                assert "maintenance" not in answer.text.lower()
                assert "evil.example" not in answer.text
        requests = [str(line) for line in site.logged.logged()]
        assert any("/portal/success/launch" in line for line in requests), "there is an access log"
        messages = [r.getMessage() for r in caplog.records if r.name.startswith("portal_gateway")]
        assert messages
        own = "\n".join(requests + messages)
        tokens = [link.rpartition("/")[2] for link in links if link]
        assert len(tokens) == 2
        for secret in (*tokens, *site.secrets, "QUERY", "evil.example", "We will be right back", "vance.example"):
            assert secret not in own


def _claims(site: Site, url: str) -> dict[str, Any]:
    token = parse_qs(urlsplit(url).query)["token"][0]
    claims: dict[str, Any] = jwt.decode(token, site.sandbox.rocketlane_secret, algorithms=["HS256"])
    return claims


class TestRule4OnlyAnExplicitYesGrantsAndOnlyAnExplicitNoDenies:
    @pytest.mark.parametrize("fault", FAULTS[:-1], ids=FAULT_IDS[:-1])
    async def test_no_answer_is_neither_signed_nor_remembered_as_a_denial(
        self, make_site: MakeSite, fault: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        site = await make_site()
        browser = await site.browser()
        site.switch(**fault)
        with caplog.at_level(logging.WARNING):
            for portal in ("success", "onboarding"):
                assert (await browser.get(f"/portal/{portal}/launch")).status_code in (502, 503)
                answer = (await browser.get(f"/portal/{portal}/access", headers=SCRIPT)).json()
                assert (answer["access"], answer["launch_url"]) == (None, None)
        assert site.minted() == 0
        assert "no access decision" in caplog.text
        site.switch()
        # A vendor that has had too many calls is left alone for some seconds: that is no denial either.
        expected = (303, 503) if fault.get("status") == 429 else (303,)
        for portal in ("success", "onboarding"):
            assert (await browser.get(f"/portal/{portal}/launch")).status_code in expected

    async def test_an_answer_of_no_known_form_is_no_yes(self, make_site: MakeSite) -> None:
        site = await make_site()
        site.switch(access_form="unknown")
        assert (await (await site.browser()).get("/portal/success/launch")).status_code == 503
        assert site.minted() == 0

    @pytest.mark.parametrize("form", ["false", "403", "404"])
    async def test_a_no_is_a_denial_and_is_remembered(self, make_site: MakeSite, form: str) -> None:
        site = await make_site()
        site.switch(no_access=form)
        ines, record = await site.browser("ines"), site.sandbox.world.planhat.find("extid-ines")
        assert record is not None
        for _ in range(2):
            assert (await ines.get("/portal/success/launch")).status_code == 403
            record.portal_access = True  # a minute is what `denied_ttl` gives the vendor's peace
        assert site.sandbox.planhat_vendor.calls.count("GET", "/shareabletokens/access/") == 1
        assert site.minted() == 0

    async def test_a_user_without_access_sees_no_link(self, make_site: MakeSite) -> None:
        site = await make_site()
        noah, bare = await site.browser("noah"), await site.browser("noah", bare=True)
        page = await noah.get("/")
        assert page.content == (await bare.get("/")).content
        assert page.headers["cache-control"].startswith("private")


class TestRule5AVendorsUrlIsCheckedBeforeItIsFollowedOrShown:
    async def test_a_link_that_leads_elsewhere_is_not_passed_on(self, make_site: MakeSite) -> None:
        site = await make_site()
        browser = await site.browser()
        site.switch(evil_link=True)
        for headers in (NAVIGATION, {"accept": "application/json", "sec-fetch-mode": "navigate"}):
            response = await browser.get("/portal/success/launch", headers=headers)
            assert response.status_code == 502
            assert "location" not in response.headers
            assert "evil.example" not in response.text

    @pytest.mark.parametrize("form", ["text", "json", "object"])
    async def test_a_good_one_is_passed_on_byte_for_byte(self, make_site: MakeSite, form: str) -> None:
        site = await make_site()
        site.switch(mint_form=form)
        response = await (await site.browser()).get("/portal/success/launch")
        (token,) = site.sandbox.planhat_vendor.links._links
        assert response.headers["location"] == f"{site.sandbox.planhat_vendor.public_url}/redirect/{token}"


class TestRule6BeforeATokenIsSignedTheProjectsOwnCompanyIsCompared:
    async def test_a_project_that_went_to_another_company_is_closed_at_once(self, make_site: MakeSite) -> None:
        site = await make_site()
        browser = await site.browser()
        assert (await browser.get("/portal/onboarding/launch")).status_code == 303
        project = site.sandbox.world.rocketlane.project(5001)
        assert project is not None
        project.company_id = 301
        response = await browser.get("/portal/onboarding/launch")
        assert response.status_code == 403
        assert "token=" not in response.text + response.headers.get("location", "")

    @pytest.mark.parametrize("project", ["6001", "6002", "5002", "0", "abc"])
    async def test_no_request_opens_a_project_of_others_or_an_archived_one(
        self, make_site: MakeSite, project: str
    ) -> None:
        site = await make_site()
        browser = await site.browser()
        for route, headers in (("launch", {}), ("embed", IN_FRAME)):
            response = await browser.get(f"/portal/onboarding/{route}?project={project}", headers=headers)
            assert response.status_code == 403
            assert "location" not in response.headers

    async def test_of_several_projects_the_user_chooses_among_her_own(self, make_site: MakeSite) -> None:
        site = await make_site()
        pia = await site.browser("pia")
        chooser = await pia.get("/portal/onboarding/launch")
        assert chooser.status_code == 200
        assert all(f"?project={project}" in chooser.text for project in (6001, 6002))
        assert "5001" not in chooser.text
        link = (await pia.get("/portal/onboarding/launch?project=6002")).headers["location"]
        assert _claims(site, link)["config"] == {"projectId": 6002}
        assert (await pia.get("/portal/onboarding/launch?project=5001")).status_code == 403


class TestRule7IdentityHeadersAreBelievedFromTrustedProxiesOnly:
    IDENTITY = ({"source": "headers", "id": "X-User-Id", "email": "X-User-Email", "company_id": "X-Company-Id"},)
    SENT = ((b"X-User-Id", b"jane"), (b"x_user_email", b"jane@vance.example"), (b"X-COMPANY_ID", b"201"))

    @pytest.fixture
    def site(self, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any, ScriptedProvider]:
        config = settings({"at": "nav"}, identity=list(self.IDENTITY), trusted_proxies=["10.0.0.0/8"])
        inner, provider = PageApp(), ScriptedProvider()
        return wrapped(inner, config, {"success": provider}, monkeypatch), inner, provider

    @pytest.mark.parametrize("client", [("203.0.113.9", 1), ("11.0.0.1", 1), None, ("::ffff:203.0.113.9", 1)])
    @pytest.mark.parametrize("name", [b"x-user-id", b"x_user_id", b"X-USER_ID"])
    async def test_anybody_elses_reach_neither_us_nor_the_app(self, site: Any, client: Any, name: bytes) -> None:
        app, inner, provider = site
        forged = [(name, b"jane"), *self.SENT[1:], (b"x-forwarded-for", b"10.0.0.1")]
        assert (await ask(app, "/", *forged, client=client)).body == PAGE
        assert (await ask(app, "/portal/success/launch", *BROWSER, *forged, client=client)).status == 401
        assert provider.asked == provider.minted == []
        for scope in inner.scopes:
            assert [key for key, _ in scope["headers"] if b"user" in key.lower() or b"company" in key.lower()] == []

    async def test_nor_do_they_on_a_websocket(self, site: Any) -> None:
        app, _, _ = site
        seen: list[Any] = []

        async def websocket_app(scope: Any, receive: Any, send: Any) -> None:
            seen.append(scope["headers"])

        app.app = websocket_app
        await app({**http_scope("/ws", *self.SENT), "type": "websocket"}, None, None)
        assert seen == [[(b"host", b"app.acme.com")]]

    async def test_the_proxys_own_are_believed(self, site: Any) -> None:
        app, _, provider = site
        sent = [(b"x-user-id", b"jane"), (b"x-user-email", b"jane@vance.example")]
        response = await ask(app, "/portal/success/launch", *BROWSER, *sent, client=("10.1.1.1", 1))
        assert response.status == 303
        assert provider.minted == [("jane", "link", None)]

    async def test_but_not_beside_a_second_spelling(self, site: Any) -> None:
        app, _, provider = site
        sent = [(b"x-user-id", b"noah"), (b"x_user_id", b"jane")]
        assert (await ask(app, "/portal/success/launch", *BROWSER, *sent, client=("10.1.1.1", 1))).status == 503
        assert provider.minted == []


class TestRule10WhatIsAwayKeepsNobodyFromStarting:
    async def test_vendors_away_at_start_while_running_and_at_the_end(self) -> None:
        async with AsyncExitStack() as stack:
            sandbox = create_sandbox()
            async with running_vendors(sandbox, "127.0.0.1") as urls:
                pass
            config = demo_config(*urls)
            for portal in config["portals"].values():
                portal["access"] = {"budget_ms": 5000}
            site = Site(sandbox, config, stack)
            browser = await site.browser()
            bare = await site.browser(bare=True)
            assert (await browser.get("/")).content == (await bare.get("/")).content
            page = await browser.get("/portal/success/launch")
            assert page.status_code == 503
            assert "Try again" in page.text
            await site.gateway.aclose()
