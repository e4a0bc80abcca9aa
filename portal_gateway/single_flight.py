"""Single flight: callers who ask the same thing at the same time share one answer.

The work is a task of its own and the callers are shielded from it and from each other: a closed browser tab
cancels only its own waiting. Work that nobody waits for any more is ended, but not at once: a page that went out
without the answer is followed by a script that asks for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

# From a page that does not wait any longer to the question of its script: a page load on a slow line.
GRACE_S = 3.0

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


class _Flight(Generic[Result]):
    """One call under way. `detached`: it runs to its end whether somebody waits or not."""

    __slots__ = ("detached", "ending", "task", "waiters")

    def __init__(self, task: asyncio.Task[Result], detached: bool) -> None:
        self.task = task
        self.detached = detached
        self.waiters = 0
        self.ending: asyncio.TimerHandle | None = None


class SingleFlight(Generic[Key, Result]):
    """Runs at most one call per key at a time."""

    def __init__(self, grace_s: float = GRACE_S) -> None:
        """`grace_s`: how long a call goes on after the last waiter has left."""
        self._grace_s = grace_s
        self._flights: dict[Key, _Flight[Result]] = {}
        self._tasks: set[asyncio.Task[Result]] = set()  # also of flights that nobody can join any more

    def __len__(self) -> int:
        return len(self._tasks)

    async def run(self, key: Key, call: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """The result of `call`, or of the one under way for `key`. Raises what the call raises."""
        flight = self._flights.get(key) or self._depart(key, call, detached=False)
        flight.waiters += 1
        if flight.ending is not None:
            flight.ending.cancel()
            flight.ending = None
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiters -= 1
            if not (flight.waiters or flight.detached or flight.task.done()):
                flight.ending = asyncio.get_running_loop().call_later(self._grace_s, self._end, key, flight)

    def start(self, key: Key, call: Callable[[], Coroutine[Any, Any, Result]]) -> None:
        """Start `call`, which nobody has to wait for, unless one is under way for `key`."""
        if key not in self._flights:
            self._depart(key, call, detached=True)

    def is_current(self, key: Key) -> bool:
        """Whether the task that asks this is the call for `key` that others may join."""
        flight = self._flights.get(key)
        return flight is not None and flight.task is asyncio.current_task()

    def part_from(self, outdated: Callable[[Key], bool]) -> None:
        """Let nobody join the calls under way whose key is `outdated`; those who wait for them still get them."""
        for key in [key for key in self._flights if outdated(key)]:
            del self._flights[key]

    async def aclose(self) -> None:
        """Cancel what is under way and wait until it has ended."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _depart(self, key: Key, call: Callable[[], Coroutine[Any, Any, Result]], *, detached: bool) -> _Flight[Result]:
        task = asyncio.create_task(call())
        flight = self._flights[key] = _Flight(task, detached)
        self._tasks.add(task)
        task.add_done_callback(lambda _: self._land(key, flight))
        return flight

    def _end(self, key: Key, flight: _Flight[Result]) -> None:
        self._leave_table(key, flight)  # whoever comes before the task has ended starts anew
        flight.task.cancel()

    def _land(self, key: Key, flight: _Flight[Result]) -> None:
        self._leave_table(key, flight)
        self._tasks.discard(flight.task)
        if flight.ending is not None:
            flight.ending.cancel()
        if not flight.task.cancelled():
            flight.task.exception()  # seen, also when every waiter has left: asyncio would print it otherwise

    def _leave_table(self, key: Key, flight: _Flight[Result]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
