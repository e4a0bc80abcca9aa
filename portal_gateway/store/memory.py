"""The store of one process, when no other is configured."""

from __future__ import annotations

import time
from collections.abc import Callable

from portal_gateway.store.base import StoreUnavailable

# About 10 MB of values of 1 KB.
MAX_ENTRIES = 10_000


class MemoryStore:
    """Values in this process, at most `max_entries`. Nothing here waits, so each call is atomic by itself.

    When it is full of what has not expired, it takes nothing more, as Redis does: to push out the mark of a used
    token would make the token good again. `clock` tells seconds that never go back.
    """

    shared = False

    def __init__(self, max_entries: int = MAX_ENTRIES, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_entries = max_entries
        self._clock = clock
        self._entries: dict[str, tuple[bytes, float]] = {}  # with the time from which it is gone
        self._next_expiry = float("inf")  # no entry is gone before
        self._listeners: list[Callable[[bytes], None]] = []

    async def get(self, key: str) -> bytes | None:
        return self._value(key)

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        self._put(key, value, ttl_s)

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        if self._value(key) is not None:
            return False
        self._put(key, value, ttl_s)
        return True

    async def put_if(self, guard: str, expected: bytes, key: str, value: bytes, ttl_s: float) -> bool:
        if self._value(guard) != expected:
            return False
        self._put(key, value, ttl_s)
        return True

    async def take(self, key: str) -> bytes | None:
        value = self._value(key)
        self._entries.pop(key, None)
        return value

    async def drop(self, *keys: str) -> None:
        for key in keys:
            self._entries.pop(key, None)

    async def drop_if(self, key: str, expected: bytes) -> bool:
        if self._value(key) != expected:
            return False
        del self._entries[key]
        return True

    async def spend(self, key: str, per_minute: float, burst: int, max_wait_s: float) -> float:
        now = self._clock()
        interval_s = 60 / per_minute
        booked_until = max(float(self._value(key) or 0), now)
        wait_s = max(booked_until - (burst - 1) * interval_s - now, 0.0)
        if wait_s <= max_wait_s:
            booked_until += interval_s
            self._put(key, repr(booked_until).encode(), booked_until - now)
        return wait_s

    async def publish(self, message: bytes) -> None:
        for heard in self._listeners:
            heard(message)

    def listen(self, heard: Callable[[bytes], None], missed: Callable[[], None]) -> None:
        self._listeners.append(heard)

    async def aclose(self) -> None:
        self._listeners.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def _value(self, key: str) -> bytes | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        value, gone_at = entry
        if gone_at > self._clock():
            return value
        del self._entries[key]
        return None

    def _put(self, key: str, value: bytes, ttl_s: float) -> None:
        now = self._clock()
        if key not in self._entries and len(self._entries) >= self._max_entries:
            self._make_room(now)
        self._entries[key] = value, now + ttl_s
        self._next_expiry = min(self._next_expiry, now + ttl_s)

    def _make_room(self, now: float) -> None:
        if now >= self._next_expiry:
            self._entries = {key: entry for key, entry in self._entries.items() if entry[1] > now}
            self._next_expiry = min((gone_at for _, gone_at in self._entries.values()), default=float("inf"))
        if len(self._entries) >= self._max_entries:
            raise StoreUnavailable("full")
