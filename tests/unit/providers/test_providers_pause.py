from __future__ import annotations

from typing import Any

import pytest

from portal_gateway.providers.pause import MAX_S, UNTOLD_S, Pause
from portal_gateway.store.base import StoreUnavailable
from portal_gateway.store.memory import MemoryStore


class Away(MemoryStore):
    async def get(self, key: str) -> bytes | None:
        raise StoreUnavailable("away")

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        raise StoreUnavailable("away")


@pytest.mark.parametrize(
    ("told_s", "length_s"), [(7.0, 7.0), (None, UNTOLD_S), (3600.0, MAX_S)], ids=["told", "untold", "an hour"]
)
async def test_how_long_it_lasts(told_s: float | None, length_s: float, timer: Any) -> None:
    pause = Pause("success", MemoryStore(clock=timer), timer)
    assert await pause.remaining_s() == 0.0
    await pause.begin(told_s)
    assert await pause.remaining_s() == length_s
    timer.now += length_s - 1
    assert await pause.remaining_s() == 1.0
    timer.now += 1
    assert await pause.remaining_s() == 0.0


async def test_a_shorter_one_does_not_end_a_longer_one(timer: Any) -> None:
    pause = Pause("success", MemoryStore(clock=timer), timer)
    await pause.begin(60.0)
    await pause.begin(1.0)
    assert await pause.remaining_s() == 60.0


async def test_replicas_pause_together_and_portals_apart(timer: Any) -> None:
    store = MemoryStore(clock=timer)
    await Pause("success", store, timer).begin(60.0)
    assert await Pause("success", store, timer).remaining_s() == 60.0
    assert await Pause("onboarding", store, timer).remaining_s() == 0.0


@pytest.mark.parametrize(("ahead_s", "remaining_s"), [(-3600.0, MAX_S), (-1.0, 61.0), (1.0, 59.0), (3600.0, 0.0)])
async def test_a_clock_that_is_wrong_lengthens_a_pause_within_bounds(
    ahead_s: float, remaining_s: float, timer: Any
) -> None:
    store = MemoryStore(clock=timer)
    await Pause("success", store, timer).begin(60.0)
    assert await Pause("success", store, lambda: timer() + ahead_s).remaining_s() == remaining_s


async def test_without_the_store_the_process_pauses_alone(timer: Any) -> None:
    store = Away(clock=timer)
    pause = Pause("success", store, timer)
    await pause.begin(60.0)
    assert await pause.remaining_s() == 60.0
    assert await Pause("success", store, timer).remaining_s() == 0.0


async def test_what_cannot_be_read_is_no_pause(timer: Any) -> None:
    store = MemoryStore(clock=timer)
    await store.put("pause:success", b"\xff soon", 60.0)
    assert await Pause("success", store, timer).remaining_s() == 0.0
