from __future__ import annotations

import pytest

from bench.load import Load, parse

REPORT = """Running 2s test @ http://127.0.0.1:8000/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     7.97ms  841.86us  12.20ms   82.03%
    Req/Sec     3.99k   274.00     4.22k    90.00%
  Latency Distribution
     50%  773.00us
     75%    8.01ms
     90%    9.41ms
     99%    1.54s 
  3984 requests in 2.00s, 540.80KB read
Requests/sec:   1992.01
Transfer/sec:    540.22KB
"""  # noqa: W291 (wrk prints it so)


def test_a_report_as_numbers_whatever_the_units() -> None:
    assert parse(REPORT) == Load(requests=3984, requests_per_s=1992.01, p50_ms=0.773, p99_ms=1540.0)


@pytest.mark.parametrize(
    "line",
    [
        "  Non-2xx or 3xx responses: 12\n",
        "  Socket errors: connect 0, read 3, write 0, timeout 0\n",
    ],
)
def test_failures_are_no_measurement(line: str) -> None:
    with pytest.raises(RuntimeError, match="wrk failed"):
        parse(REPORT + line)


@pytest.mark.parametrize("cut", ["requests in", "Requests/sec", "     99%"])
def test_an_incomplete_report_is_no_measurement(cut: str) -> None:
    with pytest.raises(RuntimeError, match="wrk failed"):
        parse("\n".join(line for line in REPORT.split("\n") if cut not in line))
