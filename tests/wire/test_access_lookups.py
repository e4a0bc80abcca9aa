"""Lookups of many users in random order, by several processes' worth of levels, while the store is killed."""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from load_kit import FULL, say
from processes import PATIENCE_S
from redis_server import RedisServer, running_redis

from portal_gateway.access.asking import Source
from portal_gateway.access.freshness import Lifetimes
from portal_gateway.access.keys import PortalKeys
from portal_gateway.access.memory import MemoryLevel
from portal_gateway.access.replicas import Replicas
from portal_gateway.access.service import AccessService
from portal_gateway.access.shared import SharedLevel
from portal_gateway.models import Access, EndUser
from portal_gateway.observe.events import Events
from portal_gateway.settings.cache import CacheSettings
from portal_gateway.store.registry import open_store
from portal_gateway.store.retrying import RetryingStore

LOOKUPS = 1_000_000 if FULL else 20_000
AT_ONCE = 100
USERS = [EndUser(f"u{number}", f"u{number}@vance.example") for number in range(1000)]
LIFETIMES = Lifetimes(300, 60, 3600)
KEYS = {"success": PortalKeys("success", b"secret of the tenant", "")}
# What a process may grow by in the second half of the run: its allocator's whims.
FLAT_BYTES = 8 * 1024 * 1024


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
async def process_level(vendor: Numbered) -> AsyncIterator[AccessService]:
    """One process without a shared store. Half of the users fit in."""
    service = AccessService({"success": Source(vendor, LIFETIMES)}, MemoryLevel(len(USERS) // 2), Events())
    yield service
    await service.aclose()


@asynccontextmanager
async def replica(vendor: Numbered, url: str) -> AsyncIterator[AccessService]:
    """One of several processes that share a Redis. Half of the users fit in."""
    store, events = open_store(CacheSettings(url=url)), Events()
    level = SharedLevel(RetryingStore(store), KEYS, {"success": LIFETIMES}, events)
    sources = {"success": Source(vendor, LIFETIMES)}
    service = AccessService(sources, MemoryLevel(len(USERS) // 2), events, Replicas(KEYS, level))
    yield service
    await service.aclose()
    await store.aclose()


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("level", ["process", "redis"])
async def test_lookups_in_any_order_are_never_wrong_and_memory_stays_flat(level: str) -> None:
    vendor = Numbered()
    async with AsyncExitStack() as stack:
        redis = None
        if level == "redis":
            directory = stack.enter_context(tempfile.TemporaryDirectory())
            redis = stack.enter_context(running_redis(Path(directory)))
            services = [await stack.enter_async_context(replica(vendor, redis.url)) for _ in range(2)]
        else:
            services = [await stack.enter_async_context(process_level(vendor))]
        wrong, resident = await look_up(services, vendor, redis)
    say(f"{level}: {LOOKUPS} lookups, {wrong} wrong, vendor asked {vendor.asked} times, {in_mb(resident)} MB resident")
    assert wrong == 0
    assert resident[-1] <= resident[len(resident) // 2] + FLAT_BYTES


async def look_up(services: list[AccessService], vendor: Numbered, redis: RedisServer | None) -> tuple[int, list[int]]:
    """How many answers were wrong, and how much memory was used from time to time."""
    dice, wrong = random.Random(1), 0
    resident: list[int] = []
    known_since: Counter[str] = Counter()  # what all were told of: no answer from before is right
    batches = LOOKUPS // AT_ONCE
    for batch in range(batches):
        chosen = [(dice.choice(services), dice.choice(USERS)) for _ in range(AT_ONCE)]
        decisions = await asyncio.gather(*(service.decide("success", user) for service, user in chosen))
        for (_, user), decision in zip(chosen, decisions, strict=True):
            whose, _, told = decision.access.reason.partition(":")
            wrong += whose != user.id or not known_since[user.id] <= int(told) <= vendor.numbers[user.id]
        if batch % 10 == 0:
            user = dice.choice(USERS)
            vendor.numbers[user.id] += 1
            services[0].forget("success", user.id)
            await until_all_know(services, user, f"{user.id}:{vendor.numbers[user.id]}")
            known_since[user.id] = vendor.numbers[user.id]
        if batch % (batches // (20 if FULL else 4)) == 0:
            if redis is not None:
                await asyncio.to_thread(redis.restart)
            resident.append(resident_bytes())
    return wrong, resident


async def until_all_know(services: list[AccessService], user: EndUser, reason: str) -> None:
    """Who was told knows at once, the others when they hear of it."""
    assert (await services[0].decide("success", user)).access.reason == reason
    async with asyncio.timeout(PATIENCE_S):
        for service in services:
            while (await service.decide("success", user)).access.reason != reason:
                await asyncio.sleep(0.01)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def in_mb(sizes: list[int]) -> list[int]:
    return [size >> 20 for size in sizes]
