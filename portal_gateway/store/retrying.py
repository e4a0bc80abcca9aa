"""A store whose calls are tried again for a while: the time-out of a call is short, and a busy machine misses it.

For callers that can wait, and do something worse without the store: ask a vendor alone, or count its calls alone. Once
one of them has given up there is no second try for anybody, until a call succeeds.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from portal_gateway.store.base import Store, StoreUnavailable

# A call is given up after so long, which is longer than a store leaves a server alone after some calls have failed, and
# after so many attempts: the time-out may be longer still.
PATIENCE_S = 2.0
MIN_ATTEMPTS = 3
FIRST_PAUSE_S = 0.01
LONGEST_PAUSE_S = 0.25

Result = TypeVar("Result")


class RetryingStore:
    """`store`, asked again. What gives each caller something else, `take`, and what callers repeat themselves,
    `publish`, is tried once."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` tells seconds that never go back."""
        self.shared = store.shared
        self.take = store.take
        self.publish = store.publish
        self.listen = store.listen
        self.aclose = store.aclose
        self._store = store
        self._clock = clock
        self._away = False

    async def get(self, key: str) -> bytes | None:
        return await self._tried(lambda: self._store.get(key))

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        await self._tried(lambda: self._store.put(key, value, ttl_s))

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        """`value` has to be nobody else's: an attempt that failed may have arrived, and is known by it."""
        attempts = 0

        async def attempt() -> bool:
            nonlocal attempts
            attempts += 1
            if await self._store.add(key, value, ttl_s):
                return True
            return attempts > 1 and await self._store.get(key) == value

        return await self._tried(attempt)

    async def put_if(self, guard: str, expected: bytes, key: str, value: bytes, ttl_s: float) -> bool:
        """`key` must be another one than `guard`, which otherwise changes with an attempt that fails but arrives."""
        return await self._tried(lambda: self._store.put_if(guard, expected, key, value, ttl_s))

    async def drop(self, *keys: str) -> None:
        await self._tried(lambda: self._store.drop(*keys))

    async def drop_if(self, key: str, expected: bytes) -> bool:
        return await self._tried(lambda: self._store.drop_if(key, expected))

    async def spend(self, key: str, per_minute: float, burst: int, max_wait_s: float) -> float:
        """May book more than one call if attempts fail but arrive: too few are made then, never too many."""
        return await self._tried(lambda: self._store.spend(key, per_minute, burst, max_wait_s))

    async def _tried(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        give_up_at = self._clock() + PATIENCE_S
        pause_s = FIRST_PAUSE_S
        attempts = 0
        while True:
            attempts += 1
            try:
                result = await attempt()
            except StoreUnavailable:
                self._away = self._away or (attempts >= MIN_ATTEMPTS and self._clock() >= give_up_at)
                if self._away:
                    raise
            else:
                self._away = False
                return result
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 (not all callers at once)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
