"""How often the vendor is asked: once per user within the TTL, however many pages are viewed, even all at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from frameworks_support import LINK, PATIENCE_S, SCOPE_SESSION, Vendors, visitor

from portal_gateway import PortalGatewayMiddleware
from portal_gateway.sandbox.demo import running_vendors
from portal_gateway.sandbox.host_app import create_host_app
from portal_gateway.sandbox.serve import create_sandbox
from portal_gateway.sandbox.server import running
from portal_gateway.settings import load_settings
from portal_gateway.wire.asgi import ASGIApp, Receive, Scope, Send

SESSION = {"source": "scope", "session": {**SCOPE_SESSION["session"], "id": "user_id"}}  # type: ignore[dict-item]


@dataclass
class Door:
    """Stands before the Planhat emulator; while it is shut, access calls arrive and wait."""

    app: ASGIApp
    open: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/shareabletokens/access/"):
            self.arrived.append(scope["path"])
            self.waiting.set()
            await self.open.wait()
        await self.app(scope, receive, send)

    async def reached(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self.waiting.wait()


@dataclass
class Shop:
    url: str
    vendors: Vendors
    door: Door


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    """The demo's host app with the gateway around it, and a door before Planhat."""
    sandbox = create_sandbox()
    sandbox.planhat_vendor.switches.rate_limit_per_minute = 10_000
    door = Door(sandbox.planhat)
    async with running_vendors(sandbox, "127.0.0.1") as (planhat_url, rocketlane_url), running(door) as door_url:
        vendors = Vendors(sandbox, planhat_url, rocketlane_url)
        config = vendors.config(SESSION)
        config["portals"]["success"]["api_url"] = door_url
        app = PortalGatewayMiddleware(create_host_app(), load_settings(config, environ=vendors.environ))
        async with running(app) as url:
            yield Shop(url, vendors, door)


@asynccontextmanager
async def signed_in(shop: Shop, user_id: str) -> AsyncIterator[httpx.AsyncClient]:
    async with visitor(shop.url) as client:
        await client.post("/login", data={"user_id": user_id})
        yield client


async def views_under_way(
    stack: AsyncExitStack, client: httpx.AsyncClient, paths: Sequence[str]
) -> list[httpx.Response]:
    """Page views whose heads have arrived: they wait for the decision at the placement."""
    return list(await asyncio.gather(*(stack.enter_async_context(client.stream("GET", target)) for target in paths)))


async def test_a_thousand_views_make_one_access_call(shop: Shop) -> None:
    shop.door.open.set()
    async with signed_in(shop, "jane") as client:
        for number in range(1000):
            page = await client.get(f"/?view={number}")
            assert len(LINK.findall(page.text)) == 1
    assert shop.vendors.access_calls("jane") == 1
    assert shop.vendors.mints("jane") == 0


async def test_a_denial_is_remembered_as_well(shop: Shop) -> None:
    shop.door.open.set()
    async with signed_in(shop, "noah") as client:
        for _ in range(20):
            assert not LINK.search((await client.get("/")).text)
    assert shop.vendors.access_calls("noah") == 1


async def test_fifty_first_views_at_once_make_one_access_call(shop: Shop) -> None:
    async with signed_in(shop, "jane") as client, AsyncExitStack() as stack:
        views = await views_under_way(stack, client, [f"/?view={number}" for number in range(50)])
        shop.door.open.set()
        pages = await asyncio.gather(*(view.aread() for view in views))
    assert [len(LINK.findall(page.decode())) for page in pages] == [1] * 50
    assert len(shop.door.arrived) == shop.vendors.access_calls("jane") == 1


async def test_first_views_of_several_people_make_one_call_each(shop: Shop) -> None:
    async with AsyncExitStack() as stack:
        views: dict[str, list[httpx.Response]] = {}
        for user_id in ("jane", "lena", "noah"):
            client = await stack.enter_async_context(signed_in(shop, user_id))
            views[user_id] = await views_under_way(stack, client, ["/", "/reports", "/"])
        shop.door.open.set()
        links = {
            user_id: [len(LINK.findall((await view.aread()).decode())) for view in theirs]
            for user_id, theirs in views.items()
        }
    assert links == {"jane": [1, 1, 1], "lena": [1, 1, 1], "noah": [0, 0, 0]}
    assert sorted(shop.door.arrived) == [f"/shareabletokens/access/extid-{name}" for name in ("jane", "lena", "noah")]


async def test_a_closed_tab_costs_the_others_nothing(shop: Shop) -> None:
    async with signed_in(shop, "jane") as client, signed_in(shop, "jane") as other, AsyncExitStack() as stack:
        async with AsyncExitStack() as tab:
            await views_under_way(tab, client, ["/"])
            await shop.door.reached()
            (view,) = await views_under_way(stack, other, ["/"])
        await client.aclose()
        shop.door.open.set()
        assert LINK.search((await view.aread()).decode())
    assert len(shop.door.arrived) == 1


async def test_launches_at_once_share_the_decision_and_no_link(shop: Shop) -> None:
    async with signed_in(shop, "jane") as client:
        launches = asyncio.gather(*(client.get("/portal/success/launch") for _ in range(20)))
        await shop.door.reached()
        shop.door.open.set()
        links = {launch.headers["location"] for launch in await launches}
    assert len(links) == shop.vendors.mints("jane") == 20
    assert shop.vendors.access_calls("jane") == 1


@pytest.mark.parametrize(("vendor_status", "calls"), [(500, 2), (401, 1)])
async def test_while_the_vendor_fails_it_is_not_asked_at_every_view(shop: Shop, vendor_status: int, calls: int) -> None:
    shop.door.open.set()
    shop.vendors.sandbox.planhat_vendor.switches.status = vendor_status
    async with signed_in(shop, "jane") as client:
        pages = [await client.get("/") for _ in range(20)]
    assert [page.status_code for page in pages] == [200] * 20
    assert shop.vendors.access_calls("jane") == calls
