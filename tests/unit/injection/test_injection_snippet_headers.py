from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from gateway_kit import (
    BROWSER,
    FETCH,
    FRAME,
    LINK,
    LOADER,
    PageApp,
    Response,
    ScriptedProvider,
    ask,
    planhat,
    rocketlane,
    settings,
    settle,
    wrapped,
)

from portal_gateway.errors import IdentityError
from portal_gateway.injection.snippet_headers import MAX_BYTES
from portal_gateway.models import Access, EndUser
from portal_gateway.wire.memo import Memo

NGINX = ("127.0.0.1", 40000)
NAV = {"at": "nav"}


def jane(_scope: Any) -> EndUser:
    """An identity that is at hand without asking the app."""
    return EndUser("jane", "jane@vance.example")


class Site:
    """A gateway behind a proxy of 127.0.0.1 that puts snippets in by itself."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *inject: dict[str, Any], **top: Any) -> None:
        self.success, self.onboarding = ScriptedProvider(), ScriptedProvider()
        providers = {"success": self.success, "onboarding": self.onboarding, "under_score": ScriptedProvider()}
        identify, portals = top.pop("identify", None), top.pop("portals", None) or {"success": planhat(*inject)}
        config = settings(portals=portals, trusted_proxies=["127.0.0.1/32"], **top)
        self.host = PageApp()
        self.app = wrapped(self.host, config, providers, monkeypatch, identify)

    async def ask(
        self, *headers: tuple[bytes, bytes], page: bytes | None = b"/", user: str | None = "jane", client: Any = NGINX
    ) -> Response:
        about = [] if page is None else [(b"x-original-uri", page)]
        response = await ask(self.app, "/portal/-/snippets", *(headers or BROWSER), *about, user=user, client=client)
        assert response.status == 204
        assert response.body == b""
        return response

    @property
    def counts(self) -> dict[tuple[str, str, str], int]:
        return dict(self.app.gateway.events.counts)


NewSite = Callable[..., Site]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> NewSite:
    return lambda *inject, **top: Site(monkeypatch, *(inject or (NAV,)), **top)


def snippets(response: Response) -> dict[str, bytes]:
    return {name.decode(): value for name, value in response.headers if name.startswith(b"portal-snippet-")}


async def test_a_user_with_access_gets_the_link_as_it_goes_into_pages(site: NewSite) -> None:
    s = site()
    response = await s.ask()
    page = await ask(s.app, "/", *BROWSER, user="jane")
    [(name, snippet)] = snippets(response).items()
    assert name == "portal-snippet-success-0"
    assert snippet.startswith(LINK)
    assert snippet in page.body
    assert s.counts["injected", "success", "decided"] == 2


async def test_nobody_may_keep_or_read_it_but_who_asked(site: NewSite) -> None:
    response = await site().ask()
    assert response.header("cache-control") == "no-store"
    assert response.header("cross-origin-resource-policy") == "same-origin"


async def test_who_has_no_access_gets_none(site: NewSite) -> None:
    s = site()
    s.success.access = Access.deny("vendor_no")
    assert snippets(await s.ask()) == {}
    assert snippets(await s.ask(user=None)) == {}
    assert s.counts["placement_empty", "success", "vendor_no"] == 1
    assert s.counts["placement_empty", "success", "anonymous"] == 1


async def test_a_cached_decision_asks_nobody(site: NewSite) -> None:
    s = site(identify=jane)
    for _ in range(3):
        assert snippets(await s.ask())
    assert s.success.asked == ["jane"]
    assert s.host.scopes == []


async def test_rules_are_numbered_as_in_the_configuration(site: NewSite) -> None:
    s = site(
        portals={
            "success": planhat({"at": "nav", "paths": ["/elsewhere"]}, {"at": "footer"}),
            "onboarding": rocketlane({"at": "main", "as": "iframe"}),
            "under_score": planhat(NAV),
        }
    )
    found = snippets(await s.ask())
    assert list(found) == [
        "portal-snippet-success-1",
        "portal-snippet-onboarding-0",
        "portal-snippet-under-score-0",
    ]
    assert found["portal-snippet-onboarding-0"].startswith(FRAME)


@pytest.mark.parametrize(
    ("target", "found"),
    [
        (b"/orders", True),
        (b"/orders?tab=2", True),
        (b"/%6Frders", True),
        (b"/orders/", False),
        (b"/?/orders", False),
        (b"", False),
        (b"/\xff%", False),
        (b"/" + b"o" * 5000, False),
    ],
)
async def test_the_page_is_the_one_of_x_original_uri(site: NewSite, target: bytes, found: bool) -> None:
    s = site({"at": "nav", "paths": ["/orders"]})
    assert bool(snippets(await s.ask(page=target))) is found
    assert found or s.counts == {("not_injected", "", "no_rule"): 1}


@pytest.mark.parametrize(
    ("asking", "reason"),
    [
        pytest.param({"client": ("203.0.113.9", 50000)}, "untrusted_proxy", id="browser"),
        pytest.param({"client": None}, "untrusted_proxy", id="unix-socket"),
        pytest.param({"page": None}, "no_original_uri", id="no-page-named"),
    ],
)
async def test_only_a_trusted_proxy_is_answered(site: NewSite, asking: dict[str, Any], reason: str) -> None:
    s = site(server_timing=True)
    response = await s.ask(**asking)
    assert snippets(response) == {}
    assert response.header("server-timing") == f'portal;desc="{reason}"'
    assert s.counts == {("not_injected", "", reason): 1}
    assert s.success.asked == []


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        pytest.param(FETCH, "not_a_document", id="fetch"),
        pytest.param((*BROWSER, (b"sec-purpose", b"prefetch")), "prefetch", id="prefetch"),
        pytest.param((*BROWSER, (b"hx-request", b"true")), "partial", id="htmx"),
    ],
)
async def test_requests_that_get_no_snippet_otherwise_get_none_here(
    site: NewSite, headers: tuple[tuple[bytes, bytes], ...], reason: str
) -> None:
    s = site()
    assert snippets(await s.ask(*headers)) == {}
    assert s.counts == {("not_injected", "", reason): 1}


async def test_a_vendor_that_is_slow_is_answered_by_the_loader(site: NewSite) -> None:
    success = planhat(NAV, {"at": "main", "template": "<b>"}, access={"budget_ms": 1})
    s = site(portals={"success": success}, identify=jane)
    s.success.gate = asyncio.Event()
    [(name, snippet)] = snippets(await s.ask()).items()
    assert name == "portal-snippet-success-0"
    assert LOADER in snippet
    assert s.counts["placement_empty", "success", "template_needs_decision"] == 1
    s.success.gate.set()  # the question goes on, and its answer is kept
    await settle(lambda: ("access_granted", "success", "vendor_yes") in s.counts)
    assert snippets(await s.ask())[name].startswith(LINK)


async def test_loader_rules_are_the_same_for_everybody(site: NewSite) -> None:
    s = site({"at": "nav", "mode": "loader"})
    assert snippets(await s.ask()) == snippets(await s.ask(user=None))
    assert s.success.asked == []


async def test_no_signed_link_leaves_by_this_way(site: NewSite) -> None:
    s = site(portals={"onboarding": rocketlane({"at": "main", "as": "iframe", "sign": "inline"})})
    for _ in range(2):
        [snippet] = snippets(await s.ask()).values()
        assert b'src="/portal/onboarding/embed"' in snippet
        assert b"SIGNED" not in snippet
    assert s.onboarding.minted == []


async def test_a_snippet_is_one_line_of_ascii(site: NewSite) -> None:
    s = site({"at": "nav", "template": "<p\nclass=x>Grüße\r\n\x0b{{ label }}</p>\n"})
    assert snippets(await s.ask()) == {"portal-snippet-success-0": b"<p class=x>Gr&#252;&#223;e Success portal</p>"}


async def test_what_does_not_fit_into_a_head_is_left_out(site: NewSite) -> None:
    long = "x" * (MAX_BYTES - 100)
    s = site(*({"at": at, "template": template} for at, template in (("nav", long), ("main", long), ("p", "short"))))
    found = snippets(await s.ask())
    assert list(found) == ["portal-snippet-success-0", "portal-snippet-success-2"]
    assert s.counts["placement_empty", "success", "header_too_long"] == 1


async def test_a_page_whose_only_snippet_does_not_fit_says_so(site: NewSite) -> None:
    response = await site({"at": "nav", "template": "x" * (MAX_BYTES + 1)}, server_timing=True).ask()
    assert snippets(response) == {}
    assert response.header("server-timing") == 'portal;desc="header_too_long"'


@pytest.mark.parametrize("error", [IdentityError("unclear"), RuntimeError("a bug")])
async def test_trouble_with_the_identity_is_no_error(site: NewSite, error: Exception) -> None:
    def identify(_scope: Any) -> EndUser | None:
        raise error

    s = site(identify=identify, server_timing=True)
    response = await s.ask()
    assert snippets(response) == {}
    assert response.header("server-timing") == 'portal;desc="identity_unavailable"'


async def test_a_fault_of_ours_is_no_error_either(site: NewSite, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_path: str) -> None:
        raise RuntimeError("a bug")

    s = site(server_timing=True)
    monkeypatch.setattr(s.app.gateway.rules, "pages", Memo(fail))
    response = await s.ask()
    assert response.header("server-timing") == 'portal;desc="internal_error"'
    assert s.counts["internal_error", "", "snippet_headers"] == 1
