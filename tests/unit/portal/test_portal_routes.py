from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from gateway_kit import (
    BROWSER,
    ENVIRON,
    FETCH,
    IN_FRAME,
    VENDOR,
    PageApp,
    Response,
    ScriptedProvider,
    ask,
    http_scope,
    planhat,
    rocketlane,
    settings,
    wrapped,
)

from portal_gateway import PortalGatewayMiddleware
from portal_gateway.errors import (
    AccessDenied,
    ChoiceNeeded,
    IncompleteIdentity,
    VendorBusy,
    VendorError,
    VendorRefusedUs,
    VendorUnavailable,
)
from portal_gateway.models import Access, Choice, EndUser

PROJECTS = (Choice("5001", "Vance onboarding"), Choice("5002", "Vance <pilot>"))
FORGET = {"secret": {"env": "FORGET"}}
BEARER = (b"authorization", f"Bearer {ENVIRON['FORGET']}".encode())
Ask = Callable[..., Any]


class Site:
    """An app with two portals, and what its vendors were asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, identify: Any = None, **top: Any) -> None:
        self.success, self.onboarding = ScriptedProvider(), ScriptedProvider()
        self.success.embeds = False
        providers = {"success": self.success, "onboarding": self.onboarding}
        top.setdefault("portals", {"success": planhat(), "onboarding": rocketlane(referrer_policy="no-referrer")})
        self.app: PortalGatewayMiddleware = wrapped(PageApp(), settings(**top), providers, monkeypatch, identify)

    async def get(self, path: str, *headers: tuple[bytes, bytes], user: str | None = "jane", **others: Any) -> Response:
        return await ask(self.app, f"/portal{path}", *(headers or BROWSER), user=user, **others)

    @property
    def minted(self) -> list[Any]:
        return self.success.minted + self.onboarding.minted


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Site]:
    return lambda **options: Site(monkeypatch, **options)


def problem(response: Response) -> tuple[int, str]:
    assert response.header("content-type") == "application/problem+json"
    body = json.loads(response.body)
    assert body["status"] == response.status
    return response.status, body["code"]


def title(response: Response) -> str:
    assert (response.header("content-type") or "").startswith("text/html")
    return response.body.decode().partition("<h1>")[2].partition("</h1>")[0]


class TestLaunch:
    async def test_one_click_is_a_303_to_a_freshly_signed_link(self, site: Any) -> None:
        s = site()
        first, second = await s.get("/success/launch"), await s.get("/success/launch")
        assert first.status == 303
        assert first.header("location") == f"{VENDOR}/enter?token=SIGNED-jane-1"
        assert second.header("location") == f"{VENDOR}/enter?token=SIGNED-jane-2"
        assert first.header("cache-control") == "no-store"
        assert first.header("referrer-policy") == "strict-origin"
        assert first.body == b""
        assert s.success.asked == ["jane"]
        assert s.success.minted == [("jane", "link", None)] * 2

    async def test_the_portals_referrer_policy_is_sent(self, site: Any) -> None:
        assert (await site().get("/onboarding/launch")).header("referrer-policy") == "no-referrer"

    async def test_the_embed_route_mints_an_embed(self, site: Any) -> None:
        s = site()
        assert (await s.get("/onboarding/embed", *IN_FRAME)).status == 303
        assert s.onboarding.minted == [("jane", "embed", None)]

    @pytest.mark.parametrize("headers", [((b"accept", b"*/*"),), ((b"accept", b"text/html"),)])
    async def test_a_client_without_fetch_metadata_is_taken_at_its_word(self, site: Any, headers: Any) -> None:
        assert (await site().get("/success/launch", *headers)).status == 303


NEVER = [
    pytest.param("launch", FETCH, {}, "not_a_navigation", id="cors"),
    pytest.param("launch", [*FETCH[:2], (b"sec-fetch-mode", b"no-cors")], {}, "not_a_navigation", id="no-cors"),
    pytest.param("launch", [(b"sec-fetch-dest", b"image")], {}, "not_a_navigation", id="img"),
    pytest.param("launch", IN_FRAME, {}, "not_a_navigation", id="launch-in-frame"),
    pytest.param("embed", [(b"sec-fetch-dest", b"script")], {}, "not_a_navigation", id="script"),
    pytest.param("launch", [*BROWSER, (b"sec-purpose", b"prefetch;prerender")], {}, "prefetch", id="prerender"),
    pytest.param("embed", [*IN_FRAME, (b"sec-purpose", b"prefetch")], {}, "prefetch", id="embed-prefetch"),
    pytest.param("launch", [(b"purpose", b"prefetch")], {}, "prefetch", id="old-prefetch"),
    pytest.param("launch", [(b"x-moz", b"prefetch")], {}, "prefetch", id="moz-prefetch"),
    pytest.param("launch", BROWSER, {"method": "HEAD"}, "method", id="head"),
    pytest.param("embed", IN_FRAME, {"method": "HEAD"}, "method", id="embed-head"),
]


class TestNeverMints:
    @pytest.mark.parametrize(("route", "headers", "others", "code"), NEVER)
    async def test_what_is_no_click(self, site: Any, route: str, headers: Any, others: Any, code: str) -> None:
        s = site()
        assert problem(await s.get(f"/onboarding/{route}", *headers, **others)) == (
            405 if code == "method" else 400,
            code,
        )
        assert s.minted == []
        assert s.onboarding.asked == []
        assert s.app.gateway.events.counts["refused", "onboarding", code] == 1

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
    async def test_other_methods(self, site: Any, method: str) -> None:
        s = site()
        response = await s.get("/success/launch", method=method)
        assert problem(response) == (405, "method_not_allowed")
        assert response.header("allow") == "GET, HEAD"
        assert s.minted == []

    async def test_a_frame_in_somebody_elses_page(self, site: Any) -> None:
        s = site()
        foreign = [*IN_FRAME[:-1], (b"sec-fetch-site", b"cross-site")]
        response = await s.get("/onboarding/embed", *foreign)
        assert (response.status, title(response)) == (403, "You have no access to this portal")
        assert s.minted == []

    async def test_pages_that_only_show_things(self, site: Any) -> None:
        s = site()
        for path in ("/", "/success/", "/onboarding/", "/success/access"):
            await s.get(path)
        assert s.minted == []


REFUSALS = [
    (Access.deny("vendor_no"), 403, "access_denied"),
    (Access.unknown("strange"), 503, "vendor_unavailable"),
    (VendorError("body: {secret}"), 503, "vendor_unavailable"),
    (VendorRefusedUs("x"), 503, "vendor_unavailable"),
    (VendorBusy("x", 7), 503, "vendor_busy"),
    (RuntimeError("a bug"), 503, "vendor_unavailable"),
]


class TestRefusals:
    @pytest.mark.parametrize(("access", "status", "code"), REFUSALS)
    @pytest.mark.parametrize("path", ["/success/launch", "/success/embed", "/success/"])
    async def test_without_a_yes_nothing_opens(self, site: Any, access: Any, status: int, code: str, path: str) -> None:
        s = site()
        s.success.access = access
        page = await s.get(path)
        assert page.status == status
        assert title(page)
        assert page.header("cache-control") == "no-store"
        assert problem(await s.get(path, (b"accept", b"application/json"))) == (status, code)
        assert s.minted == []

    @pytest.mark.parametrize(
        ("error", "status", "code"),
        [
            (VendorError("wrong origin"), 502, "vendor_error"),
            (VendorUnavailable("away"), 503, "vendor_unavailable"),
            (VendorBusy("busy", 7.9), 503, "vendor_busy"),
            (AccessDenied("no", "no_project"), 403, "access_denied"),
            (IncompleteIdentity("email"), 403, "incomplete_identity"),
        ],
    )
    async def test_a_mint_that_fails_says_why(self, site: Any, error: Exception, status: int, code: str) -> None:
        s = site()
        s.success.link = error
        page = await s.get("/success/launch")
        assert (page.status, page.header("location")) == (status, None)
        assert title(page)
        assert (b"Try again" in page.body) is (status >= 500)
        response = await s.get("/success/launch", (b"accept", b"application/json"))
        assert problem(response) == (status, code)
        assert response.header("retry-after") == ("8" if code == "vendor_busy" else None)

    async def test_a_mint_that_is_refused_drops_the_decision_and_one_that_could_not_be_made_does_not(
        self, site: Any
    ) -> None:
        for error, asked in ((AccessDenied("no"), 2), (VendorError("strange"), 2), (VendorUnavailable("away"), 1)):
            s = site()
            s.success.link = error
            for _ in range(2):
                await s.get("/success/launch")
            assert len(s.success.asked) == asked

    async def test_a_fault_of_our_own_is_logged_and_not_shown(
        self, site: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        s = site()
        s.success.link = RuntimeError("token=SECRET-IN-A-BUG")
        page = await s.get("/success/launch")
        assert page.status == 500
        assert b"SECRET" not in page.body
        assert b"Traceback" not in page.body
        assert s.app.gateway.events.counts["internal_error", "", "portal_route"] == 1

    async def test_a_user_whose_data_is_missing_is_told_so(self, site: Any) -> None:
        s = site()

        def incomplete(_user: EndUser) -> str:
            raise IncompleteIdentity("company_id")

        s.onboarding.subject = incomplete
        assert title(await s.get("/onboarding/launch")) == "Your account lacks some details"

    @pytest.mark.parametrize(
        "path",
        [
            "/nope/",
            "/nope/launch",
            "/success/nope",
            "/success/launch/",
            "/-/",
            "/-/nope",
            "//launch",
            "/success/launch/x",
        ],
    )
    async def test_what_does_not_exist(self, site: Any, path: str) -> None:
        page = await site().get(path)
        assert (page.status, title(page)) == (404, "This page does not exist")
        assert problem(await site().get(path, *FETCH)) == (404, "unknown_portal")

    async def test_every_page_of_ours_has_the_frame_policy(self, site: Any) -> None:
        s = site()
        for path in ("/", "/success/", "/onboarding/", "/nope/", "/success/nope"):
            policy = (await s.get(path)).header("content-security-policy") or ""
            assert "frame-ancestors 'self'" in policy
            assert "default-src 'none'" in policy


class TestAnonymous:
    async def test_a_navigation_is_sent_to_sign_in_and_back(self, site: Any) -> None:
        s = site(login_url="/login?next={next}")
        response = await s.get("/onboarding/launch?project=5001&x=é", user=None)
        assert response.status == 303
        assert (
            response.header("location")
            == "/login?next=%2Fportal%2Fonboarding%2Flaunch%3Fproject%3D5001%26x%3D%C3%83%C2%A9"
        )
        assert response.header("cache-control") == "no-store"

    async def test_a_path_with_odd_characters_comes_back_as_the_same_path(self, site: Any) -> None:
        s = site(login_url="/login?next={next}")
        response = await s.get("/success/", user=None, root_path="/a&b")
        assert response.header("location") == "/login?next=%2Fa%2526b%2Fportal%2Fsuccess%2F"

    async def test_a_sign_in_page_elsewhere_gets_an_absolute_address(self, site: Any) -> None:
        s = site(login_url="https://id.acme.com/?r={next}", public_url="https://app.acme.com")
        response = await s.get("/success/", user=None)
        assert response.header("location") == "https://id.acme.com/?r=https%3A%2F%2Fapp.acme.com%2Fportal%2Fsuccess%2F"

    async def test_without_a_sign_in_page_there_is_a_401(self, site: Any) -> None:
        page = await site().get("/success/launch", user=None)
        assert (page.status, title(page)) == (401, "Please sign in first")

    async def test_a_frame_is_not_sent_to_sign_in(self, site: Any) -> None:
        s = site(login_url="/login?next={next}")
        assert (await s.get("/onboarding/embed", *IN_FRAME, user=None)).status == 401

    async def test_a_script_gets_a_problem(self, site: Any) -> None:
        s = site(login_url="/login?next={next}")
        assert problem(await s.get("/success/", *FETCH, user=None)) == (401, "not_signed_in")

    async def test_an_identity_that_is_unclear_is_a_503(self, site: Any) -> None:
        def failing(_scope: Any) -> EndUser | None:
            raise RuntimeError("a bug")

        s = site(identify=failing, login_url="/login?next={next}")
        assert (await s.get("/success/launch")).status == 503
        assert problem(await s.get("/success/access", *FETCH)) == (503, "identity_unavailable")
        assert s.minted == []


class TestPages:
    async def test_the_portal_page_has_the_iframe_and_a_visible_link(self, site: Any) -> None:
        page = await site().get("/onboarding/")
        html = page.body.decode()
        assert '<iframe src="/portal/onboarding/embed" title="Onboarding"' in html
        assert '<a class="quiet" href="/portal/onboarding/launch" target="_blank"' in html
        assert f"frame-src 'self' {VENDOR};" in (page.header("content-security-policy") or "")
        assert page.header("referrer-policy") == "no-referrer"

    async def test_a_portal_that_is_not_framed_has_the_link_alone(self, site: Any) -> None:
        page = await site().get("/success/")
        assert b"<iframe" not in page.body
        assert b'href="/portal/success/launch"' in page.body
        assert "frame-src" not in (page.header("content-security-policy") or "")

    async def test_addresses_are_below_the_root_path(self, site: Any) -> None:
        page = await site().get("/onboarding/", root_path="/app/")
        assert b'src="/app/portal/onboarding/embed"' in page.body
        assert b'href="/app/portal/-/assets/portal.' in page.body

    async def test_a_missing_slash_is_added_and_the_query_kept(self, site: Any) -> None:
        s = site()
        assert (await s.get("/onboarding")).header("location") == "/portal/onboarding/"
        assert (await s.get("/onboarding?project=5001")).header("location") == "/portal/onboarding/?project=5001"


class TestPicker:
    async def test_one_portal_is_opened(self, site: Any) -> None:
        s = site()
        s.success.access = Access.deny("vendor_no")
        for path in ("/", ""):
            assert (await s.get(path)).header("location") == "/portal/onboarding/"

    async def test_several_are_offered(self, site: Any) -> None:
        page = await site().get("/")
        assert title(page) == "Your portals"
        assert b'href="/portal/success/"' in page.body
        assert b'href="/portal/onboarding/"' in page.body

    async def test_none_is_said(self, site: Any) -> None:
        s = site()
        s.success.access = s.onboarding.access = Access.deny("vendor_no")
        page = await s.get("/")
        assert (page.status, title(page)) == (403, "No portal is open to you yet")

    async def test_one_that_cannot_be_asked_is_shown_as_such(self, site: Any) -> None:
        s = site()
        s.onboarding.access = VendorUnavailable("away")
        page = await s.get("/")
        assert b'href="/portal/success/"' in page.body
        assert b'href="/portal/onboarding/"' not in page.body
        assert b"cannot be reached right now" in page.body

    async def test_one_that_needs_data_the_user_does_not_have_is_not(self, site: Any) -> None:
        s = site()

        def incomplete(_user: EndUser) -> str:
            raise IncompleteIdentity("company_id")

        s.onboarding.subject = incomplete
        assert (await s.get("/")).header("location") == "/portal/success/"


class TestChoices:
    @pytest.fixture
    def several(self, site: Any) -> Site:
        s: Site = site()
        s.onboarding.access = Access.grant("member", PROJECTS)
        return s

    async def test_the_user_chooses(self, several: Site) -> None:
        page = await several.get("/onboarding/")
        assert b'href="?project=5001"' in page.body
        assert b"Vance &lt;pilot&gt;" in page.body
        assert b"<iframe" not in page.body

    async def test_the_choice_is_in_every_address_of_the_page(self, several: Site) -> None:
        page = await several.get("/onboarding/?project=5002")
        assert b'src="/portal/onboarding/embed?project=5002"' in page.body
        assert b'href="/portal/onboarding/launch?project=5002"' in page.body

    @pytest.mark.parametrize("project", ["6001", "5001%20", "", "%3Cscript%3E", "5001&project=6001"])
    async def test_a_page_for_a_project_that_is_not_open_is_the_choice_again(self, several: Site, project: str) -> None:
        page = await several.get(f"/onboarding/?project={project}")
        assert b"<iframe" not in page.body
        assert b"Which one would you like to see?" in page.body
        assert b"6001" not in page.body

    async def test_the_provider_is_told_what_was_chosen_and_decides(self, several: Site) -> None:
        await several.get("/onboarding/launch?project=5001")
        several.onboarding.link = AccessDenied("not open", "choice_not_open")
        page = await several.get("/onboarding/launch?project=6001")
        assert (page.status, title(page)) == (403, "This project is not open to you")
        assert several.onboarding.minted == [("jane", "link", "5001"), ("jane", "link", "6001")]

    async def test_a_launch_without_a_choice_offers_it(self, several: Site) -> None:
        several.onboarding.link = ChoiceNeeded("which?")
        page = await several.get("/onboarding/launch")
        assert (page.status, page.header("location")) == (200, None)
        assert b'href="?project=5001"' in page.body


class TestAccess:
    async def answer(self, s: Site, **others: Any) -> dict[str, Any]:
        response = await s.get("/success/access", *FETCH, **others)
        assert response.status == 200
        assert response.header("cache-control") == "no-store"
        answer: dict[str, Any] = json.loads(response.body)
        assert set(answer) - {"frame"} == {"portal", "access", "label", "launch_url", "embed_url", "expires_in"}
        assert ("frame" in answer) is (answer["access"] is True)
        assert (answer["portal"], answer["label"]) == ("success", "Success portal")
        return answer

    async def test_granted(self, site: Any) -> None:
        answer = await self.answer(site())
        assert answer["access"] is True
        assert answer["launch_url"] == "/portal/success/launch"
        assert answer["embed_url"] == "/portal/success/embed"
        assert 290 <= answer["expires_in"] <= 300
        frame = answer["frame"]
        assert (frame["timeout_s"], frame["renew_s"]) == (15.0, None)
        assert frame["attributes"]["title"] == "Success portal"
        assert f"fullscreen {VENDOR}" in frame["attributes"]["allow"]

    @pytest.mark.parametrize(
        ("access", "told"),
        [(Access.deny("vendor_no"), False), (VendorUnavailable("x"), None), (RuntimeError("x"), None)],
    )
    async def test_denied_and_unknown(self, site: Any, access: Any, told: bool | None) -> None:
        s = site()
        s.success.access = access
        answer = await self.answer(s)
        assert answer["access"] is told
        assert answer["launch_url"] is answer["embed_url"] is None
        assert answer["expires_in"] <= 60

    async def test_anonymous(self, site: Any) -> None:
        s = site()
        answer = await self.answer(s, user=None)
        assert (answer["access"], answer["expires_in"]) == (False, 0)
        assert s.success.asked == []

    async def test_it_never_holds_a_signed_link(self, site: Any) -> None:
        s = site()
        assert f"{VENDOR}/".encode() not in (await s.get("/success/access", *FETCH)).body
        assert s.minted == []


class TestForget:
    async def post(self, s: Site, body: Any, *headers: tuple[bytes, bytes], **others: Any) -> Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await s.get("/-/forget", *(headers or (BEARER,)), body=data, user=None, **{"method": "POST", **others})

    async def test_what_is_known_of_one_user_is_dropped(self, site: Any) -> None:
        s = site(forget=FORGET)
        for user in ("jane", "omar"):
            await s.get("/success/launch", user=user)
        response = await self.post(s, {"portal": "success", "user_id": "jane"})
        assert json.loads(response.body) == {"forgotten": 1}
        for user in ("jane", "omar"):
            await s.get("/success/launch", user=user)
        assert s.success.asked == ["jane", "omar", "jane"]

    async def test_nobody_known_is_nobody_dropped(self, site: Any) -> None:
        response = await self.post(site(forget=FORGET), {"portal": "success", "user_id": "nobody"})
        assert json.loads(response.body) == {"forgotten": 0}

    @pytest.mark.parametrize(
        "authorization",
        [
            None,
            b"",
            b"Bearer",
            b"Bearer ",
            BEARER[1][:-1],
            BEARER[1] + b"x",
            b"Basic " + BEARER[1][7:],
            b"Bearer \xff\xfe",
        ],
    )
    async def test_a_wrong_secret(self, site: Any, authorization: bytes | None) -> None:
        headers = [(b"authorization", authorization)] if authorization is not None else [(b"x", b"y")]
        response = await self.post(site(forget=FORGET), {"portal": "success", "user_id": "jane"}, *headers)
        assert problem(response) == (401, "wrong_secret")
        assert response.header("www-authenticate") == "Bearer"

    async def test_secrets_are_compared_in_constant_time(self, site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        compared: list[tuple[bytes, bytes]] = []

        def compare(given: bytes, expected: bytes) -> bool:
            compared.append((given, expected))
            return False

        monkeypatch.setattr("portal_gateway.portal.hooks.compare_digest", compare)
        assert (await self.post(site(forget=FORGET), {})).status == 401
        assert compared == [(ENVIRON["FORGET"].encode(), ENVIRON["FORGET"].encode())]

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[]",
            b"null",
            b'"text"',
            b"{}",
            b'{"portal": "success"}',
            b'{"portal": "success", "user_id": 7}',
            b'{"portal": ["success"], "user_id": "jane"}',
            b"\xff\xfe\xfa",
            b"[" * 4000,
        ],
    )
    async def test_a_body_that_is_not_as_it_should_be(self, site: Any, body: bytes) -> None:
        assert problem(await self.post(site(forget=FORGET), body)) == (400, "bad_request")

    async def test_a_body_without_end_is_not_read_to_its_end(self, site: Any) -> None:
        s, pieces = site(forget=FORGET), []

        async def receive() -> Any:
            pieces.append(1)
            assert len(pieces) < 100
            return {"type": "http.request", "body": b"x" * 1024, "more_body": True}

        response = Response()
        await s.app(http_scope("/portal/-/forget", BEARER, method="POST"), receive, response.send)
        assert problem(response) == (413, "too_large")
        assert len(pieces) == 5

    async def test_a_portal_that_does_not_exist(self, site: Any) -> None:
        response = await self.post(site(forget=FORGET), {"portal": "nope", "user_id": "jane"})
        assert problem(response) == (404, "unknown_portal")

    async def test_another_method(self, site: Any) -> None:
        response = await self.post(site(forget=FORGET), {}, method="GET")
        assert problem(response) == (405, "method_not_allowed")
        assert response.header("allow") == "POST"

    @pytest.mark.parametrize("method", ["POST", "GET"])
    async def test_it_does_not_exist_until_it_is_configured(self, site: Any, method: str) -> None:
        assert problem(await self.post(site(), {"portal": "success", "user_id": "jane"}, method=method)) == (
            404,
            "unknown_portal",
        )


class TestAssets:
    async def test_they_need_no_user(self, site: Any) -> None:
        s = site()
        response = await s.get("/-/widget.js", *FETCH, user=None)
        assert response.status == 200
        assert b"customElements" in response.body

    async def test_the_widget_of_a_page_is_the_one_that_is_served(self, site: Any) -> None:
        s = site(portals={"success": planhat({"at": "nav", "mode": "loader"}), "onboarding": rocketlane()})
        page = (await ask(s.app, "/", *BROWSER)).body.decode()
        src = page.partition('src="')[2].partition('"')[0]
        response = await ask(s.app, src, *FETCH)
        assert (response.status, response.header("content-type")) == (200, "text/javascript; charset=utf-8")


async def test_nothing_that_is_logged_holds_a_token_a_secret_or_personal_data(
    site: Any, caplog: pytest.LogCaptureFixture
) -> None:
    s = site(forget=FORGET)
    with caplog.at_level(logging.DEBUG):
        for link in (None, VendorError("strange"), VendorBusy("busy", 3)):
            s.success.link = link
            await s.get("/success/launch?secret=QUERY-SECRET")
        await s.get("/-/forget", BEARER, method="POST", body=b"{}")
    for secret in ("SIGNED", "QUERY-SECRET", "jane", *ENVIRON.values()):
        assert secret not in caplog.text
