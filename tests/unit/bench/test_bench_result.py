from __future__ import annotations

import pytest

from bench.result import Result


def result(*costs_us: float) -> Result:
    return Result(costs_us, cpu_us=costs_us[0], requests_per_s=1.0, p50_ms=1.0, p99_ms=1.0, rss_mb=1.0, spread=0.0)


def test_a_ratio_is_one_of_the_same_rounds() -> None:
    """On a machine that gets slower, the medians of the two may be of different rounds."""
    ours, yardstick = result(20.0, 30.0, 80.0), result(10.0, 30.0, 40.0)
    assert ours.ratio(yardstick) == 0.5
    assert yardstick.ratio(ours) == 2.0


def test_rounds_that_only_one_of_them_had_are_refused() -> None:
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        result(1.0, 2.0).ratio(result(1.0))
