"""The time in which a vendor does not want to be called, after a 429. All calls of a portal wait, in all replicas."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from portal_gateway.store.base import Store, StoreUnavailable

# Planhat does not say how long to wait; its windows are of a minute, but not all of it need be left.
UNTOLD_S = 5.0
# A vendor may name an hour. One call in five minutes asks again whether it still means it.
MAX_S = 300.0


class Pause:
    """The pause of one portal, in epoch seconds, so that replicas understand each other."""

    def __init__(self, portal: str, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._key = f"pause:{portal}"
        self._store = store
        self._clock = clock
        self._until = 0.0

    async def begin(self, told_s: float | None) -> None:
        """Pause for as long as the vendor told, within bounds; a longer pause that has begun stays as it is."""
        length_s = min(UNTOLD_S if told_s is None else told_s, MAX_S)
        until = self._clock() + length_s
        if until <= self._until:
            return
        self._until = until
        with suppress(StoreUnavailable):  # this process pauses anyway
            await self._store.put(self._key, str(until).encode(), length_s)

    async def remaining_s(self) -> float:
        """Seconds until calls may resume, 0.0 if they may now."""
        remaining_s = self._until - self._clock()
        if remaining_s <= 0:
            remaining_s = await self._others_until() - self._clock()
        # Clocks differ, and are set: nobody waits longer for that.
        return min(max(remaining_s, 0.0), MAX_S)

    async def _others_until(self) -> float:
        try:
            return float(await self._store.get(self._key) or 0)
        except (StoreUnavailable, ValueError):
            return 0.0
