from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest
from prometheus_text import Metrics

from portal_gateway.observe.admin import create_admin
from portal_gateway.observe.scoreboard import Entry

ENTRY = Entry(
    {
        "portal_gateway_requests_total": {'{kind="app",status="2xx"}': 12_345_678.0},
        "portal_gateway_request_seconds": {
            '_bucket{kind="app",le="+Inf"}': 1,
            '_sum{kind="app"}': 1,
            '_count{kind="app"}': 1,
        },
        "portal_gateway_worker_memory_bytes": {'{worker="0"}': 61_234_567.0},
    },
    ["portal success: <b>breaker_open</b>"],
)


@dataclass
class Operator:
    client: httpx.AsyncClient
    entry: Entry = field(default_factory=lambda: ENTRY)
    draining: bool = False


@pytest.fixture
async def operator() -> AsyncIterator[Operator]:
    app = create_admin(lambda: operator.entry, lambda: operator.draining)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://admin") as client:  # type: ignore[arg-type]
        operator = Operator(client)
        yield operator


async def test_live(operator: Operator) -> None:
    operator.draining = True
    answer = await operator.client.get("/live")
    assert (answer.status_code, answer.text) == (200, "live\n")
    assert answer.headers["cache-control"] == "no-store"


async def test_ready_until_it_stops(operator: Operator) -> None:
    answer = await operator.client.get("/ready")
    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "draining": False, "troubles": ENTRY.troubles}
    operator.draining = True
    answer = await operator.client.get("/ready")
    assert answer.status_code == 503
    assert answer.json()["ready"] is False


async def test_metrics_for_prometheus(operator: Operator) -> None:
    answer = await operator.client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert Metrics(answer.text).value("portal_gateway_requests_total") == 12_345_678


async def test_a_page_for_people(operator: Operator) -> None:
    answer = await operator.client.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "12,345,678" in answer.text
    assert "61,234,567" in answer.text
    assert "&lt;b&gt;breaker_open" in answer.text
    assert "<b>breaker_open" not in answer.text
    assert "It serves." in answer.text
    assert "le=" not in answer.text
    operator.entry, operator.draining = Entry(), True
    answer = await operator.client.get("/")
    assert "No trouble." in answer.text
    assert "It is stopping" in answer.text


@pytest.mark.parametrize("path", ["/", "/live", "/ready", "/metrics"])
async def test_head_has_no_body_and_nothing_can_be_changed(operator: Operator, path: str) -> None:
    head = await operator.client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 0
    assert (await operator.client.post(path)).status_code == 405


@pytest.mark.parametrize("path", ["/nothing", "/live/", "/portal/"])
async def test_other_paths(operator: Operator, path: str) -> None:
    assert (await operator.client.get(path)).status_code == 404
