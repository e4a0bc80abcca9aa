"""Hooks through the middleware: who is heard, what is dropped, and that it cannot be dropped endlessly."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest
from gateway_kit import (
    BROWSER,
    ENVIRON,
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
from portal_gateway.portal import hooks
from portal_gateway.store.base import StoreUnavailable
from portal_gateway.store.memory import MemoryStore

SUCCESS, ONBOARDING = ENVIRON["FORGET"], ENVIRON["KEY"]
BEARER = (b"authorization", f"Bearer {SUCCESS}".encode())
HEADER = (b"x-hook-secret", ONBOARDING.encode())
UPDATED = {"eventId": "e-1", "eventType": "PROJECT_UPDATED"}


class Site:
    """Two portals with a hook each, and one without."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.providers = {name: ScriptedProvider() for name in ("success", "onboarding", "silent")}
        portals = {
            "success": planhat(hook={"secret": {"env": "FORGET"}}),
            "onboarding": rocketlane(hook={"secret": {"env": "KEY"}, "header": "X-Hook-Secret"}),
            "silent": planhat(),
        }
        self.app: PortalGatewayMiddleware = wrapped(PageApp(), settings(portals=portals), self.providers, monkeypatch)

    async def post(self, name: str, body: Any, *headers: tuple[bytes, bytes], method: str = "POST") -> Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await ask(self.app, f"/portal/-/hooks/{name}", *headers, body=data, method=method)

    async def launch(self, portal: str, *users: str) -> None:
        for user in users:
            await ask(self.app, f"/portal/{portal}/launch", *BROWSER, user=user)

    def count(self, outcome: str, portal: str = "onboarding") -> int:
        return self.app.gateway.events.counts["hook", portal, outcome]


@pytest.fixture
async def site(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    made = Site(monkeypatch)
    yield made
    await made.app.gateway.aclose()


def outcome(response: Response) -> str:
    assert response.status == 200
    assert response.header("cache-control") == "no-store"
    return str(json.loads(response.body)["outcome"])


def code(response: Response) -> tuple[int, str]:
    assert response.header("content-type") == "application/problem+json"
    return response.status, json.loads(response.body)["code"]


class TestWhoIsHeard:
    @pytest.mark.parametrize(
        "authorization",
        [
            pytest.param(f"Bearer {SUCCESS}", id="bearer"),
            pytest.param(f"bearer {SUCCESS}", id="schemes-have-no-case"),
            pytest.param(f"Basic {b64encode(f'any:{SUCCESS}'.encode()).decode()}", id="password"),
            pytest.param(f"Basic {b64encode(f':{SUCCESS}'.encode()).decode()}", id="password-without-a-name"),
        ],
    )
    async def test_in_authorization(self, site: Site, authorization: str) -> None:
        response = await site.post("success", {}, (b"Authorization", authorization.encode()))
        assert outcome(response) == "forgotten"

    async def test_in_a_header_of_its_own(self, site: Site) -> None:
        assert outcome(await site.post("onboarding", UPDATED, HEADER)) == "forgotten"

    @pytest.mark.parametrize(
        "authorization",
        [
            b"",
            b"Bearer",
            b"Bearer ",
            BEARER[1][:-1],
            BEARER[1] + b"x",
            SUCCESS.encode(),
            b"Basic " + SUCCESS.encode(),
            b"Basic " + b64encode(f"{SUCCESS}:".encode()),
            b"Basic \xff",
            b"Bearer " + ONBOARDING.encode(),
        ],
    )
    async def test_a_wrong_secret(self, site: Site, authorization: bytes) -> None:
        response = await site.post("success", {}, (b"authorization", authorization))
        assert code(response) == (401, "wrong_secret")
        assert response.header("www-authenticate") == "Bearer"
        assert site.count("refused", "success") == 1

    async def test_the_secret_of_another_portal(self, site: Site) -> None:
        await site.launch("onboarding", "jane")
        assert code(await site.post("onboarding", UPDATED, (b"x-hook-secret", SUCCESS.encode()))) == (
            401,
            "wrong_secret",
        )
        await site.launch("onboarding", "jane")
        assert site.providers["onboarding"].asked == ["jane"]

    async def test_the_secret_in_another_header(self, site: Site) -> None:
        bearer = (b"authorization", f"Bearer {ONBOARDING}".encode())
        response = await site.post("onboarding", UPDATED, bearer)
        assert code(response) == (401, "wrong_secret")
        assert response.header("www-authenticate") is None

    async def test_secrets_are_compared_in_constant_time(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        compared: list[tuple[bytes, bytes]] = []
        monkeypatch.setattr(hooks, "compare_digest", lambda *pair: compared.append(pair))
        assert (await site.post("onboarding", UPDATED, HEADER)).status == 401
        assert compared == [(ONBOARDING.encode(), ONBOARDING.encode())]

    async def test_the_body_of_a_stranger_is_not_read(self, site: Site) -> None:
        async def receive() -> Any:
            raise AssertionError("read")

        response = Response()
        await site.app(http_scope("/portal/-/hooks/success", method="POST"), receive, response.send)
        assert response.status == 401

    @pytest.mark.parametrize("name", ["silent", "nowhere", "", "success/", "-"])
    async def test_a_portal_without_a_hook(self, site: Site, name: str) -> None:
        assert code(await site.post(name, {}, BEARER, HEADER)) == (404, "unknown_portal")

    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
    async def test_another_method(self, site: Site, method: str) -> None:
        response = await site.post("success", {}, BEARER, method=method)
        assert (response.status, response.header("allow")) == (405, "POST")


class TestWhatIsDropped:
    async def test_an_event_of_a_project_drops_the_whole_portal_and_no_other(self, site: Site) -> None:
        for _ in range(2):
            await site.launch("onboarding", "jane", "omar")
            await site.launch("success", "jane")
        assert outcome(await site.post("onboarding", UPDATED, HEADER)) == "forgotten"
        await site.launch("onboarding", "jane", "omar")
        await site.launch("success", "jane")
        assert site.providers["onboarding"].asked == ["jane", "omar", "jane", "omar"]
        assert site.providers["success"].asked == ["jane"]

    async def test_an_automation_drops_the_user_it_names(self, site: Site) -> None:
        await site.launch("success", "jane", "omar")
        assert outcome(await site.post("success", {"user_id": "jane"}, BEARER)) == "forgotten"
        await site.launch("success", "jane", "omar")
        assert site.providers["success"].asked == ["jane", "omar", "jane"]

    async def test_an_event_that_has_nothing_to_do_with_access(self, site: Site) -> None:
        await site.launch("onboarding", "jane")
        assert outcome(await site.post("onboarding", {**UPDATED, "eventType": "TASK_UPDATED"}, HEADER)) == "ignored"
        await site.launch("onboarding", "jane")
        assert site.providers["onboarding"].asked == ["jane"]
        assert site.count("ignored") == 1

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"[]", b"null", b"\xff\xfe\xfa", b"[" * 5000, b"{}", b'{"eventId": 1}']
    )
    async def test_a_body_that_is_no_event(self, site: Site, body: bytes) -> None:
        assert code(await site.post("onboarding", body, HEADER)) == (400, "bad_request")
        assert site.count("bad_request") == 1

    async def test_a_body_without_end_is_not_read_to_its_end(self, site: Site) -> None:
        pieces = []

        async def receive() -> Any:
            pieces.append(1)
            assert len(pieces) < 100
            return {"type": "http.request", "body": b"x" * 65536, "more_body": True}

        response = Response()
        await site.app(http_scope("/portal/-/hooks/onboarding", HEADER, method="POST"), receive, response.send)
        assert code(response) == (413, "too_large")
        assert len(pieces) == hooks.MAX_EVENT_BYTES // 65536 + 1


