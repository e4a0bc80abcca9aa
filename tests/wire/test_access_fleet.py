"""Two gateways of two workers each, with one vendor and one Redis."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from load_kit import ENVIRON, FULL, Page, PageApp, Tenant, all_of, config, forget, say, view
from processes import PATIENCE_S, running_sidecar, write_config
from redis_server import RedisServer, running_redis

from portal_gateway.sandbox.server import running

# Four workers that start on two cores, next to other tests, are slower than any Redis.
CACHE = {} if FULL else {"timeout_ms": 2000}
VENDOR_TIMEOUT_S = 5.0 if FULL else 30.0
SHARED_WITHIN_S = 5.0 if FULL else 20.0
USERS = [f"u{number}" for number in range(500 if FULL else 100)]
PER_MINUTE = 200
# A tenth at once and the rest evenly, but for a twentieth.
BURST, PER_SECOND = PER_MINUTE * 0.1, PER_MINUTE * 0.85 / 60


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with tempfile.TemporaryDirectory() as directory, running_redis(Path(directory)) as server:
        yield server


@dataclass
class Fleet:
    urls: list[str]
    tenant: Tenant
    redis: RedisServer

    def right(self, user_id: str, page: Page) -> bool:
        return page.status == 200 and (page.has_loader or page.has_link is self.tenant.has_access(user_id))

    def views(self, user_ids: list[str], each: int) -> list[Callable[[], Any]]:
        """Views of each gateway, `each` of a user."""
        return [
            lambda url=url, user_id=user_id: view(url, user_id)
            for user_id in user_ids
            for url in self.urls
            for _ in range(each)
        ]


@asynccontextmanager
async def running_fleet(
    redis: RedisServer, directory: Path, *, per_minute: int, budget_ms: int
) -> AsyncIterator[Fleet]:
    tenant = Tenant()
    portal = {
        "limits": {"per_minute": per_minute},
        "access": {"budget_ms": budget_ms, "ttl": 3600, "denied_ttl": 3600},  # nobody is asked about again in time
        "timeout_s": VENDOR_TIMEOUT_S,
    }
    async with AsyncExitStack() as stack:
        vendor_url = await stack.enter_async_context(running(tenant))
        upstream = await stack.enter_async_context(running(PageApp))
        cache = {"url": redis.url, **CACHE}
        more = {"upstream": upstream, "cache": cache, "forget": {"secret": {"env": "FORGET"}}}
        file = write_config(directory / "gateway.yaml", config(vendor_url, portal=portal, **more))
        gateways = [running_sidecar(file, "--workers", "2", environ=ENVIRON) for _ in range(2)]
        sidecars = await asyncio.gather(*(stack.enter_async_context(gateway) for gateway in gateways))
        yield Fleet([sidecar.url for sidecar in sidecars], tenant, redis)


@pytest.mark.timeout(600)
async def test_a_fleet_asks_once_per_user_forgets_together_and_outlives_its_redis(
    redis: RedisServer, tmp_path: Path
) -> None:
    """One test for all of it: starting four workers takes longer than what they are asked here."""
    # Long enough for nearly every page to go out with the answer.
    async with running_fleet(redis, tmp_path, per_minute=100_000, budget_ms=10_000) as fleet:
        await cold_start(fleet)
        await forgetting(fleet)
        await redis_away_and_back(fleet)


async def cold_start(fleet: Fleet) -> None:
    """Everybody comes at once, to all workers, and once more where a page went out without the answer."""
    started = time.perf_counter()
    wanted = [user_id for user_id in USERS for _ in range(4)]
    undecided = True
    while undecided:
        pages = await all_of(fleet.views(USERS, 2), 200)
        assert all(fleet.right(user_id, page) for user_id, page in zip(wanted, pages, strict=True))
        undecided = any(page.has_loader for page in pages)
    assert fleet.tenant.calls == dict.fromkeys(USERS, 1)
    took_s = time.perf_counter() - started
    say(f"cold start: {len(pages)} views in {took_s:.1f} s, one call for each of {len(USERS)} users")


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
    wrong: list[tuple[str, Page]] = []
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
                wrong.append((user_id, page))

    async def more_views(number: int) -> None:
        enough = count + number
        while count < enough:
            await asyncio.sleep(0.01)

    visitors = [asyncio.create_task(visitor(seed)) for seed in range(20)]
    async with asyncio.timeout(PATIENCE_S * 5):
        await more_views(5000 if FULL else 200)
        await asyncio.to_thread(fleet.redis.kill)
        await more_views(10_000 if FULL else 500)
        await asyncio.to_thread(fleet.redis.start)
        back_after_s = await shared_again(fleet)
        await more_views(5000 if FULL else 200)
    stop.set()
    await asyncio.gather(*visitors)
    say(f"{count} views while Redis was killed and came back, {len(wrong)} wrong; shared after {back_after_s:.2f} s")
    assert wrong == []
    assert back_after_s <= SHARED_WITHIN_S


async def shared_again(fleet: Fleet) -> float:
    """Seconds until users who were never seen are asked about once, whichever worker they come to."""
    back, number = time.perf_counter(), 10_000
    while True:
        began_s = time.perf_counter() - back
        newcomers = [f"u{number + extra}" for extra in range(10)]
        number += 10
        for page in fleet.views(newcomers, 2):
            await page()
        if all(fleet.tenant.calls[user_id] == 1 for user_id in newcomers):
            return began_s


@pytest.mark.timeout(600)
async def test_a_cold_start_keeps_to_the_rate(redis: RedisServer, tmp_path: Path) -> None:
    """People go on looking at pages, until everybody has been asked about."""
    users = USERS if FULL else USERS[:40]
    async with running_fleet(redis, tmp_path, per_minute=PER_MINUTE, budget_ms=150) as fleet:
        views = 0
        async with asyncio.timeout(PATIENCE_S * 10):
            while len(fleet.tenant.calls) < len(users):
                pages = await all_of(fleet.views(users, 2), 100)
                views += len(pages)
                assert {page.status for page in pages} == {200}
    took_s = fleet.tenant.moments[-1] - fleet.tenant.moments[0]
    most = fleet.tenant.most_in(60.0)
    say(f"{views} views in {took_s:.0f} s: {fleet.tenant.calls.total()} calls, {most} in 60 s at most")
    assert fleet.tenant.calls == dict.fromkeys(users, 1)
    assert most <= PER_MINUTE
    # In the short run too: calls may be held up on their way and arrive together, but not many.
    assert all(fleet.tenant.most_in(span_s) <= BURST + PER_SECOND * span_s + 5 for span_s in (1.0, 5.0))
