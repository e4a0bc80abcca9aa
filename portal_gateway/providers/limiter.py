"""A client-side rate limit: calls wait for their turn, those that a person waits for first.

Rules of this file
- In no 60 seconds, by whatever minutes the vendor counts, do more calls leave than the limit says.
- A turn is booked when the call leaves, never ahead: what is booked ahead, nobody can overtake.
- Part of the burst is kept for calls that are more urgent, so that they go at once while others queue, in this process
  or in another one that shares the store.
- Whoever cannot have a turn in time is told so at once.
- Whoever grows more urgent waits from then on like one who has just come and is.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from bisect import insort
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf

from portal_gateway.errors import VendorBusy
from portal_gateway.providers.pause import Pause
from portal_gateway.providers.urgency import Hurry, Urgency
from portal_gateway.store.base import Store, StoreUnavailable
from portal_gateway.store.memory import MemoryStore

# Of a limit, a tenth may be used at once and the rest evenly, but for a twentieth: calls that are held up on their way
# arrive in a minute that has had its share.
BURST_SHARE = 0.1
EVEN_SHARE = 0.85
# How much of the burst calls of an urgency may use up.
SHARE_OF_BURST = {Urgency.LAUNCH: 1.0, Urgency.PAGE: 0.75, Urgency.REFRESH: 0.5}
# A person looks at an empty tab; a page has long gone out with the loader, which asks and waits; nobody waits.
MAX_WAIT_S = {Urgency.LAUNCH: 5.0, Urgency.PAGE: 10.0, Urgency.REFRESH: 20.0}

# A call that is so much too early leaves at once: clocks and timers are no more exact.
ON_TIME_S = 0.001
# Replicas wait for the same moment; the one that is nearest to the store should not always be the first to book it.
UNEVEN_S = 0.02


@dataclass(order=True, slots=True)
class _Waiter:
    urgency: Urgency
    number: int
    deadline: float = field(compare=False)
    answer: asyncio.Future[BaseException | None] = field(compare=False)
    """None when it may leave, else why it may not."""

    def refuse(self, why: BaseException) -> None:
        if not self.answer.done():
            self.answer.set_result(why)


class Limiter:
    """One limit of a vendor, such as 200 calls a minute. All its calls are made in one event loop."""

    def __init__(self, name: str, per_minute: int, pause: Pause, store: Store) -> None:
        """`name` is that of the limit in the store."""
        self._key = f"rate:{name}"
        self._burst = max(1, int(per_minute * BURST_SHARE))
        self._per_minute = per_minute * EVEN_SHARE
        self._pause = pause
        self._store = store
        self._own = MemoryStore(clock=loop_time)
        self._waiting: list[_Waiter] = []  # in the order in which they leave
        self._numbers = itertools.count()
        self._next_at = 0.0  # when the first of them may leave, if that is known
        self._overtaken = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None

    async def turn(self, hurry: Hurry, max_wait_s: Mapping[Urgency, float]) -> None:
        """Wait until the call may leave. Raises VendorBusy if that would take longer than `max_wait_s` says."""
        loop = asyncio.get_running_loop()
        waiter = self._line_up(hurry, max_wait_s, loop.create_future())

        def come_again() -> None:
            nonlocal waiter
            if waiter in self._waiting:
                self._waiting.remove(waiter)
                waiter = self._line_up(hurry, max_wait_s, waiter.answer)

        if self._serving is None or self._serving.done():
            self._serving = loop.create_task(self._serve())
            self._serving.add_done_callback(self._served)
        try:
            with hurry.watched(come_again):
                refusal = await waiter.answer
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
        if refusal is not None:
            raise refusal

    def dismiss(self, refusal: Callable[[], Exception]) -> None:
        """Nobody who waits now gets a turn: all are told why."""
        for waiter in self._waiting:
            waiter.refuse(refusal())
        self._waiting.clear()

    async def aclose(self) -> None:
        """Nobody gets a turn any more: those who wait are cancelled."""
        for waiter in self._waiting:
            waiter.answer.cancel()
        if self._serving is not None:
            self._serving.cancel()
            with suppress(asyncio.CancelledError):
                await self._serving

    def _line_up(
        self, hurry: Hurry, max_wait_s: Mapping[Urgency, float], answer: asyncio.Future[BaseException | None]
    ) -> _Waiter:
        deadline = loop_time() + max_wait_s[hurry.urgency]
        waiter = _Waiter(hurry.urgency, next(self._numbers), deadline, answer)
        insort(self._waiting, waiter)
        if self._waiting[0] is waiter:
            self._overtaken.set()
        elif self._next_at > loop_time():
            self._refuse_the_hopeless()
        return waiter

    async def _serve(self) -> None:
        """Give turns to those who wait, until nobody does."""
        while self._waiting:
            self._overtaken.clear()
            wait_s = await self._book(self._waiting[0].urgency)
            if not wait_s:
                self._give()
                continue
            self._next_at = loop_time() + wait_s
            self._refuse_the_hopeless()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._next_at + random.uniform(0, UNEVEN_S)):  # noqa: S311
                    await self._overtaken.wait()

    def _served(self, serving: asyncio.Task[None]) -> None:
        """Nobody waits for ever because of an error of ours."""
        error = None if serving.cancelled() else serving.exception()
        if error is not None:
            for waiter in self._waiting:
                waiter.refuse(error)

    def _give(self) -> None:
        """The turn that was booked goes to the first who still waits."""
        while self._waiting:
            answer = self._waiting.pop(0).answer
            if not answer.done():
                answer.set_result(None)
                break

    def _refuse_the_hopeless(self) -> None:
        """Whoever would not leave before its deadline is told now, which makes room for others."""
        now, staying = loop_time(), list[_Waiter]()
        for waiter in self._waiting:
            leaves_at = self._next_at + len(staying) * 60 / self._per_minute
            if leaves_at <= waiter.deadline:
                staying.append(waiter)
            else:
                waiter.refuse(VendorBusy("the vendor's rate limit is reached; the call was not made", leaves_at - now))
        self._waiting = staying

    async def _book(self, urgency: Urgency) -> float:
        """Book a call that leaves now: 0.0, or how many seconds it is too early."""
        if paused_s := await self._pause.remaining_s():
            return paused_s
        burst = max(1, int(self._burst * SHARE_OF_BURST[urgency]))
        try:
            wait_s = await self._store.spend(self._key, self._per_minute, burst, ON_TIME_S)
        except StoreUnavailable:
            # Each process keeps the limit by itself.
            wait_s = await self._own.spend(self._key, self._per_minute, burst, ON_TIME_S)
        else:
            if wait_s <= ON_TIME_S:
                await self._book_own()
        return wait_s if wait_s > ON_TIME_S else 0.0

    async def _book_own(self) -> None:
        """Book a call that the store has let through, so that a store that goes away or forgets everything makes no
        room for more."""
        early_s = await self._own.spend(self._key, self._per_minute, self._burst, inf)
        if early_s > ON_TIME_S:
            await asyncio.sleep(early_s)


def loop_time() -> float:
    """The clock that waiting is measured by."""
    return asyncio.get_running_loop().time()
