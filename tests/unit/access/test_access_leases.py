from __future__ import annotations

import asyncio

import pytest
from access_fakes import SharedStore

from portal_gateway.access.leases import Lease
from portal_gateway.store.base import StoreUnavailable


@pytest.fixture
def store() -> SharedStore:
    return SharedStore()


async def test_one_has_it_at_a_time_and_gives_it_back(store: SharedStore) -> None:
    async with Lease(store, "lease:u") as first, Lease(store, "lease:u") as second:
        assert await first.take()
        assert not await second.take()
        assert (first.held, second.held) == (True, False)
    async with Lease(store, "lease:u") as third:
        assert await third.take()


async def test_who_never_had_it_does_not_take_it_from_who_has(store: SharedStore) -> None:
    async with Lease(store, "lease:u") as holder:
        assert await holder.take()
        async with Lease(store, "lease:u") as other:
            assert not await other.take()
        assert await holder.put("decision:u", b"yes", 60)


async def test_nothing_is_put_without_it(store: SharedStore) -> None:
    async with Lease(store, "lease:u") as late:
        assert await late.take()
        await store.drop("lease:u")
        assert not await late.put("decision:u", b"yes", 60)
        async with Lease(store, "lease:u") as next_one:
            assert await next_one.take()
            assert not await late.put("decision:u", b"yes", 60)
    assert store.values() == {}


async def test_it_is_given_back_by_who_is_cancelled(store: SharedStore) -> None:
    async def hold() -> None:
        async with Lease(store, "lease:u") as lease:
            await lease.take()
            await asyncio.Event().wait()

    holding = asyncio.create_task(hold())
    while not store.values():
        await asyncio.sleep(0)
    holding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await holding
    assert store.values() == {}


async def test_an_attempt_that_failed_but_arrived_is_given_back(
    store: SharedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = store.add

    async def unheard(key: str, value: bytes, ttl_s: float) -> bool:
        await add(key, value, ttl_s)
        raise StoreUnavailable("no answer in time")

    monkeypatch.setattr(store, "add", unheard)
    async with Lease(store, "lease:u") as lease:
        with pytest.raises(StoreUnavailable):
            await lease.take()
        assert not lease.held
        assert list(store.values()) == ["lease:u"]
    assert store.values() == {}


async def test_a_store_that_is_away_at_the_end_is_no_error(store: SharedStore) -> None:
    async with Lease(store, "lease:u") as lease:
        assert await lease.take()
        store.away = True
