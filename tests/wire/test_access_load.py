"""Decisions under load: several workers, replicas and one Redis, a vendor that hangs, and a Redis that comes and goes.

The numbers are small enough for every run; ACCESS_LOAD_FACTOR=50 makes them those that people ask for (ten thousand
page views while the vendor hangs, a million lookups) and prints figures.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from frameworks_support import LINK, PAGE
from processes import PATIENCE_S, running_sidecar, write_config
from redis_server import RedisServer, running_redis

from portal_gateway import PortalGatewayMiddleware, load_settings
from portal_gateway.access.asking import Source
from portal_gateway.access.freshness import Lifetimes
from portal_gateway.access.keys import PortalKeys
from portal_gateway.access.memory import MemoryLevel
from portal_gateway.access.replicas import Replicas
from portal_gateway.access.service import AccessService
from portal_gateway.access.shared import SharedLevel
from portal_gateway.models import Access, EndUser
from portal_gateway.observe.events import Events
from portal_gateway.sandbox.server import running
from portal_gateway.settings.cache import CacheSettings
from portal_gateway.store.redis import RedisStore
from portal_gateway.store.registry import open_store
from portal_gateway.wire.asgi import Receive, Scope, Send

FACTOR = float(os.environ.get("ACCESS_LOAD_FACTOR", "1"))
USERS = [f"u{number}" for number in range(500)]
ENVIRON = {"TOKEN": "token-of-the-tenant", "FORGET": "a-secret-for-forgetting"}
AT_ONCE = 100


@dataclass
class Tenant:
    """A vendor with as many end users as one likes: those with even numbers have access, unless it is taken away."""

    calls: Counter[str] = field(default_factory=Counter)
    taken_away: set[str] = field(default_factory=set)
    latency_s: float = 0.02
    hangs: bool = False

    def has_access(self, user_id: str) -> bool:
        return int(user_id[1:]) % 2 == 0 and user_id not in self.taken_away

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        user_id = scope["path"].removeprefix("/shareabletokens/access/extid-")
        self.calls[user_id] += 1
        if self.hangs:
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        await asyncio.sleep(self.latency_s)
        body = json.dumps(self.has_access(user_id)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def page_app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    headers = [(b"content-type", b"text/html; charset=utf-8")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": PAGE.encode()})


def config(vendor_url: str, *, portal: Mapping[str, Any] = {}, **top: Any) -> dict[str, Any]:
    success = {
        "provider": "planhat",
        "api_token": {"env": "TOKEN"},
        "api_url": vendor_url,
        "enduser_id": "extid-{id}",
        "limits": {"per_minute": 100_000},
        "access": {"budget_ms": 10_000},
        "inject": [{"at": "nav .links"}],
        **portal,
    }
    identity = [{"source": "headers", "id": "X-User-Id", "email": "X-User-Email"}]
    return {"trusted_proxies": ["127.0.0.1/32"], "identity": identity, "portals": {"success": success}, **top}


@dataclass(frozen=True)
class Page:
    status: int
    text: str
    seconds: float

    @property
    def has_link(self) -> bool:
        return bool(LINK.search(self.text))


async def exchange(url: str, head: str, body: str = "") -> Page:
    """One request on a connection of its own, so that it may reach any worker."""
    parts = urlsplit(url)
    started = time.perf_counter()
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(f"{head}\r\nHost: app.test\r\nConnection: close\r\n\r\n{body}".encode())
        answer = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
    status = re.match(r"HTTP/1\.1 (\d+)", answer)
    assert status, answer
    return Page(int(status[1]), answer, time.perf_counter() - started)


async def view(url: str, user_id: str) -> Page:
    head = f"GET / HTTP/1.1\r\nAccept: text/html\r\nX-User-Id: {user_id}\r\nX-User-Email: {user_id}@vance.example"
    return await exchange(url, head)


async def forget(url: str, user_id: str) -> Page:
    body = json.dumps({"portal": "success", "user_id": user_id})
    secret = f"Authorization: Bearer {ENVIRON['FORGET']}"
    return await exchange(url, f"POST /portal/-/forget HTTP/1.1\r\n{secret}\r\nContent-Length: {len(body)}", body)


async def all_of(calls: list[Callable[[], Awaitable[Any]]], at_once: int = AT_ONCE) -> list[Any]:
    room = asyncio.Semaphore(at_once)

    async def one(call: Callable[[], Awaitable[Any]]) -> Any:
        async with room:
            return await call()

    return await asyncio.gather(*map(one, calls))


def views(urls: list[str], user_ids: list[str]) -> list[Callable[[], Awaitable[Page]]]:
    return [lambda url=url, user_id=user_id: view(url, user_id) for user_id in user_ids for url in urls]  # type: ignore[misc]


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with tempfile.TemporaryDirectory() as directory, running_redis(Path(directory)) as server:
        yield server


@dataclass
class Fleet:
    """Two gateways of two workers each, with one vendor and one Redis."""

    urls: list[str]
    tenant: Tenant
    redis: RedisServer

    def right(self, user_id: str, page: Page) -> bool:
        return page.status == 200 and page.has_link is self.tenant.has_access(user_id)


@pytest.fixture
async def fleet(redis: RedisServer, tmp_path: Path) -> AsyncIterator[Fleet]:
    tenant = Tenant()
    async with AsyncExitStack() as stack:
        vendor_url = await stack.enter_async_context(running(tenant))
        upstream = await stack.enter_async_context(running(page_app))
        # Four workers that start on two cores are slower than any Redis.
        cache = {"url": redis.url, "timeout_ms": 2000}
        values = config(vendor_url, upstream=upstream, cache=cache, forget={"secret": {"env": "FORGET"}})
        file = write_config(tmp_path / "gateway.yaml", values)
        gateways = [running_sidecar(file, "--workers", "2", environ=ENVIRON) for _ in range(2)]
        sidecars = await asyncio.gather(*(stack.enter_async_context(gateway) for gateway in gateways))
        yield Fleet([sidecar.url for sidecar in sidecars], tenant, redis)


async def test_a_fleet_asks_once_per_user_forgets_together_and_outlives_its_redis(fleet: Fleet) -> None:
    """One test for all of it: starting four workers takes longer than what they are asked here."""
    await cold_start(fleet)
    await forgetting(fleet)
    await redis_away_and_back(fleet)


async def cold_start(fleet: Fleet) -> None:
    """Everybody comes at once, to all workers."""
    wanted = [user_id for user_id in USERS for _ in fleet.urls * 2]
    pages = await all_of(views(fleet.urls * 2, USERS), 200)
    assert [page.status for page in pages] == [200] * len(wanted)
    assert all(fleet.right(user_id, page) for user_id, page in zip(wanted, pages, strict=True))
    assert fleet.tenant.calls == dict.fromkeys(USERS, 1)


async def forgetting(fleet: Fleet) -> None:
    """One gateway is told that a user has lost access: no worker of any shows the link any more."""
    fleet.tenant.taken_away.add("u0")
    started = time.perf_counter()
    assert (await forget(fleet.urls[0], "u0")).status == 200
    async with asyncio.timeout(PATIENCE_S):
        while any([(await view(url, "u0")).has_link for url in fleet.urls * 8]):
            pass
    say(f"a forgotten user was forgotten everywhere within {time.perf_counter() - started:.2f} s")
    assert fleet.tenant.calls["u0"] <= 3
    assert (await view(fleet.urls[1], "u2")).has_link


async def redis_away_and_back(fleet: Fleet) -> None:
    failed: list[tuple[str, Page]] = []
    count = 0
    stop = asyncio.Event()

    async def visitor(seed: int) -> None:
        nonlocal count
        dice = random.Random(seed)
        while not stop.is_set():
            user_id = dice.choice(USERS)
            page = await view(dice.choice(fleet.urls), user_id)
            count += 1
            if not fleet.right(user_id, page):
                failed.append((user_id, page))

    async def more_views(number: int) -> None:
        enough = count + number
        while count < enough:
            await asyncio.sleep(0.01)

    visitors = [asyncio.create_task(visitor(seed)) for seed in range(20)]
    async with asyncio.timeout(PATIENCE_S * 3):
        await more_views(int(200 * FACTOR))
        await asyncio.to_thread(fleet.redis.kill)
        await more_views(int(500 * FACTOR))
        await asyncio.to_thread(fleet.redis.start)
        back = time.perf_counter()
        await shared_again(fleet)
        say(f"shared again {time.perf_counter() - back:.2f} s after Redis was back")
        await more_views(int(200 * FACTOR))
    stop.set()
    await asyncio.gather(*visitors)
    assert failed == []


async def shared_again(fleet: Fleet) -> None:
    """Until users who were never seen are asked about once, whichever gateway they come to."""
    number = 10_000
    while True:
        newcomers = [f"u{number + extra}" for extra in range(10)]
        number += 10
        for page in views(fleet.urls * 2, newcomers):
            await page()
        if all(fleet.tenant.calls[user_id] == 1 for user_id in newcomers):
            return


async def test_while_the_vendor_hangs_every_page_arrives(tmp_path: Path) -> None:
    tenant = Tenant(latency_s=0.0)
    known, unknown = USERS[:40:2], USERS[101:140:2]
    portal = {"access": {"budget_ms": 150, "ttl": 0.4}, "timeout_s": 0.5}
    async with running(tenant) as vendor_url, running(page_app) as bare:
        settings = load_settings(config(vendor_url, portal=portal), environ=ENVIRON)
        async with running(PortalGatewayMiddleware(page_app, settings)) as url:
            for user_id in known:
                await until_link(url, user_id)
            tenant.hangs = True
            tenant.calls.clear()
            await asyncio.sleep(0.5)  # the answers are older than their ttl now
            opening = await all_of(views([url], known + unknown) * 5, 40)
            for user_id in known:
                await until_link(url, user_id)
            pages = await all_of(views([url], known + unknown) * int(20 * FACTOR**0.5), 1)
            plain = await all_of(views([bare], known) * int(20 * FACTOR**0.5), 1)
    assert {page.status for page in opening + pages} == {200}
    assert all("</main></body></html>" in page.text for page in opening + pages)
    for user_id, page in zip((known + unknown) * (len(pages) // len(known + unknown)), pages, strict=True):
        assert page.has_link is (user_id in known), "an old yes is shown, and nothing else is"
    # A hanging vendor gets a few calls before it is left alone, and one now and then after that.
    assert sum(tenant.calls.values()) <= 60
    say(f"{len(opening + pages)} views, vendor hanging: opening {figures(opening)}, then {figures(pages)}")
    say(f"the same without the gateway: {figures(plain)}")


async def until_link(url: str, user_id: str) -> None:
    """The first pages may go out before a cold process knows the answer."""
    async with asyncio.timeout(PATIENCE_S):
        while not (await view(url, user_id)).has_link:
            pass


@dataclass
class Numbered:
    """A vendor whose answers carry the user and a number that only grows."""

    numbers: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    frame_origin = "https://vendor.example"
    embeds = True

    def subject(self, user: EndUser) -> str:
        return user.email or ""

    async def check_access(self, user: EndUser) -> Access:
        self.asked += 1
        reason = f"{user.id}:{self.numbers[user.id]}"
        await asyncio.sleep(0)
        return Access.grant(reason)

    async def mint(self, *_: object) -> str:
        raise NotImplementedError

    def forget(self) -> None: ...

    async def aclose(self) -> None: ...


@asynccontextmanager
async def replica(vendor: Numbered, url: str, users: int) -> AsyncIterator[AccessService]:
    store = open_store(CacheSettings(url=url))
    assert isinstance(store, RedisStore)
    keys = {"success": PortalKeys("success", b"secret of the tenant", "")}
    lifetimes = Lifetimes(300, 60, 3600)
    events = Events()
    level = SharedLevel(store, keys, {"success": lifetimes}, events)
    sources = {"success": Source(vendor, lifetimes)}
    service = AccessService(sources, MemoryLevel(users // 2), events, Replicas(keys, level))
    yield service
    await service.aclose()
    await store.aclose()


async def test_lookups_in_any_order_are_never_wrong(redis: RedisServer) -> None:
    """A thousand users, half of whom fit into each process, two processes' worth of levels, Redis killed in between."""
    lookups = int(20_000 * FACTOR)
    users = [EndUser(f"u{number}", f"u{number}@vance.example") for number in range(1000)]
    vendor, dice, wrong = Numbered(), random.Random(1), 0
    resident: list[int] = []
    known_since: Counter[str] = Counter()  # what all were told of: no answer from before is right
    async with replica(vendor, redis.url, 1000) as first, replica(vendor, redis.url, 1000) as second:
        for batch in range(lookups // 100):
            chosen = [(dice.choice((first, second)), dice.choice(users)) for _ in range(100)]
            decisions = await asyncio.gather(*(service.decide("success", user) for service, user in chosen))
            for (_, user), decision in zip(chosen, decisions, strict=True):
                whose, _, told = decision.access.reason.partition(":")
                wrong += whose != user.id or not known_since[user.id] <= int(told) <= vendor.numbers[user.id]
            if batch % 10 == 0:
                user = dice.choice(users)
                vendor.numbers[user.id] += 1
                first.forget("success", user.id)
                wrong += (await first.decide("success", user)).access.reason != f"{user.id}:{vendor.numbers[user.id]}"
                async with asyncio.timeout(PATIENCE_S):
                    while (await second.decide("success", user)).access != (await first.decide("success", user)).access:
                        await asyncio.sleep(0.01)
                known_since[user.id] = vendor.numbers[user.id]
            if batch % max(1, lookups // 500) == 0:
                await asyncio.to_thread(redis.restart)
                resident.append(resident_bytes())
    assert wrong == 0
    assert vendor.asked < lookups / 2, "most lookups find what was asked before"
    say(f"{lookups} lookups, vendor asked {vendor.asked} times, resident {[size >> 20 for size in resident]} MB")
    if FACTOR > 1:
        assert resident[-1] < resident[len(resident) // 2] + 8 * 1024 * 1024


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def figures(pages: list[Page]) -> str:
    times = sorted(page.seconds * 1000 for page in pages)
    return f"median {statistics.median(times):.1f} ms, p99 {times[int(len(times) * 0.99)]:.1f} ms"


def say(text: str) -> None:
    if FACTOR > 1:
        print(text)
