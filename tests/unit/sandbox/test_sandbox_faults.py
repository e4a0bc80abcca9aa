"""The ways a vendor can be broken, seen over a real socket where the socket matters."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest

from portal_gateway.sandbox import Sandbox, running
from portal_gateway.sandbox.faults import HUGE_BYTES

ACCESS = "/shareabletokens/access/extid-jane"


@pytest.mark.parametrize("status", [401, 429, 500, 503])
async def test_planhat_answers_with_any_error(sandbox: Sandbox, planhat: httpx.AsyncClient, status: int) -> None:
    sandbox.planhat_vendor.switches.update({"status": status})
    response = await planhat.get(ACCESS)
    assert response.status_code == status
    assert response.json()["message"]


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "NOT_AUTHORIZED"), (429, "TOO_MANY_REQUEST"), (500, "INTERNAL_SERVER_ERROR")],
)
async def test_rocketlane_answers_with_any_error(
    sandbox: Sandbox, rocketlane: httpx.AsyncClient, status: int, code: str
) -> None:
    sandbox.rocketlane_vendor.switches.update({"status": status})
    response = await rocketlane.get("/api/1.0/projects/5001")
    assert response.status_code == status
    assert response.json()["errors"][0]["errorCode"] == code
    assert "X-Request-Id" in response.headers
    if status == 429:
        assert int(response.headers["X-Retry-After"]) > sandbox.clock.now() * 1000


async def test_a_fault_can_be_kept_to_some_paths(sandbox: Sandbox, planhat: httpx.AsyncClient) -> None:
    sandbox.planhat_vendor.switches.update({"status": 500, "fault_path": "/shareabletokens/access/"})
    assert (await planhat.get(ACCESS)).status_code == 500
    assert (await planhat.get("/shareabletokens/extid-jane")).status_code == 200


async def test_portal_pages_are_spared(sandbox: Sandbox, planhat: httpx.AsyncClient) -> None:
    sandbox.planhat_vendor.switches.update({"status": 500})
    assert (await planhat.get("/portal")).status_code == 401


async def test_a_maintenance_page_is_a_200(sandbox: Sandbox, planhat: httpx.AsyncClient) -> None:
    sandbox.planhat_vendor.switches.update({"fault": "html"})
    response = await planhat.get(ACCESS)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")


async def test_latency_delays_the_answer(sandbox: Sandbox, planhat: httpx.AsyncClient) -> None:
    sandbox.planhat_vendor.switches.update({"latency_s": 0.05})
    begun = time.monotonic()
    assert (await planhat.get(ACCESS)).json() is True
    assert time.monotonic() - begun >= 0.05


async def test_a_huge_body_is_streamed(sandbox: Sandbox) -> None:
    sandbox.planhat_vendor.switches.update({"fault": "huge"})
    async with running(sandbox.planhat) as url, httpx.AsyncClient() as client:
        received, largest = 0, 0
        async with client.stream("GET", url + ACCESS) as response:
            assert "content-length" not in response.headers
            async for chunk in response.aiter_raw():
                received, largest = received + len(chunk), max(largest, len(chunk))
    assert received == HUGE_BYTES + len("true")
    assert largest < HUGE_BYTES // 10


async def test_a_trickle_goes_on(sandbox: Sandbox) -> None:
    sandbox.planhat_vendor.switches.update({"fault": "trickle"})
    async with (
        running(sandbox.planhat) as url,
        httpx.AsyncClient() as client,
        client.stream("GET", url + ACCESS) as response,
    ):
        assert response.status_code == 200
        chunks, received = response.aiter_raw(), b""
        while len(received) < 3:
            received += await anext(chunks)
        assert received.isspace()


async def test_a_hanging_vendor_never_answers(sandbox: Sandbox) -> None:
    sandbox.planhat_vendor.switches.update({"fault": "hang"})
    async with running(sandbox.planhat) as url, httpx.AsyncClient() as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get(url + ACCESS, timeout=httpx.Timeout(10, read=0.1))
        async with asyncio.timeout(5):
            while len(sandbox.planhat_vendor.calls) < 1:
                await asyncio.sleep(0)
    (call,) = sandbox.planhat_vendor.calls.as_dict()["calls"]
    assert call["status"] is None


async def test_a_hanging_vendor_stops_all_the_same(sandbox: Sandbox) -> None:
    sandbox.planhat_vendor.switches.update({"fault": "hang"})
    async with httpx.AsyncClient() as client:
        async with asyncio.timeout(10), running(sandbox.planhat) as url:
            asking = asyncio.create_task(client.get(url + ACCESS, timeout=30))
            while len(sandbox.planhat_vendor.calls) < 1:
                await asyncio.sleep(0.01)
        assert (await asking).is_server_error
