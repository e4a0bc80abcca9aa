"""What every store does. Each test runs over all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis_server import RedisServer
from store_kit import Ear, redis_store

from portal_gateway.store.base import Store
from portal_gateway.store.memory import MemoryStore

LONG_S = 60.0


@pytest.fixture(params=["memory", "redis", "redis-socket"])
async def store(request: pytest.FixtureRequest, healthy_redis: RedisServer) -> AsyncIterator[Store]:
    store: Store
    match request.param:
        case "memory":
            store = MemoryStore()
        case "redis":
            store = redis_store(healthy_redis.url)
        case _:
            store = redis_store(f"unix://{healthy_redis.socket}?db=3")
    yield store
    await store.aclose()


async def until_gone(store: Store, key: str) -> None:
    async with asyncio.timeout(30):
        while await store.get(key) is not None:
            await asyncio.sleep(0)


async def test_what_was_put_is_got(store: Store) -> None:
    assert await store.get("a") is None
    await store.put("a", b"1", LONG_S)
    await store.put("b", b"\x00\xff\r\n", LONG_S)
    assert (await store.get("a"), await store.get("b")) == (b"1", b"\x00\xff\r\n")
    await store.put("a", b"", LONG_S)
    assert await store.get("a") == b""


async def test_a_value_of_many_packets(store: Store) -> None:
    value = bytes(range(256)) * 4096
    await store.put("a", value, LONG_S)
    assert await store.get("a") == value


async def test_it_is_gone_after_its_time(store: Store) -> None:
    await store.put("a", b"1", 0.02)
    await until_gone(store, "a")
    assert await store.add("a", b"2", LONG_S)


async def test_put_begins_the_time_anew(store: Store) -> None:
    await store.put("a", b"1", LONG_S)
    await store.put("a", b"2", 0.02)
    await until_gone(store, "a")


async def test_add_puts_once(store: Store) -> None:
    assert await store.add("a", b"1", LONG_S)
    assert not await store.add("a", b"2", LONG_S)
    assert await store.get("a") == b"1"


async def test_of_many_who_add_one_succeeds(store: Store) -> None:
    added = await asyncio.gather(*(store.add("a", b"%d" % n, LONG_S) for n in range(50)))
    assert sum(added) == 1
    assert await store.get("a") == b"%d" % added.index(True)


async def test_of_many_who_take_one_gets_it(store: Store) -> None:
    await store.put("a", b"1", LONG_S)
    taken = await asyncio.gather(*(store.take("a") for _ in range(50)))
    assert sorted(taken, key=bool) == [None] * 49 + [b"1"]
    assert await store.get("a") is None


async def test_put_if(store: Store) -> None:
    assert not await store.put_if("lease", b"mine", "a", b"1", LONG_S)
    await store.put("lease", b"other", LONG_S)
    assert not await store.put_if("lease", b"mine", "a", b"1", LONG_S)
    assert await store.get("a") is None
    await store.put("lease", b"mine", LONG_S)
    assert await store.put_if("lease", b"mine", "a", b"1", LONG_S)
    assert (await store.get("a"), await store.get("lease")) == (b"1", b"mine")


async def test_put_if_puts_for_a_time(store: Store) -> None:
    await store.put("lease", b"mine", LONG_S)
    assert await store.put_if("lease", b"mine", "a", b"1", 0.02)
    await until_gone(store, "a")


async def test_drop(store: Store) -> None:
    for key in "abc":
        await store.put(key, b"1", LONG_S)
    await store.drop("a", "b", "unknown")
    await store.drop()
    assert [await store.get(key) for key in "abc"] == [None, None, b"1"]


async def test_drop_if(store: Store) -> None:
    assert not await store.drop_if("a", b"mine")
    await store.put("a", b"mine", LONG_S)
    assert not await store.drop_if("a", b"other")
    assert await store.drop_if("a", b"mine")
    assert await store.get("a") is None


async def test_spend_lets_a_burst_through_and_then_the_rate(store: Store) -> None:
    waits = [await store.spend("a", 6, 3, 35) for _ in range(8)]
    assert waits[:3] == [0, 0, 0]
    # One call in 10 s; the time that the test itself takes is less than a second in all.
    assert waits[3:6] == pytest.approx([10, 20, 30], abs=1)
    # Not booked, as the wait would be too long: so the next one is told the same.
    assert waits[6:] == pytest.approx([40, 40], abs=1)
    assert await store.spend("a", 6, 3, 45) == pytest.approx(40, abs=1)


async def test_budgets_are_apart(store: Store) -> None:
    assert await store.spend("a", 1, 1, 0) == 0
    assert await store.spend("a", 1, 1, 0) > 0
    assert await store.spend("b", 1, 1, 0) == 0


async def test_a_budget_fills_again(store: Store) -> None:
    assert [await store.spend("a", 6000, 1, 1) for _ in range(2)] == pytest.approx([0, 0.01], abs=0.01)
    async with asyncio.timeout(30):
        while await store.spend("a", 6000, 1, 0):
            await asyncio.sleep(0)


async def test_of_many_who_spend_only_the_burst_need_not_wait(store: Store) -> None:
    waits = await asyncio.gather(*(store.spend("a", 1, 5, 0) for _ in range(50)))
    assert waits.count(0) == 5


async def test_all_who_listen_hear_what_is_published(store: Store) -> None:
    first, second = Ear(), Ear()
    store.listen(first.heard, first.missed)
    store.listen(second.heard, second.missed)
    await store.get("a")
    if store.shared:
        await first.until(lambda ear: ear.misses == 1)
    await store.publish(b"one")
    await store.publish(b"\x00two")
    for ear in (first, second):
        await ear.until(lambda ear: len(ear.messages) == 2)
        assert ear.messages == [b"one", b"\x00two"]


async def test_nobody_need_listen(store: Store) -> None:
    await store.publish(b"one")


async def test_closing_twice_and_before_any_use(store: Store) -> None:
    await store.aclose()
    await store.aclose()