class TestReplays:
    async def test_an_event_counts_once(self, site: Site) -> None:
        await site.launch("onboarding", "jane")
        outcomes = [outcome(await site.post("onboarding", UPDATED, HEADER)) for _ in range(3)]
        assert outcomes == ["forgotten", "repeated", "repeated"]
        await site.launch("onboarding", "jane")
        await site.post("onboarding", UPDATED, HEADER)
        await site.launch("onboarding", "jane")
        assert site.providers["onboarding"].asked == ["jane", "jane"]
        assert (site.count("forgotten"), site.count("repeated")) == (1, 3)

    async def test_an_old_event_says_nothing(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(site.app.gateway.routes._hooks, "_clock", lambda: 1_700_000_000.0)
        for age_s, expected in ((hooks.REMEMBERED_S + 1, "too_old"), (hooks.REMEMBERED_S - 1, "forgotten")):
            event = {**UPDATED, "eventTriggeredAt": (1_700_000_000 - age_s) * 1000}
            assert outcome(await site.post("onboarding", event, HEADER)) == expected

    async def test_many_events_do_not_drop_again_and_again_but_the_last_is_not_lost(self, site: Site) -> None:
        await site.launch("onboarding", "jane")
        outcomes = []
        for number in range(20):
            outcomes.append(outcome(await site.post("onboarding", {**UPDATED, "eventId": number}, HEADER)))
            await site.launch("onboarding", "jane")
        assert outcomes == ["forgotten"] + ["forgotten_later"] * 19
        assert site.providers["onboarding"].asked == ["jane"] * 2
        site.app.gateway.routes.close()  # as the end of the interval would
        await site.launch("onboarding", "jane")
        assert site.providers["onboarding"].asked == ["jane"] * 3

    async def test_more_users_than_can_be_told_apart_are_everybody(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(site.app.gateway.routes._hooks._forgetting, "_max_keys", 2)
        await site.launch("success", "jane", "omar", "noah")
        for user_id in ("a", "b", "c"):
            assert outcome(await site.post("success", {"user_id": user_id}, BEARER)) == "forgotten"
        await site.launch("success", "jane")
        assert site.providers["success"].asked == ["jane", "omar", "noah", "jane"]

    async def test_while_the_store_is_away_every_event_counts(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def add(*_: object) -> bool:
            raise StoreUnavailable("away")

        monkeypatch.setattr(site.app.gateway.routes._hooks._store, "add", add)
        outcomes = [outcome(await site.post("onboarding", UPDATED, HEADER)) for _ in range(2)]
        assert outcomes == ["forgotten", "forgotten_later"]

    async def test_what_is_remembered_of_an_event_is_a_digest(self, site: Site) -> None:
        store = site.app.gateway.routes._hooks._store
        assert isinstance(store, MemoryStore)
        await site.post("onboarding", {**UPDATED, "eventId": "jane@vance.example \ud800"}, HEADER)
        [key] = store._entries
        assert key.startswith("hook:onboarding:")
        assert "jane" not in key


async def test_neither_secrets_nor_bodies_are_logged(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        await site.post("success", {"user_id": "jane"}, BEARER)
        await site.post("success", {"user_id": "jane"}, (b"authorization", b"Bearer wrong-but-private"))
        await site.post("onboarding", b"{not json but jane", HEADER)
    for text in ("jane", "wrong-but-private", SUCCESS, ONBOARDING):
        assert text not in caplog.text
