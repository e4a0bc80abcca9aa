"""Whoever signs out of the app is asked about again."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from gateway_kit import BROWSER, PageApp, ScriptedProvider, ask, fill_session, rocketlane, settings, wrapped

from portal_gateway import EndUser, PortalGatewayMiddleware
from portal_gateway.models import Access

LOGOUT = {"paths": ["/logout", "/account/sign-out"]}


class Site:
    """An app with a log-out, and what its vendor was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, status: int = 303, identify: Any = None, **top: Any) -> None:
        self.provider = ScriptedProvider(Access.grant("vendor_yes"))
        self.host: Any = PageApp(b"Bye", status=status)
        portals = {"onboarding": rocketlane(), "second": rocketlane()}
        config = settings(portals=portals, **{"logout": LOGOUT, **top})
        providers = dict.fromkeys(portals, self.provider)
        self.app: PortalGatewayMiddleware = wrapped(self.host, config, providers, monkeypatch, identify)

    async def asked_about(self, user: str) -> int:
        """How many questions a visit to both portals takes."""
        before = len(self.provider.asked)
        for portal in ("onboarding", "second"):
            await ask(self.app, f"/portal/{portal}/access", user=user)
        return len(self.provider.asked) - before

    async def knows(self, user: str) -> bool:
        return await self.asked_about(user) == 0


@pytest.mark.parametrize("path", ["/logout", "/account/sign-out", "/logout?next=/"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_is_known_of_whoever_signs_out_is_dropped(
    monkeypatch: pytest.MonkeyPatch, path: str, method: str
) -> None:
    site = Site(monkeypatch)
    assert [await site.asked_about(user) for user in ("jane", "omar")] == [2, 2]
    response = await ask(site.app, path, *BROWSER, user="jane", method=method)
    assert (response.status, response.body) == (303, b"Bye")
    assert [await site.asked_about(user) for user in ("jane", "omar")] == [2, 0]


async def test_who_it_is_is_asked_before_the_app_ends_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(monkeypatch)
    ended: list[str] = []

    async def host(scope: Any, receive: Any, send: Any) -> None:
        fill_session(scope)
        if scope["path"] == "/logout":
            ended.append(scope["session"]["id"])
        if ended:
            scope["session"] = {}
        await send({"type": "http.response.start", "status": 303, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    site = Site(monkeypatch)
    app = wrapped(host, site.app.gateway.settings, {"onboarding": site.provider, "second": site.provider}, monkeypatch)
    await ask(app, "/portal/onboarding/access", user="jane")
    await ask(app, "/logout", *BROWSER, user="jane")
    assert ended == ["jane"]
    assert app.gateway.directory.peek("onboarding", EndUser("jane", "jane@vance.example", company_id="201")) is None


@pytest.mark.parametrize(
    ("path", "status", "headers"),
    [
        ("/logout", 403, BROWSER),
        ("/logout", 405, BROWSER),
        ("/logout", 500, BROWSER),
        ("/logout/", 303, BROWSER),
        ("/logout/all", 303, BROWSER),
        ("/", 200, BROWSER),
        ("/logout", 303, [*BROWSER, (b"sec-purpose", b"prefetch")]),
    ],
    ids=["refused", "wrong-method", "failed", "other-path", "below", "another-page", "prefetch"],
)
async def test_what_is_no_log_out(monkeypatch: pytest.MonkeyPatch, path: str, status: int, headers: Any) -> None:
    site = Site(monkeypatch, status)
    await site.asked_about("jane")
    assert (await ask(site.app, path, *headers, user="jane")).status == status
    assert await site.knows("jane")


async def test_nobody_signs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(monkeypatch)
    await site.asked_about("jane")
    assert (await ask(site.app, "/logout", *BROWSER)).status == 303
    assert await site.knows("jane")


async def test_an_identity_that_is_unclear_does_not_keep_anybody_in(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(_scope: Any) -> EndUser | None:
        raise RuntimeError("a bug")

    site = Site(monkeypatch, identify=failing)
    with caplog.at_level(logging.WARNING, "portal_gateway"):
        response = await ask(site.app, "/logout", *BROWSER, user="jane")
    assert (response.status, response.body) == (303, b"Bye")
    assert "a log-out was not noticed" in caplog.text
    assert "jane" not in caplog.text


async def test_without_the_setting_the_app_is_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(monkeypatch, logout=None)
    assert site.app.app is site.host
    await site.asked_about("jane")
    await ask(site.app, "/logout", *BROWSER, user="jane")
    assert await site.knows("jane")


async def test_below_a_root_path(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(monkeypatch)
    await site.asked_about("jane")
    await ask(site.app, "/app/logout", *BROWSER, user="jane", root_path="/app")
    assert not await site.knows("jane")
