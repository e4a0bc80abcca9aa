"""CPU per request and memory of a server's process tree, and the time of a call.

Requests per second move when a neighbour takes a core; user plus system time divided by the requests served does not.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection

import psutil

from bench import load
from bench.result import Result
from bench.servers import Server

CONNECTIONS = 32
_PATIENCE_S = 5.0
# Some ticks of the kernel's accounting.
_LOOK_S = 0.05


@dataclass(frozen=True)
class Case:
    """One thing to ask one server for."""

    name: str
    server: Server
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Sample:
    seen: load.Load
    cpu_us: float
    rss_mb: float


def tree(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def cpu_s(pid: int) -> float:
    """User and system seconds that the processes have used so far."""
    return sum(sum(process.cpu_times()[:2]) for process in tree(pid))


def rss_mb(pid: int) -> float:
    return sum(float(process.memory_info().rss) for process in tree(pid)) / 1e6


class Samples:
    """What was seen of each case, round by round."""

    def __init__(self) -> None:
        self._taken: dict[str, list[_Sample]] = {}

    def take(self, cases: Sequence[Case], seconds: float) -> None:
        """One round: all cases once."""
        for case in cases:
            before = cpu_s(case.server.pid)
            seen = load.run(case.server.url + case.path, case.headers, seconds, CONNECTIONS)
            cpu_us = (cpu_s(case.server.pid) - before) / seen.requests * 1e6
            self._taken.setdefault(case.name, []).append(_Sample(seen, cpu_us, rss_mb(case.server.pid)))
            _wait_until_idle(case.server.pid)

    def results(self) -> dict[str, Result]:
        """By the names of the cases."""
        return {name: _result(samples) for name, samples in self._taken.items()}


def interleaved(cases: Sequence[Case], rounds: int, seconds: float) -> dict[str, Result]:
    """All cases once per round, by name."""
    samples = Samples()
    for _ in range(rounds):
        samples.take(cases, seconds)
    return samples.results()


def _wait_until_idle(pid: int) -> None:
    """A slow server is still busy with its last clients when they have left; the next one shall not pay for that."""
    deadline = time.monotonic() + _PATIENCE_S
    used = -1.0
    while used != (used := cpu_s(pid)) and time.monotonic() < deadline:
        time.sleep(_LOOK_S)


def _result(samples: Sequence[_Sample]) -> Result:
    loads, costs = [sample.seen for sample in samples], [sample.cpu_us for sample in samples]
    cost = statistics.median(costs)
    return Result(
        costs_us=costs,
        cpu_us=cost,
        requests_per_s=statistics.median(seen.requests_per_s for seen in loads),
        p50_ms=statistics.median(seen.p50_ms for seen in loads),
        p99_ms=statistics.median(seen.p99_ms for seen in loads),
        rss_mb=samples[-1].rss_mb,
        spread=(max(costs) - min(costs)) / cost,
    )


def fetch(case: Case) -> bytes:
    """One answer, to see what is being measured. Raises RuntimeError unless it is a 200."""
    connection = HTTPConnection("127.0.0.1", case.server.port, timeout=10)
    try:
        connection.request("GET", case.path, headers=dict(case.headers))
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise RuntimeError(f"{case.name}: status {response.status}")
    return body


def call_us(call: Callable[[], object], seconds: float, rounds: int) -> float:
    """Microseconds of CPU per call, the median over the rounds."""
    count = 1
    while (spent := _spent_s(call, count)) < 0.01:
        count *= 4
    count = max(1, int(count * seconds / rounds / spent))
    return statistics.median(_spent_s(call, count) / count for _ in range(rounds)) * 1e6


def _spent_s(call: Callable[[], object], count: int) -> float:
    start = time.process_time()
    for _ in range(count):
        call()
    return time.process_time() - start
