"""Load by wrk (Debian: wrk), and what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

LOAD_CPU = (os.cpu_count() or 1) - 1

_REQUESTS = re.compile(r"(\d+) requests in")
_RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
_PERCENTILE = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s)\s*$", re.MULTILINE)
_FAILURES = re.compile(r"Non-2xx or 3xx responses: (\d+)|Socket errors: connect (\d+), read (\d+), write (\d+)")
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Load:
    """What one run of wrk saw."""

    requests: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float


def run(url: str, headers: Mapping[str, str], seconds: float, connections: int) -> Load:
    """Ask for `url` as fast as it answers. Raises RuntimeError if any answer was an error."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise RuntimeError("the bench needs wrk; on Debian: apt-get install wrk")
    command = [wrk, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency", "--timeout", "10s"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    done = subprocess.run(
        [*command, url],
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=_pin,
    )
    return parse(done.stdout + done.stderr)


def parse(output: str) -> Load:
    """wrk's report as numbers. Raises RuntimeError for one that is incomplete or tells of failures."""
    requests, rate = _REQUESTS.search(output), _RATE.search(output)
    percentiles = {p: float(n) * _MILLISECONDS[unit] for p, n, unit in _PERCENTILE.findall(output)}
    if requests is None or rate is None or len(percentiles) < 2 or _FAILURES.search(output):
        raise RuntimeError(f"wrk failed:\n{output}")
    return Load(int(requests[1]), float(rate[1]), percentiles["50"], percentiles["99"])


def _pin() -> None:
    os.sched_setaffinity(0, {LOAD_CPU})
