from __future__ import annotations

import pytest
from store_kit import Clock, why_unavailable

from portal_gateway.store.memory import MemoryStore
from portal_gateway.store.registry import open_store


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_a_value_is_there_until_its_time_and_not_at_it(clock: Clock) -> None:
    store = MemoryStore(clock=clock)
    await store.put("a", b"1", 5)
    clock.now += 4.999
    assert await store.get("a") == b"1"
    clock.now += 0.001
    assert await store.get("a") is None


@pytest.mark.parametrize("after_s", [9.0, 10.0])
async def test_what_is_gone_is_gone_for_every_call(clock: Clock, after_s: float) -> None:
    gone = after_s == 10
    store = MemoryStore(clock=clock)
    for key in ("add", "guard", "take", "drop_if"):
        await store.put(key, b"1", 10)
    clock.now += after_s
    assert await store.add("add", b"2", 10) is gone
    assert await store.put_if("guard", b"1", "x", b"2", 10) is not gone
    assert await store.take("take") == (None if gone else b"1")
    assert await store.drop_if("drop_if", b"1") is not gone


async def test_when_full_nothing_more_is_taken(clock: Clock) -> None:
    store = MemoryStore(2, clock)
    await store.put("a", b"1", 10)
    await store.put("b", b"1", 20)
    assert await why_unavailable(store.put("c", b"1", 10)) == "full"
    assert await why_unavailable(store.add("c", b"1", 10)) == "full"
    assert await why_unavailable(store.spend("c", 60, 1, 10)) == "full"
    await store.put("a", b"2", 10)  # no more than there were
    assert (await store.get("a"), await store.get("b"), await store.get("c")) == (b"2", b"1", None)


async def test_what_has_expired_makes_room(clock: Clock) -> None:
    store = MemoryStore(3, clock)
    for n, key in enumerate("abc"):
        await store.put(key, b"1", 10 + n)
    clock.now += 11.5
    await store.put("d", b"1", 10)
    await store.put("e", b"1", 10)
    assert len(store) == 3
    assert await why_unavailable(store.put("f", b"1", 10)) == "full"
    clock.now += 1
    await store.put("f", b"1", 10)  # "c" is gone by now
    assert [await store.get(key) for key in "abcdef"] == [None, None, None, b"1", b"1", b"1"]


async def test_what_is_dropped_makes_room(clock: Clock) -> None:
    store = MemoryStore(1, clock)
    await store.put("a", b"1", 10)
    await store.drop("a")
    await store.put("b", b"1", 10)


async def test_values_that_expire_do_not_add_up(clock: Clock) -> None:
    store = MemoryStore(100, clock)
    for n in range(20_000):
        clock.now += 1
        await store.put(f"key-{n}", b"1", 50)
    assert len(store) <= 100


async def test_a_budget_is_a_rate(clock: Clock) -> None:
    store = MemoryStore(clock=clock)
    assert [await store.spend("a", 60, 2, 2) for _ in range(5)] == [0, 0, 1, 2, 3]
    clock.now += 1.5
    assert [await store.spend("a", 60, 2, 2) for _ in range(2)] == [1.5, 2.5]
    clock.now += 60
    assert [await store.spend("a", 60, 2, 0) for _ in range(3)] == [0, 0, 1]


async def test_an_unused_budget_is_forgotten(clock: Clock) -> None:
    store = MemoryStore(1, clock)
    await store.spend("a", 60, 5, 0)
    clock.now += 1
    await store.spend("b", 60, 5, 0)


async def test_nothing_is_heard_after_closing(clock: Clock) -> None:
    store = MemoryStore(clock=clock)
    heard: list[bytes] = []
    store.listen(heard.append, lambda: None)
    await store.publish(b"1")
    await store.aclose()
    await store.publish(b"2")
    assert heard == [b"1"]


def test_it_is_the_store_without_a_cache() -> None:
    store = open_store(None)
    assert isinstance(store, MemoryStore)
    assert not store.shared
