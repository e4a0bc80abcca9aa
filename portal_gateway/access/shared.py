"""The shared level: what one replica was told by the vendor is known to all, and one of them asks at a time.

Rules of this file
- Trouble with the store is a miss, never an error, and costs no more than the store's own time-out.
- Only explicit answers get in: that one process got none is no reason for another not to ask.
- An answer is written by whoever holds the user's lease. Forgetting a user drops the lease too, so that an answer that
  was under way then cannot be written.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from portal_gateway.access import values
from portal_gateway.access.asking import Question
from portal_gateway.access.freshness import Lifetimes
from portal_gateway.access.generations import Generations
from portal_gateway.access.keys import DecisionKey, PortalKeys
from portal_gateway.access.leases import Lease
from portal_gateway.access.values import Found
from portal_gateway.models import Access, Verdict
from portal_gateway.observe.events import Events
from portal_gateway.providers.urgency import Hurry, Urgency
from portal_gateway.store.base import Store, StoreUnavailable

# How long a launch, somebody looking at an empty tab, waits for the one who asks; then it asks alone. A page has
# gone out with the loader, so its question waits on: a lease that was left behind ends by itself, and where the limiter
# sends askers away for minutes, the lease goes from hand to hand and asking without it would be asking twice.
LAUNCH_WAIT_S = 5.0
# How long they wait between two looks. The pauses double, so that an answer is seen after twice its time at most, and
# thousands who wait for a slow vendor, or for their turn, do not keep the store busy.
FIRST_PAUSE_S = 0.01
LONGEST_PAUSE_S = {Urgency.LAUNCH: 0.25, Urgency.PAGE: 2.0, Urgency.REFRESH: 2.0}
# What was decided at once does not vanish at once.
TTL_JITTER = 0.05


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a question, and how long ago another replica was told so; 0: the vendor was asked just now.

    `forgotten`: the user was forgotten meanwhile, so the answer is for those who wait for it and nobody else. `old` is
    an answer past its time, which may stand in for none.
    """

    access: Access
    age_s: float = 0.0
    forgotten: bool = False
    old: Found | None = None


@dataclass(frozen=True, slots=True)
class _Turn:
    """What is to be done: nothing ("hit"), ask under the lease ("miss"), or ask without it."""

    outcome: Literal["hit", "miss", "alone", "unavailable"]
    found: Found | None = None
    generation: str = ""


class SharedLevel:
    """Decisions in a store that other processes use too."""

    def __init__(
        self,
        store: Store,
        keys: Mapping[str, PortalKeys],
        lifetimes: Mapping[str, Lifetimes],
        events: Events,
        *,
        clock: Callable[[], float] = time.time,
        dice: Callable[[], float] = random.random,
        launch_wait_s: float = LAUNCH_WAIT_S,
    ) -> None:
        """`clock` tells Unix time; `dice` gives numbers from 0 to 1."""
        self.store = store
        self._keys = keys
        self._lifetimes = lifetimes
        self._events = events
        self._clock = clock
        self._dice = dice
        self._launch_wait_s = launch_wait_s
        self.generations = Generations(store)

    async def read(self, key: DecisionKey) -> Found | None:
        """What is held about `key`, however old. Raises StoreUnavailable."""
        return await self._read(key, await self._generation(key.portal))

    async def ask_once(self, key: DecisionKey, max_age_s: float, question: Question) -> Answer:
        """An answer no older than `max_age_s` and its TTL: from the store, or from the vendor."""
        async with Lease(self.store, _lease_name(key.mark)) as lease:
            try:
                turn = await self._turn(key, max_age_s, question.hurry, lease)
            except StoreUnavailable:
                turn = _Turn("unavailable")
            self._events.shared_level(key.portal, turn.outcome)
            if turn.outcome == "hit" and turn.found is not None:
                return Answer(turn.found.access, turn.found.age_s)
            access = await question.ask()
            forgotten = turn.outcome == "miss" and not await self._write(key, access, turn.generation, lease)
            return Answer(access, forgotten=forgotten, old=turn.found)

    async def forget(self, mark: str) -> None:
        """Drop what is held about a user, and the lease of who is asking. Raises StoreUnavailable."""
        await self.store.drop(_decision_name(mark), _lease_name(mark))

    async def _turn(self, key: DecisionKey, max_age_s: float, hurry: Hurry, lease: Lease) -> _Turn:
        """Wait until the answer is there, or it is our turn to ask, or a launch has waited too long."""
        begun_at = time.monotonic()
        pause_s = FIRST_PAUSE_S
        while True:
            generation = await self._generation(key.portal)
            found = await self._read(key, generation)
            if self._is_answer(key, found, max_age_s):
                return _Turn("hit", found, generation)
            if lease.held:
                return _Turn("miss", found, generation)
            if await lease.take():
                continue  # whoever had it may have written since we read
            if hurry.urgency is Urgency.LAUNCH and time.monotonic() >= begun_at + self._launch_wait_s:
                return _Turn("alone", found, generation)
            pause_s = min(pause_s, LONGEST_PAUSE_S[hurry.urgency])
            await hurry.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 (not all who wait at once)
            pause_s *= 2

    def _is_answer(self, key: DecisionKey, found: Found | None, max_age_s: float) -> bool:
        return found is not None and found.age_s < min(max_age_s, self._lifetimes[key.portal].of(found.access))

    async def _read(self, key: DecisionKey, generation: str) -> Found | None:
        data = await self.store.get(_decision_name(key.mark))
        if data is None:
            return None
        try:
            return values.decode(data, self._keys[key.portal].subject(key), generation, self._clock())
        except values.Unreadable:
            self._events.shared_level(key.portal, "unreadable")
            return None

    async def _write(self, key: DecisionKey, access: Access, generation: str, lease: Lease) -> bool:
        """Share an answer; False if the lease is not ours any more."""
        if access.verdict is Verdict.UNKNOWN:
            return True
        data = values.encode(access, self._keys[key.portal].subject(key), generation, self._clock())
        if data is None:
            return True
        ttl_s = self._lifetimes[key.portal].usable_s(access) * (1 - TTL_JITTER * self._dice())
        try:
            return await lease.put(_decision_name(key.mark), data, ttl_s)
        except StoreUnavailable:
            return True

    async def _generation(self, portal: str) -> str:
        return await self.generations.current(self._keys[portal].portal)


def _decision_name(mark: str) -> str:
    return f"decision:{mark}"


def _lease_name(mark: str) -> str:
    return f"lease:{mark}"
