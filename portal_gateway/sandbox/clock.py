"""The sandbox's clock: real time, plus what a test or a curious person has added to it."""

from __future__ import annotations

import time


class Clock:
    """Seconds since the epoch; `advance` makes a 30-second link expire without waiting for it."""

    def __init__(self) -> None:
        self._offset_s = 0.0

    def now(self) -> float:
        return time.time() + self._offset_s

    def advance(self, seconds: float) -> None:
        self._offset_s += seconds

    def reset(self) -> None:
        """Back to real time."""
        self._offset_s = 0.0


class FixedClock(Clock):
    """A clock that stands still until advanced, for tests that count seconds."""

    def __init__(self, now: float) -> None:
        super().__init__()
        self._start = now

    def now(self) -> float:
        return self._start + self._offset_s
