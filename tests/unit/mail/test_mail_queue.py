from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from redis_server import RedisServer

from portal_gateway.mail.queue import MailQueue, QueueFull, Waiting
from portal_gateway.observe.events import Events
from portal_gateway.settings.cache import CacheSettings
from portal_gateway.store.base import Store
from portal_gateway.store.memory import MemoryStore
from portal_gateway.store.registry import open_store

MAIL = Waiting("join", "jane@vance.com", 1_800_000_000.25, b"Subject: x\r\n\r\nbody\r\n")
LONG_S = 60.0


@pytest_asyncio.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    redis: RedisServer = request.getfixturevalue("mail_redis")
    redis.command("FLUSHALL")
    store = open_store(CacheSettings(url=redis.url, timeout_ms=10_000), Events())
    yield store
    await store.aclose()


@pytest.mark.parametrize("message", [b"", b"one\n\ntwo\n", b"\xff\0"])
def test_what_waits_is_read_as_it_was_written(message: bytes) -> None:
    mail = Waiting("join", "o'hara+x@vance.com", 0.1, message)
    assert Waiting.decode(mail.encode()) == mail


async def test_mails_wait_in_order_until_they_are_forgotten(store: Store) -> None:
    queue = MailQueue(store)
    assert await queue.waiting() == []
    for mail_id in ("a", "b", "c"):
        await queue.put(mail_id, MAIL, LONG_S)
    assert await queue.waiting() == ["a", "b", "c"]
    assert await queue.get("b") == MAIL
    assert await queue.forget("b") is True
    assert await queue.waiting() == ["a", "c"]
    assert await queue.get("b") is None
    assert await queue.forget("b") is False


async def test_nothing_personal_is_left_of_a_mail_that_was_sent(store: Store) -> None:
    queue = MailQueue(store)
    await queue.put("a", MAIL, LONG_S)
    assert await queue.lease("a", LONG_S)
    await queue.forget("a")
    assert [await store.get(key) for key in ("mail:a", "mail-lease:a", "mail-index")] == [None, None, b""]


async def test_one_has_the_lease_until_it_is_given_back(store: Store) -> None:
    one, other = MailQueue(store), MailQueue(store)
    await one.put("a", MAIL, LONG_S)
    assert await one.lease("a", LONG_S)
    assert not await other.lease("a", LONG_S)
    await other.give_back("a")
    assert not await other.lease("a", LONG_S)
    await one.give_back("a")
    assert await other.lease("a", LONG_S)


async def test_a_mail_that_is_put_off_is_nobody_s_until_then() -> None:
    now = 0.0
    store = MemoryStore(clock=lambda: now)
    one, other = MailQueue(store), MailQueue(store)
    await one.put("a", MAIL, 3600)
    assert await one.lease("a", 10)
    await one.put_off("a", 60)
    now = 59
    assert not await one.lease("a", 10)
    assert not await other.lease("a", 10)
    now = 60
    assert await other.lease("a", 10)
    await one.put_off("a", 600)
    now = 70
    assert await one.lease("a", 10), "a lease that was lost cannot be prolonged"


async def test_a_mail_that_nobody_needs_any_more_is_gone() -> None:
    now = 0.0
    queue = MailQueue(MemoryStore(clock=lambda: now))
    await queue.put("a", MAIL, 900)
    now = 900
    assert await queue.get("a") is None
    assert await queue.waiting() == ["a"]
    assert await queue.forget("a") is True


async def test_it_is_bounded(store: Store) -> None:
    queue = MailQueue(store, max_waiting=2)
    for mail_id in ("a", "b"):
        await queue.put(mail_id, MAIL, LONG_S)
    with pytest.raises(QueueFull):
        await queue.put("c", MAIL, LONG_S)
    assert await queue.get("c") is None
    await queue.forget("a")
    await queue.put("d", MAIL, LONG_S)
    assert await queue.waiting() == ["b", "d"]


async def test_none_is_lost_when_replicas_change_the_queue_together(mail_redis: RedisServer) -> None:
    mail_redis.command("FLUSHALL")
    settings = CacheSettings(url=mail_redis.url, timeout_ms=10_000)
    stores = [open_store(settings, Events()) for _ in range(4)]
    queues = [MailQueue(store) for store in stores]
    await asyncio.gather(*(queues[n % 4].put(f"{n}", MAIL, LONG_S) for n in range(60)))
    assert sorted(await queues[0].waiting(), key=int) == [str(n) for n in range(60)]
    forgotten = await asyncio.gather(*(queues[(n + i) % 4].forget(f"{n}") for n in range(40) for i in (0, 1)))
    assert forgotten.count(True) == 40
    assert sorted(await queues[0].waiting(), key=int) == [str(n) for n in range(40, 60)]
    for store in stores:
        await store.aclose()
