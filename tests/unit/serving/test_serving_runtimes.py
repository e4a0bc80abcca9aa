from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from prometheus_text import Metrics
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from portal_gateway import load_settings
from portal_gateway.observe.exposition import exposition
from portal_gateway.observe.metrics import FAMILIES
from portal_gateway.sandbox.server import running
from portal_gateway.serving import runtimes
from portal_gateway.serving.runtimes import Runtimes
from portal_gateway.sidecar import Sidecar, build_sidecar


@pytest.fixture(autouse=True)
def _garbage_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "settle", lambda: None)


class Upstream:
    """An app that says its name; `/held` when the test lets it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.url = ""
        self.reached = asyncio.Event()
        self.released = asyncio.Event()

    def app(self) -> Starlette:
        async def named(request: Request) -> Response:
            return PlainTextResponse(self.name)

        async def held(request: Request) -> Response:
            self.reached.set()
            await self.released.wait()
            return PlainTextResponse(self.name)

        return Starlette(routes=[Route("/", named), Route("/held", held)])


@asynccontextmanager
async def upstreams(*names: str) -> AsyncIterator[list[Upstream]]:
    from contextlib import AsyncExitStack

    async with AsyncExitStack() as stack:
        found = [Upstream(name) for name in names]
        for upstream in found:
            upstream.url = await stack.enter_async_context(running(upstream.app()))
        yield found


def sidecar(url: str, **more: Any) -> Sidecar:
    portals = {"success": {"provider": "planhat", "api_token": {"env": "TOKEN"}}}
    identity = [{"source": "whoami", "path": "/me", "fields": {"id": "id"}}]
    config = {"upstream": url, "identity": identity, "portals": portals, **more}
    return build_sidecar(load_settings(config, environ={"TOKEN": "t"}))


def browser(app: Runtimes) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app.test")  # type: ignore[arg-type]


def metrics(app: Runtimes) -> Metrics:
    return Metrics(exposition(app.samples(), FAMILIES))


async def test_requests_finish_where_they_began_and_new_ones_go_to_the_new() -> None:
    async with upstreams("old", "new") as (old, new):
        first = sidecar(old.url)
        app = Runtimes(first)
        async with browser(app) as client:
            held = asyncio.create_task(client.get("/held"))
            await old.reached.wait()
            app.replace(sidecar(new.url))
            assert (await client.get("/")).text == "new"
            assert metrics(app).value("portal_gateway_upstream_connections") == 2
            old.released.set()
            assert (await held).text == "old"
            await app.aclose()
            [upstream] = first.proxy.upstreams.all
            assert upstream.pool.idle_count == upstream.pool.busy_count == 0


async def test_an_old_one_is_closed_when_its_last_request_is_over_and_its_figures_stay() -> None:
    async with upstreams("old", "new") as (old, new):
        first = sidecar(old.url)
        app = Runtimes(first)
        async with browser(app) as client:
            assert (await client.get("/")).text == "old"
            before = metrics(app).value("portal_gateway_left_alone_total")
            [upstream] = first.proxy.upstreams.all
            assert upstream.pool.idle_count == 1
            app.replace(sidecar(new.url))
            async with asyncio.timeout(10):
                while app._closings:
                    await asyncio.wait(app._closings)
            assert upstream.pool.idle_count == 0
            assert metrics(app).value("portal_gateway_left_alone_total") == before == 1
            assert metrics(app).value("portal_gateway_upstream_connections") == 0
            assert (await client.get("/")).text == "new"
            assert metrics(app).value("portal_gateway_left_alone_total") == 2
        await app.aclose()


async def test_one_replacement_after_the_other() -> None:
    async with upstreams("a", "b", "c") as (a, b, c):
        app = Runtimes(sidecar(a.url))
        async with browser(app) as client:
            holding = asyncio.create_task(client.get("/held"))
            await a.reached.wait()
            app.replace(sidecar(b.url))
            app.replace(sidecar(c.url))
            assert (await client.get("/")).text == "c"
            a.released.set()
            assert (await holding).text == "a"
        await app.aclose()


async def test_own_paths_are_those_of_this_moment() -> None:
    app = Runtimes(sidecar("http://127.0.0.1:9"))
    assert [app.is_ours(path) for path in ("/portal", "/portal/a", "/portals", "/")] == [True, True, False, False]
    app.replace(sidecar("http://127.0.0.1:9", mount_path="/gate"))
    assert [app.is_ours(path) for path in ("/portal", "/gate", "/gate/a")] == [False, True, True]
    await app.aclose()


async def test_troubles_are_said_while_they_last() -> None:
    async with upstreams("up") as (up,):
        away = sidecar("http://127.0.0.1:9")
        app = Runtimes(away)
        assert app.troubles() == []
        async with browser(app) as client:
            assert (await client.get("/")).status_code == 502
            assert app.troubles() == ["upstream 127.0.0.1:9: failed the last request that it was asked"]
            name = "portal_gateway_upstream_failures_total"
            assert metrics(app).value(name, upstream="127.0.0.1:9", code="upstream_unavailable") == 1
            app.replace(sidecar(up.url))
            assert (await client.get("/")).status_code == 200
            assert app.troubles() == []
        await app.aclose()


async def test_a_condition_at_the_vendor_is_a_trouble_and_a_gauge() -> None:
    current = sidecar("http://127.0.0.1:9")
    app = Runtimes(current)
    events = current.gateway.events
    events.alerted("success", "breaker_open")
    assert app.troubles() == ["portal success: breaker_open"]
    name = "portal_gateway_vendor_conditions"
    assert metrics(app).value(name, portal="success", condition="breaker_open") == 1
    events.recovered("success", "breaker_open")
    assert app.troubles() == []
    assert metrics(app).value(name) == 0
    await app.aclose()
