from __future__ import annotations

import pytest
from access_fakes import Clock, SharedStore

from portal_gateway.access.generations import TRUST_S, Generations
from portal_gateway.store.base import StoreUnavailable


@pytest.fixture
def store() -> SharedStore:
    return SharedStore()


async def test_all_agree_on_a_portal_s_generation(store: SharedStore) -> None:
    first, second = Generations(store), Generations(store)
    assert await first.current("p") == await second.current("p")
    assert await first.current("p") != await first.current("q")


async def test_who_replaces_it_knows_at_once_and_the_others_when_told(store: SharedStore) -> None:
    first, second = Generations(store), Generations(store)
    before = await second.current("p")
    await first.replace("p")
    after = await first.current("p")
    assert after != before
    assert await second.current("p") == before
    second.doubt("q")
    assert await second.current("p") == before
    second.doubt("p")
    assert await second.current("p") == after


async def test_it_is_read_again_now_and_then_and_after_lost_messages(store: SharedStore, clock: Clock) -> None:
    first, second = Generations(store), Generations(store, clock)
    await second.current("p")
    await first.replace("p")
    clock.now += TRUST_S
    assert await second.current("p") == await first.current("p")
    await first.replace("p")
    second.doubt()
    assert await second.current("p") == await first.current("p")


async def test_what_was_read_before_it_was_replaced_is_not_kept(
    store: SharedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Generations(store), Generations(store)
    await first.current("p")
    get = store.get

    async def overtaken(key: str) -> bytes | None:
        word = await get(key)
        monkeypatch.setattr(store, "get", get)
        await first.replace("p")
        second.doubt("p")
        return word

    monkeypatch.setattr(store, "get", overtaken)
    before = await second.current("p")
    assert await second.current("p") == await first.current("p") != before


async def test_the_store_is_not_asked_each_time(store: SharedStore) -> None:
    generations = Generations(store)
    for _ in range(10):
        await generations.current("p")
    assert [name for name, _ in store.calls] == ["get", "add"]


async def test_a_lost_one_is_not_the_one_of_before(store: SharedStore) -> None:
    before = await Generations(store).current("p")
    store.forget_everything()
    assert await Generations(store).current("p") != before


async def test_without_the_store_there_is_none(store: SharedStore) -> None:
    store.away = True
    with pytest.raises(StoreUnavailable):
        await Generations(store).current("p")
