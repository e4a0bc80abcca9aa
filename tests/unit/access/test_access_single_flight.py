from __future__ import annotations

import asyncio

import pytest
from access_fakes import settle

from portal_gateway.single_flight import SingleFlight


class Work:
    """A call that counts how often it was made and ends when it may."""

    def __init__(self) -> None:
        self.calls = 0
        self.cancelled = False
        self.may_end = asyncio.Event()

    async def __call__(self) -> int:
        self.calls += 1
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return self.calls


async def test_callers_at_the_same_time_share_one_call() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    work = Work()
    waiting = [asyncio.create_task(flights.run("k", work)) for _ in range(50)]
    await settle()
    work.may_end.set()
    assert await asyncio.gather(*waiting) == [1] * 50


async def test_nothing_is_remembered() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    work = Work()
    work.may_end.set()
    assert [await flights.run("k", work), await flights.run("k", work)] == [1, 2]


async def test_other_keys_do_not_wait() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    stuck, quick = Work(), Work()
    quick.may_end.set()
    waiting = asyncio.create_task(flights.run("a", stuck))
    await settle()
    assert await flights.run("b", quick) == 1
    assert not waiting.done()
    stuck.may_end.set()
    await waiting


async def test_a_caller_who_leaves_takes_nobody_along() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    work = Work()
    first, second = (asyncio.create_task(flights.run("k", work)) for _ in range(2))
    await settle()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    work.may_end.set()
    assert await second == 1
    assert not work.cancelled


async def test_the_work_is_finished_when_all_have_left() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    work = Work()
    only = asyncio.create_task(flights.run("k", work))
    await settle()
    only.cancel()
    await asyncio.gather(only, return_exceptions=True)
    joined = asyncio.create_task(flights.run("k", work))
    await settle()
    work.may_end.set()
    assert await joined == 1


async def test_an_error_reaches_all_and_the_next_call_starts_anew() -> None:
    flights: SingleFlight[str, int] = SingleFlight()

    async def fail() -> int:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    results = await asyncio.gather(*(flights.run("k", fail) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [ZeroDivisionError] * 3
    work = Work()
    work.may_end.set()
    assert await flights.run("k", work) == 1


async def test_an_error_that_nobody_waits_for_is_not_printed() -> None:
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    flights: SingleFlight[str, int] = SingleFlight()
    may_fail = asyncio.Event()

    async def fail() -> int:
        await may_fail.wait()
        raise ZeroDivisionError

    only = asyncio.create_task(flights.run("k", fail))
    await settle()
    only.cancel()
    await asyncio.gather(only, return_exceptions=True)
    may_fail.set()
    await settle()
    assert complaints == []


async def test_closing_ends_what_is_under_way() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    work = Work()
    waiting = asyncio.create_task(flights.run("k", work))
    await settle()
    await flights.aclose()
    assert work.cancelled
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await flights.aclose()
