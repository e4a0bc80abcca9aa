"""A circuit breaker: while a vendor fails it is left alone, and one call at a time finds out whether it is back.

    closed ── MIN_FAILURES, and half of the calls of WINDOW_S, failed ──▶ open
    open ── the pause is over, one call goes as the probe ──▶ half-open
    half-open ── the probe succeeded ──▶ closed
    half-open ── the probe failed: the next pause is longer ──▶ open

Pure: the clock and the dice are arguments. What a failure is, the caller knows.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

WINDOW_S = 30.0
MIN_FAILURES = 5
FAILED_SHARE = 0.5
# Enough to tell a share; at the rates of vendors a window holds fewer.
MAX_OUTCOMES = 200
# The first pause is about as long as an unknown decision is held, the longest as long as people wait for a recovery.
FIRST_PAUSE_S, MAX_PAUSE_S = 5.0, 60.0


@dataclass(frozen=True, slots=True)
class Passage:
    """Leave for one call, which is to be given back with what became of the call."""

    probe: bool
    period: int
    """Counts the changes of state: what began before the last one says nothing about now."""


class Breaker:
    """The breaker of one portal. Times are seconds of one monotonic clock; `dice` gives numbers from 0 to 1."""

    def __init__(self, dice: Callable[[], float] = random.random) -> None:
        self._dice = dice
        self._period = 0
        self._outcomes: deque[tuple[float, bool]] = deque(maxlen=MAX_OUTCOMES)
        self._open_until: float | None = None
        self._pauses = 0
        self._probing = False

    @property
    def closed(self) -> bool:
        return self._open_until is None

    def refuses(self, now: float) -> bool:
        """Whether a call would not be let through now."""
        return self._open_until is not None and (self._probing or now < self._open_until)

    def enter(self, now: float) -> Passage | None:
        """Leave for one call, None while the vendor is left alone."""
        if self.refuses(now):
            return None
        self._probing = not self.closed
        return Passage(self._probing, self._period)

    def succeeded(self, passage: Passage, now: float) -> None:
        """The vendor answered, whatever it said."""
        if passage.period != self._period:
            return
        if passage.probe:
            self._pauses = 0
            self._change(None)
        else:
            self._outcomes.append((now, True))

    def failed(self, passage: Passage, now: float) -> None:
        """The vendor did not answer, or not so that it can be read."""
        if passage.period != self._period:
            return
        if not passage.probe:
            self._outcomes.append((now, False))
        if passage.probe or self._failing(now):
            self._change(now + self._pause_s())

    def abandoned(self, passage: Passage) -> None:
        """Nobody knows what became of the call: who made it has left. The next one may probe."""
        if passage.period == self._period and passage.probe:
            self._probing = False

    def _failing(self, now: float) -> bool:
        while self._outcomes[0][0] <= now - WINDOW_S:
            self._outcomes.popleft()
        failures = sum(not answered for _, answered in self._outcomes)
        return failures >= MIN_FAILURES and failures >= FAILED_SHARE * len(self._outcomes)

    def _pause_s(self) -> float:
        """Twice as long each time, up to a bound; up to a quarter shorter, lest all replicas probe at once."""
        longest_s = min(FIRST_PAUSE_S * (1 << self._pauses), MAX_PAUSE_S)
        if longest_s < MAX_PAUSE_S:
            self._pauses += 1
        return longest_s * (1 - self._dice() / 4)

    def _change(self, open_until: float | None) -> None:
        self._open_until = open_until
        self._probing = False
        self._period += 1
        self._outcomes.clear()
