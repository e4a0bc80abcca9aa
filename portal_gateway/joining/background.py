"""Work that goes on after the answer, so that the answer's time says nothing about it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from portal_gateway.observe.events import Events

# Each may wait for the vendor for seconds.
MAX_TASKS = 100
# What still runs at a stop may take so long; the vendor's time-out is 5 s by default.
DRAIN_S = 5.0


class Background:
    """Runs coroutines, at most `MAX_TASKS` at a time."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def full(self) -> bool:
        return len(self._tasks) >= MAX_TASKS

    def start(self, work: Coroutine[Any, Any, None], portal: str) -> None:
        task = asyncio.create_task(self._run(work, portal))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Wait until what has been started is done."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def aclose(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=DRAIN_S)
        for task in tuple(self._tasks):
            task.cancel()

    async def _run(self, work: Coroutine[Any, Any, None], portal: str) -> None:
        try:
            await work
        except Exception as error:
            self._events.failed(error, "joining", portal)
