"""Calls that fail now and then are tried again; a store that is away is waited for once, and not again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from store_kit import Clock

from portal_gateway.store import retrying
from portal_gateway.store.base import Store, StoreUnavailable
from portal_gateway.store.memory import MemoryStore
from portal_gateway.store.retrying import PATIENCE_S, RetryingStore

TIMEOUT_S = 0.05


class Shaky:
    """A store whose calls fail when `fails` says so: before anything is done or, if `arrives`, after that."""

    def __init__(self, clock: Clock) -> None:
        self.fails: Callable[[], bool] = lambda: False
        self.arrives = False
        self.calls: list[str] = []
        self.inner = MemoryStore(clock=clock)
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self.inner, name)
        return (
            inner if name in ("shared", "listen", "aclose") else lambda *arguments: self._call(name, inner, arguments)
        )

    async def _call(self, name: str, inner: Callable[..., Awaitable[Any]], arguments: tuple[Any, ...]) -> Any:
        self.calls.append(name)
        fails = self.fails()
        result = await inner(*arguments) if self.arrives or not fails else None
        if fails:
            self._clock.now += TIMEOUT_S
            raise StoreUnavailable("no answer in time")
        return result


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "FIRST_PAUSE_S", 0.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shaky(clock: Clock) -> Shaky:
    return Shaky(clock)


@pytest.fixture
def store(shaky: Shaky, clock: Clock) -> RetryingStore:
    return RetryingStore(cast(Store, shaky), clock)


def now_and_then(share: float) -> Callable[[], bool]:
    dice = random.Random(1)
    return lambda: dice.random() < share


@pytest.mark.parametrize("arrives", [False, True], ids=["lost on the way", "only the answer lost"])
async def test_calls_that_fail_now_and_then_do_what_they_should(
    shaky: Shaky, store: RetryingStore, arrives: bool
) -> None:
    shaky.fails, shaky.arrives = now_and_then(0.4), arrives
    for number in range(100):
        await store.put("k", b"%d" % number, 60)
        assert await store.get("k") == b"%d" % number
        assert await store.add("lease", b"mine", 60)
        assert not await store.add("lease", b"another's", 60)
        assert await store.put_if("lease", b"mine", "k", b"guarded", 60)
        assert not await store.put_if("lease", b"another's", "k", b"unguarded", 60)
        assert await store.get("k") == b"guarded"
        assert await store.spend("s", 60, 1, 0.0) == 0.0 or arrives
        await store.drop("k", "s")
        assert await store.get("k") is None
        assert await store.drop_if("lease", b"mine") or arrives
        assert await store.get("lease") is None


async def test_nothing_is_repeated_without_need(shaky: Shaky, store: RetryingStore) -> None:
    await store.add("k", b"mine", 60)
    await store.add("k", b"another's", 60)
    await store.get("k")
    assert shaky.calls == ["add", "add", "get"]


async def test_what_gives_each_caller_something_else_is_tried_once(shaky: Shaky, store: RetryingStore) -> None:
    shaky.fails = lambda: True
    for call in (store.take("k"), store.publish(b"m")):
        with pytest.raises(StoreUnavailable):
            await call
    assert shaky.calls == ["take", "publish"]


async def test_a_store_that_is_away_is_waited_for_once(shaky: Shaky, store: RetryingStore, clock: Clock) -> None:
    shaky.fails = lambda: True
    with pytest.raises(StoreUnavailable):
        await store.get("k")
    assert clock.now - 1000 == pytest.approx(PATIENCE_S, abs=2 * TIMEOUT_S)
    for _ in range(2):
        shaky.calls.clear()
        with pytest.raises(StoreUnavailable):
            await store.spend("s", 60, 1, 0.0)
        assert shaky.calls == ["spend"]


async def test_a_long_time_out_leaves_room_for_a_second_and_a_third_try(
    shaky: Shaky, store: RetryingStore, clock: Clock
) -> None:
    outcomes = iter([True, True, False])

    def fails() -> bool:
        clock.now += PATIENCE_S
        return next(outcomes)

    shaky.fails = fails
    await store.get("k")
    assert len(shaky.calls) == 3


async def test_a_store_that_came_back_is_waited_for_again(shaky: Shaky, store: RetryingStore) -> None:
    shaky.fails = lambda: True
    with pytest.raises(StoreUnavailable):
        await store.get("k")
    shaky.fails = lambda: False
    await store.get("k")
    shaky.fails = lambda: True
    shaky.calls.clear()
    with pytest.raises(StoreUnavailable):
        await store.get("k")
    assert len(shaky.calls) > 10


async def test_nobody_waits_longer_because_others_get_answers(shaky: Shaky, store: RetryingStore, clock: Clock) -> None:
    """Whoever is unlucky each time, while the store answers everybody else."""
    unlucky = True

    async def other_call() -> None:
        nonlocal unlucky
        unlucky = False
        await store.get("other")
        unlucky = True

    shaky.fails = lambda: unlucky
    waiting = asyncio.create_task(store.get("k"))
    while not waiting.done():
        await other_call()
        await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable):
        await waiting
    assert clock.now - 1000 == pytest.approx(PATIENCE_S, abs=2 * TIMEOUT_S)
