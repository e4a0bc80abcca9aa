"""A fixed window of one minute, the kind of quota both vendors describe."""

from __future__ import annotations

from portal_gateway.sandbox.clock import Clock

WINDOW_S = 60


class RateLimit:
    """Counts calls per clock minute; the limit is given per call because a switch may change it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._window = 0
        self._used = 0

    def take(self, limit: int) -> bool:
        """Whether one more call fits into this minute."""
        window = int(self._clock.now() // WINDOW_S)
        if window != self._window:
            self._window, self._used = window, 0
        self._used += 1
        return self._used <= limit

    def resumes_at(self) -> float:
        """Epoch seconds at which the next minute begins."""
        return float((self._clock.now() // WINDOW_S + 1) * WINDOW_S)
