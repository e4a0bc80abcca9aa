"""The control API: what tests and the demo see of an emulator, and how they change it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from portal_gateway.sandbox import Sandbox
from portal_gateway.sandbox.calls import MAX_CALLS, Call, CallLog
from portal_gateway.sandbox.clock import Clock

ACCESS = "/shareabletokens/access/extid-jane"


class TestCalls:
    async def test_are_listed_and_counted(self, sandbox: Sandbox, planhat: httpx.AsyncClient) -> None:
        await planhat.get(ACCESS)
        await planhat.get(ACCESS, headers={"Authorization": ""})
        await planhat.get("/endusers?email=x", headers={"Referer": "https://app.example/"})
        body = (await planhat.get("/_sandbox/calls")).json()
        assert body["total"] == 3
        assert body["counts"] == {f"GET {ACCESS}": 2, "GET /endusers": 1}
        assert [call["status"] for call in body["calls"]] == [200, 401, 200]
        assert body["calls"][2] == {
            "method": "GET",
            "path": "/endusers",
            "query": "email=x",
            "referer": "https://app.example/",
            "at": sandbox.clock.now(),
            "status": 200,
        }

    async def test_include_portal_pages_but_not_control_or_assets(
        self, sandbox: Sandbox, rocketlane: httpx.AsyncClient
    ) -> None:
        for path in ("/cp/embed?token=x", "/static/portal.css", "/_sandbox/calls"):
            await rocketlane.get(path)
        assert sandbox.rocketlane_vendor.calls.counts() == {"GET /cp/embed": 1}

    async def test_count_by_prefix(self, sandbox: Sandbox, planhat: httpx.AsyncClient) -> None:
        await planhat.get(ACCESS)
        await planhat.get("/shareabletokens/extid-jane")
        calls = sandbox.planhat_vendor.calls
        assert calls.count("GET", "/shareabletokens/") == 2
        assert calls.count("GET", "/shareabletokens/access/") == 1
        assert calls.count("POST", "/") == 0

    def test_are_bounded(self) -> None:
        log = CallLog()
        for number in range(MAX_CALLS + 5):
            log.add(Call("GET", f"/{number}", "", None, 0))
        assert len(log) == MAX_CALLS
        assert log.counts()["GET /4"] == 0


class TestClock:
    async def test_advances_both_vendors(
        self, sandbox: Sandbox, planhat: httpx.AsyncClient, rocketlane: httpx.AsyncClient
    ) -> None:
        before = sandbox.clock.now()
        assert (await planhat.post("/_sandbox/clock", json={"advance_s": 31})).json() == {"now": before + 31}
        assert (await rocketlane.post("/_sandbox/clock", json={"advance_s": 0.5})).json()["now"] == before + 31.5

    @pytest.mark.parametrize("body", [{}, {"advance_s": "31"}, {"advance_s": True}, [], "x"])
    async def test_refuses_anything_else(self, sandbox: Sandbox, planhat: httpx.AsyncClient, body: Any) -> None:
        before = sandbox.clock.now()
        assert (await planhat.post("/_sandbox/clock", json=body)).status_code == 400
        assert sandbox.clock.now() == before

    def test_is_real_time_at_first(self) -> None:
        clock, advanced = Clock(), Clock()
        advanced.advance(1000)
        assert 999 < advanced.now() - clock.now() < 1001
        advanced.reset()
        assert abs(advanced.now() - clock.now()) < 1


class TestSwitches:
    async def test_are_set_and_told(self, sandbox: Sandbox, planhat: httpx.AsyncClient) -> None:
        response = await planhat.post("/_sandbox/switches", json={"access_form": "text", "latency_s": 0})
        assert response.json()["access_form"] == "text"
        assert response.json()["no_access"] == "false"
        assert sandbox.planhat_vendor.switches.access_form == "text"

    async def test_are_each_vendors_own(self, planhat: httpx.AsyncClient, rocketlane: httpx.AsyncClient) -> None:
        response = await rocketlane.post("/_sandbox/switches", json={"access_form": "text"})
        assert response.status_code == 400
        assert "no switch 'access_form'" in response.text
        assert (await rocketlane.post("/_sandbox/switches", json={"status": 500})).status_code == 200
        assert (await planhat.get("/endusers")).status_code == 200

    @pytest.mark.parametrize(
        "changes",
        [
            {"access_form": "xml"},
            {"fault": None},
            {"status": "500"},
            {"status": True},
            {"latency_s": "1"},
            {"extid_supported": 1},
            {"unheard_of": 1},
        ],
    )
    async def test_are_all_or_nothing(
        self, sandbox: Sandbox, planhat: httpx.AsyncClient, changes: dict[str, Any]
    ) -> None:
        response = await planhat.post("/_sandbox/switches", json={"evil_link": True, **changes})
        assert response.status_code == 400
        assert next(iter(changes)) in response.text
        assert sandbox.planhat_vendor.switches.evil_link is False

    async def test_must_be_an_object(self, planhat: httpx.AsyncClient) -> None:
        for body in (b"", b"[]", b"{"):
            assert (await planhat.post("/_sandbox/switches", content=body)).status_code == 400


class TestReset:
    async def test_puts_planhat_back(self, sandbox: Sandbox, planhat: httpx.AsyncClient) -> None:
        tenant = sandbox.world.planhat
        link = (await planhat.get("/shareabletokens/extid-jane")).text
        await planhat.get((await planhat.get("/shareabletokens/extid-jane")).text)
        tenant.end_users.clear()
        await planhat.post("/_sandbox/switches", json={"status": 500, "rate_limit_per_minute": 3})
        await planhat.post("/_sandbox/clock", json={"advance_s": 5})
        now = sandbox.clock.now()
        assert (await planhat.post("/_sandbox/reset")).status_code == 204
        assert sandbox.clock.now() == now - 5
        assert len(sandbox.planhat_vendor.calls) == 0
        assert (await planhat.get(ACCESS)).json() is True
        assert sandbox.world.planhat is tenant
        assert (await planhat.get("/portal")).status_code == 401
        assert (await planhat.get(link)).status_code == 403

    async def test_puts_rocketlane_back(self, sandbox: Sandbox, rocketlane: httpx.AsyncClient) -> None:
        body = {"customers": [{"emailId": "noah@vance.example"}]}
        await rocketlane.post("/api/1.0/projects/5001/add-members", json=body)
        for _ in range(61):
            refused = await rocketlane.get("/api/1.0/users")
        assert refused.status_code == 429
        sandbox.reset()
        workspace = sandbox.world.rocketlane
        assert workspace.invitations == []
        assert workspace.user_by_email("noah@vance.example") is None
        assert (await rocketlane.get("/api/1.0/projects")).status_code == 200

    async def test_can_be_done_again(self, sandbox: Sandbox) -> None:
        for _ in range(2):
            sandbox.world.planhat.end_users[0].archived = True
            sandbox.reset()
            assert sandbox.world.planhat.end_users[0].archived is False


async def test_control_needs_the_right_method(planhat: httpx.AsyncClient) -> None:
    assert (await planhat.get("/_sandbox/reset")).status_code == 405
    assert (await planhat.post("/_sandbox/calls")).status_code == 405
