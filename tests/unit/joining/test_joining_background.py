from __future__ import annotations

import asyncio

import pytest

from portal_gateway.joining import background as module
from portal_gateway.joining.background import MAX_TASKS, Background
from portal_gateway.observe.events import Events


async def test_work_goes_on_by_itself() -> None:
    background, done = Background(Events()), asyncio.Event()

    async def work() -> None:
        done.set()

    background.start(work(), "onboarding")
    assert not done.is_set()
    await background.settle()
    assert done.is_set()


async def test_it_is_full_at_some_time() -> None:
    background, go = Background(Events()), asyncio.Event()

    async def work() -> None:
        await go.wait()

    for _ in range(MAX_TASKS):
        assert not background.full
        background.start(work(), "onboarding")
    assert background.full
    go.set()
    await background.settle()
    assert not background.full


async def test_what_fails_is_counted() -> None:
    events = Events()
    background = Background(events)

    async def work() -> None:
        raise ZeroDivisionError

    background.start(work(), "onboarding")
    await background.settle()
    assert [series[1:] for series in events.counts if "ZeroDivisionError" in str(series) or "joining" in series]


async def test_a_stop_waits_a_while_and_then_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DRAIN_S", 0.01)
    background, cancelled = Background(Events()), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    background.start(work(), "onboarding")
    await background.aclose()
    async with asyncio.timeout(5):
        await cancelled.wait()
