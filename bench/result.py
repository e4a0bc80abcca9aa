"""What a case has cost in all rounds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """Medians over the rounds. `costs_us` is the CPU figure of each, `spread` their range as a share of the median."""

    costs_us: Sequence[float]
    cpu_us: float
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    rss_mb: float
    spread: float

    def ratio(self, yardstick: Result) -> float:
        """How many times this the yardstick costs: the median of what both cost in the same round, since machines get
        slower and faster from one to the next."""
        return statistics.median(theirs / ours for ours, theirs in zip(self.costs_us, yardstick.costs_us, strict=True))
