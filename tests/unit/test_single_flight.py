from __future__ import annotations

import asyncio

import pytest

from portal_gateway.single_flight import SingleFlight


class Work:
    def __init__(self) -> None:
        self.started = 0
        self.gate = asyncio.Event()

    async def __call__(self) -> int:
        self.started += 1
        await self.gate.wait()
        return self.started


async def test_callers_at_the_same_time_share_one_call() -> None:
    flight: SingleFlight[str, int] = SingleFlight()
    work, other = Work(), Work()
    waiting = [asyncio.create_task(flight.run("a", work)) for _ in range(10)]
    apart = asyncio.create_task(flight.run("b", other))
    work.gate.set()
    other.gate.set()
    assert await asyncio.gather(*waiting, apart) == [1] * 11
    assert (work.started, other.started) == (1, 1)


async def test_later_callers_make_a_new_call() -> None:
    flight: SingleFlight[str, int] = SingleFlight()
    work = Work()
    work.gate.set()
    assert [await flight.run("a", work), await flight.run("a", work)] == [1, 2]


async def test_a_caller_who_leaves_takes_nothing_away() -> None:
    flight: SingleFlight[str, int] = SingleFlight()
    work = Work()
    first = asyncio.create_task(flight.run("a", work))
    second = asyncio.create_task(flight.run("a", work))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    work.gate.set()
    assert await second == 1


async def test_every_caller_gets_the_error_and_the_next_call_starts_anew() -> None:
    flight: SingleFlight[str, int] = SingleFlight()

    async def fail() -> int:
        raise LookupError

    results = await asyncio.gather(*(flight.run("a", fail) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [LookupError] * 3
    work = Work()
    work.gate.set()
    assert await flight.run("a", work) == 1


async def test_aclose_cancels_and_waits() -> None:
    flight: SingleFlight[str, int] = SingleFlight()
    waiting = asyncio.create_task(flight.run("a", Work()))
    await asyncio.sleep(0)
    await flight.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_work_that_nobody_waits_for_is_ended_after_a_while() -> None:
    flight: SingleFlight[str, int] = SingleFlight(grace_s=0.0)
    work = Work()
    only = asyncio.create_task(flight.run("a", work))
    await asyncio.sleep(0)
    only.cancel()
    with pytest.raises(asyncio.CancelledError):
        await only
    async with asyncio.timeout(5):
        while len(flight):
            await asyncio.sleep(0)
    later = Work()
    later.gate.set()
    assert await flight.run("a", later) == 1


async def test_who_comes_within_that_while_finds_the_work_going_on() -> None:
    flight: SingleFlight[str, int] = SingleFlight(grace_s=0.0)
    work = Work()
    first = asyncio.create_task(flight.run("a", work))
    await asyncio.sleep(0)
    second = asyncio.create_task(flight.run("a", work))
    first.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    work.gate.set()
    assert await second == 1
    assert first.cancelled()


async def test_work_in_the_background_goes_on_with_and_without_waiters() -> None:
    flight: SingleFlight[str, int] = SingleFlight(grace_s=0.0)
    work = Work()
    flight.start("a", work)
    flight.start("a", work)
    joined = asyncio.create_task(flight.run("a", work))
    await asyncio.sleep(0)
    joined.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert (work.started, len(flight)) == (1, 1)
    joined = asyncio.create_task(flight.run("a", work))
    await asyncio.sleep(0)
    work.gate.set()
    assert await joined == 1
    assert len(flight) == 0


async def test_outdated_work_is_joined_by_nobody_and_reaches_those_who_wait() -> None:
    flight: SingleFlight[str, bool] = SingleFlight()
    gate = asyncio.Event()

    async def work() -> bool:
        await gate.wait()
        return flight.is_current("a")

    before = asyncio.create_task(flight.run("a", work))
    other = asyncio.create_task(flight.run("b", work))
    await asyncio.sleep(0)
    flight.part_from(lambda key: key == "a")
    after = asyncio.create_task(flight.run("a", work))
    await asyncio.sleep(0)
    assert len(flight) == 3
    gate.set()
    assert await asyncio.gather(before, after, other) == [False, True, False]
    assert len(flight) == 0


async def test_aclose_ends_outdated_work_too() -> None:
    flight: SingleFlight[str, int] = SingleFlight()
    waiting = asyncio.create_task(flight.run("a", Work()))
    await asyncio.sleep(0)
    flight.part_from(lambda _key: True)
    await flight.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiting
