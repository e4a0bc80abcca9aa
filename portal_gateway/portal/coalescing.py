"""Doing something at once, but not again and again: what is asked for meanwhile is done once, later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable


class Coalescing:
    """Runs an action per key at most every `interval_s`: the first call at once, all further ones together at its end.

    The last word is never lost: whatever is asked for is done after it was asked for. At most `max_keys` keys are
    known at a time; whether there is room for another, `takes` tells.
    """

    def __init__(self, interval_s: float, max_keys: int) -> None:
        self._interval_s = interval_s
        self._max_keys = max_keys
        self._timers: dict[Hashable, asyncio.TimerHandle] = {}
        self._waiting: dict[Hashable, Callable[[], object]] = {}

    def takes(self, key: Hashable) -> bool:
        return key in self._timers or len(self._timers) < self._max_keys

    def run(self, key: Hashable, action: Callable[[], object]) -> bool:
        """Run `action` now, or at the end of the key's interval; whether it was now."""
        if key in self._timers:
            self._waiting[key] = action
            return False
        action()
        self._timers[key] = asyncio.get_running_loop().call_later(self._interval_s, self._elapsed, key)
        return True

    def close(self) -> None:
        """Run at once what was to run later."""
        for timer in self._timers.values():
            timer.cancel()
        for action in self._waiting.values():
            action()
        self._timers.clear()
        self._waiting.clear()

    def _elapsed(self, key: Hashable) -> None:
        del self._timers[key]
        if key in self._waiting:
            self.run(key, self._waiting.pop(key))
