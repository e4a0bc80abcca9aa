"""What is wrong with Redis: counted each time, logged when it begins and when it is over."""

from __future__ import annotations

import logging
from collections.abc import Callable

from portal_gateway.observe.events import Events
from portal_gateway.store.redis_connection import ConnectionLost

logger = logging.getLogger("portal_gateway.store")

# One lost connection may be a restart, after which the next try succeeds. After so many in a row only one call in
# COOL_DOWN_S tries, and all others fail at once.
FAILURES_TO_COOL_DOWN = 3
COOL_DOWN_S = 1.0


class Trouble:
    """The trouble with the store at `place`. `clock` tells seconds that never go back."""

    def __init__(self, place: str, events: Events, clock: Callable[[], float]) -> None:
        self._place = place
        self._events = events
        self._clock = clock
        self._failures = 0  # in a row
        self._failing_since = 0.0
        self._next_try = 0.0
        self._refused: set[str] = set()

    def admits(self) -> bool:
        """Whether a call may try now. While the server stays away that is one in COOL_DOWN_S."""
        if self._failures < FAILURES_TO_COOL_DOWN:
            return True
        now = self._clock()
        if now < self._next_try:
            self._events.store_failed("cool_down")
            return False
        self._next_try = now + COOL_DOWN_S
        return True

    def lost(self, lost: ConnectionLost) -> None:
        """A connection failed, or could not be had."""
        self._events.store_failed(lost.reason)
        now = self._clock()
        if not self._failures:
            self._failing_since = now
            logger.warning("%s is away: %s", self._place, lost)
        self._failures += 1
        self._next_try = now + COOL_DOWN_S

    def refused(self, name: str, code: str) -> None:
        """It answers, but does not do what the call `name` is for: out of memory, read only, not permitted."""
        self._events.store_failed("refused")
        self._back()
        if not self._refused:
            logger.warning("%s refuses %s: %s", self._place, name, code)
        self._refused.add(name)

    @property
    def present(self) -> bool:
        """Whether there is anything that `over` could end."""
        return bool(self._failures or self._refused)

    def over(self, name: str) -> None:
        """The call `name` was answered as it should be."""
        self._back()
        if name in self._refused:
            self._refused.discard(name)
            if not self._refused:
                logger.warning("%s no longer refuses anything", self._place)

    def _back(self) -> None:
        if self._failures:
            self._failures = 0
            logger.warning("%s is back after %.1f s", self._place, self._clock() - self._failing_since)
