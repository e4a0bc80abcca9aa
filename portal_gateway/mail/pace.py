"""How often things are tried. Pure but for chance."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """Times in seconds."""

    idle_s: float = 30.0  # between looks whether another process left something behind; the connection's life too
    waiting_s: float = 5.0  # between looks whether what was put off is due
    first_retry_s: float = 5.0  # of one mail; then half as long as it has waited
    last_retry_s: float = 600.0
    first_reconnect_s: float = 1.0  # then twice as long each time
    last_reconnect_s: float = 60.0
    goodbye_s: float = 5.0  # for what is under way when the process ends

    def retry_s(self, waited_s: float) -> float:
        """Until a mail is tried again that has waited for so long."""
        return _jittered(min(max(self.first_retry_s, waited_s / 2), self.last_retry_s))

    def reconnect_s(self, failures: int) -> float:
        """Until the server is tried again after so many failures in a row, one at least."""
        return _jittered(min(self.first_reconnect_s * 2 ** min(failures - 1, 20), self.last_reconnect_s))


def _jittered(seconds: float) -> float:
    # Replicas that failed at the same time do not come back at the same time.
    return seconds * random.uniform(0.75, 1.25)  # noqa: S311
