from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal_gateway.portal.coalescing import Coalescing


class Timers:
    """The event loop's timers, which elapse when a test says so."""

    def __init__(self) -> None:
        self.pending: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
        self.delays: list[float] = []

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Any:
        entry = (callback, args)
        self.pending.append(entry)
        self.delays.append(delay)
        return SimpleNamespace(cancel=lambda: self.pending.remove(entry))

    def elapse(self) -> None:
        due, self.pending = self.pending, []
        for callback, args in due:
            callback(*args)


@pytest.fixture
async def timers(monkeypatch: pytest.MonkeyPatch) -> Timers:
    made = Timers()
    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", made.call_later)
    return made


async def test_the_first_runs_at_once_and_what_follows_runs_once_at_the_end(timers: Timers) -> None:
    coalescing, done = Coalescing(7.0, 10), []
    assert coalescing.run("a", lambda: done.append(1))
    assert not coalescing.run("a", lambda: done.append(2))
    assert not coalescing.run("a", lambda: done.append(3))
    assert done == [1]
    assert timers.delays == [7.0]
    timers.elapse()
    assert done == [1, 3]


async def test_after_a_quiet_interval_the_next_runs_at_once_again(timers: Timers) -> None:
    coalescing, done = Coalescing(1, 10), []
    coalescing.run("a", lambda: done.append(1))
    coalescing.run("a", lambda: done.append(2))
    timers.elapse()  # runs the second, and begins another interval
    assert not coalescing.run("a", lambda: done.append(3))
    timers.elapse()
    timers.elapse()
    assert coalescing.run("a", lambda: done.append(4))
    assert done == [1, 2, 3, 4]


async def test_keys_do_not_wait_for_each_other(timers: Timers) -> None:
    coalescing, done = Coalescing(1, 10), []
    assert coalescing.run("a", lambda: done.append("a"))
    assert coalescing.run("b", lambda: done.append("b"))
    assert done == ["a", "b"]


async def test_there_is_room_for_so_many_keys(timers: Timers) -> None:
    coalescing = Coalescing(1, 2)
    coalescing.run("a", int)
    assert coalescing.takes("b")
    coalescing.run("b", int)
    assert coalescing.takes("a")
    assert not coalescing.takes("c")
    timers.elapse()
    assert coalescing.takes("c")


async def test_what_waits_runs_at_the_close(timers: Timers) -> None:
    coalescing, done = Coalescing(1, 10), []
    coalescing.run("a", lambda: done.append(1))
    coalescing.run("a", lambda: done.append(2))
    coalescing.close()
    assert done == [1, 2]
    assert timers.pending == []


@given(st.lists(st.sampled_from(["a", "b", "elapse"])))
def test_whatever_is_asked_for_is_done_later_than_that_and_once_per_interval(steps: list[str]) -> None:
    async def play() -> None:
        timers = Timers()
        loop = asyncio.get_running_loop()
        loop.call_later = timers.call_later  # type: ignore[assignment, method-assign]
        try:
            coalescing = Coalescing(1, 10)
            asked: dict[Hashable, int] = {}
            done: dict[Hashable, int] = {}
            runs: list[str] = []
            for number, step in enumerate(steps):
                if step == "elapse":
                    runs.clear()
                    timers.elapse()
                else:
                    asked[step] = number

                    def act(key: str = step) -> None:
                        done[key] = asked[key]
                        runs.append(key)

                    coalescing.run(step, act)
                assert all(runs.count(key) <= 1 for key in "ab")
            timers.elapse()
            assert done == asked
        finally:
            del loop.call_later

    asyncio.run(play())
