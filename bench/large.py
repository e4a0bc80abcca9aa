"""A page of a gigabyte, streamed: memory, throughput, the first byte, and a reader that is slower than the app."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from bench import host
from bench.large_host import CODINGS, PLACES
from bench.load import LOAD_CPU
from bench.long_answer import Memory, Reading, answering, first_byte_ms, read_all, read_at
from bench.measure import Case, fetch
from bench.middleware import NAVIGATION, USER
from bench.report import Cell, Goal, Table
from bench.servers import Server, free_port, running, uvicorn

MB = 1024 * 1024
_SNIPPET = b'<a class="portal-link"'
_SLOW_BYTES_PER_S = 5e6
_SLOW = (("middleware", "identity"), ("middleware", "gzip"), ("sidecar", "identity"))
_HEADERS = NAVIGATION | USER

_NOTE = (
    "`before` is the server's memory after two pages of 1 MB, `peak` its highest while the page streamed. In the"
    " middleware rows the app that makes the page is part of the server. All figures are of the page, not of its gzip."
)
_SLOW_NOTE = (
    "The reader takes 5 MB/s off the wire, until it has so much of the page, and then stops. `ahead` is how much more"
    " of it the app had made by then (it is in the buffers of sockets), `made while stopped` what it made from then on."
)


def run(rounds: int, seconds: float) -> list[Table]:
    size_mb = max(16, min(1024, int(seconds * 512)))
    with _vendor() as vendor:
        fast = list(_fast_rows(vendor, size_mb))
        # At the same time: they hardly work, they wait.
        with ThreadPoolExecutor(len(_SLOW)) as threads:
            slow = list(threads.map(lambda case: _slow_row(vendor, *case, seconds), _SLOW))
        first = list(_first_byte_rows(vendor, 20 * rounds))
    return [
        Table(f"A page of {size_mb} MB", fast, _NOTE, _below("more MB")),
        Table("A reader of 5 MB/s", slow, _SLOW_NOTE, _below("more MB")),
        Table(
            "The first byte",
            first,
            "Of a page of 1 MB, the medians of requests in turn, in milliseconds.",
            _below("more"),
        ),
    ]


def _below(figure: str) -> Goal:
    return Goal(figure, "must stay below", at_least=False)


# --- servers: a new one for each row, since what a process has once taken it may keep


@contextmanager
def _vendor() -> Iterator[Server]:
    port = free_port()
    with running(uvicorn("bench.host:vendor", port), port, cpu=LOAD_CPU) as vendor:
        yield vendor


@contextmanager
def _app(kind: str, vendor: Server, cpu: int = 0) -> Iterator[Server]:
    port = free_port()
    environ = {host.VENDOR_URL: vendor.url}
    with running(uvicorn(f"bench.large_host:{kind}", port), port, cpu=cpu, environ=environ) as server:
        yield server


@contextmanager
def _sidecar(vendor: Server) -> Iterator[Server]:
    with TemporaryDirectory() as folder, _app("bare", vendor, LOAD_CPU) as upstream:
        path = Path(folder) / "portal-gateway.yaml"
        values = {**host.config(vendor.url, host.HEADERS_IDENTITY, PLACES), "upstream": upstream.url}
        path.write_text(yaml.safe_dump(values), encoding="utf-8")
        port = free_port()
        command = [sys.executable, "-m", "portal_gateway", "serve", "--config", str(path), "--port", str(port)]
        with running(command, port, environ={"PLANHAT_API_TOKEN": host.TOKEN}) as server:
            yield server


# --- as fast as it comes


def _fast_rows(vendor: Server, size_mb: int) -> Iterator[dict[str, Cell]]:
    for coding in CODINGS:
        with _app("bare", vendor) as server:
            yield _fast_row(f"bare app, {coding}", server, "none", coding, size_mb)
        for place in PLACES:
            with _app("gateway", vendor) as server:
                yield _fast_row(f"middleware, {coding}, `{PLACES[place]}`", server, place, coding, size_mb)
    for place, coding in [*((place, "identity") for place in PLACES), ("body", "gzip")]:
        with _sidecar(vendor) as server:
            yield _fast_row(f"sidecar, {coding}, `{PLACES[place]}`", server, place, coding, size_mb)


def _fast_row(name: str, server: Server, place: str, coding: str, size_mb: int) -> dict[str, Cell]:
    headers = _HEADERS | {"Accept-Encoding": coding}
    for _ in range(2):  # the vendor is asked while the first page waits
        read_all(server, f"/{place}/{coding}/1", headers)
    reading = read_all(server, f"/{place}/{coding}/{size_mb}", headers)
    _check(name, reading, place, size_mb)
    return {
        "case": name,
        "MB/s": round(reading.size / MB / reading.seconds),
        "before MB": reading.before_mb,
        "peak MB": reading.peak_mb,
        "more MB": round(reading.peak_mb - reading.before_mb, 2),
        "must stay below": 2.0,
    }


def _check(name: str, reading: Reading, place: str, size_mb: int) -> None:
    wanted = {"early": (1, 0), "none": (0, 0)}.get(place, (0, 1)) if not name.startswith("bare") else (0, 0)
    found = (reading.first.count(_SNIPPET), reading.last.count(_SNIPPET))
    if found != wanted or reading.size < size_mb * MB or not reading.last.endswith(b"</html>\n"):
        raise RuntimeError(f"{name}: {reading.size} bytes, {found} links at the beginning and the end")


# --- slower than the app


def _slow_row(vendor: Server, kind: str, coding: str, seconds: float) -> dict[str, Cell]:
    reading_s, stopped_s = 10 * seconds, 2.5 * seconds
    headers = _HEADERS | {"Accept-Encoding": coding}
    # More than can be read in the time; the records pack to a ninth.
    size_mb = max(64, int(reading_s * _SLOW_BYTES_PER_S * 2 / MB)) * (9 if coding == "gzip" else 1)
    with _app("gateway", vendor) if kind == "middleware" else _sidecar(vendor) as server:
        for _ in range(2):
            read_all(server, f"/late/{coding}/1", headers)
        memory = Memory(server)
        with answering(server, f"/late/{coding}/{size_mb}", headers, slowly=True) as response:
            read, size = read_at(response, _SLOW_BYTES_PER_S, reading_s, memory)
            time.sleep(0.2)
            made = _made(server)
            deadline = time.perf_counter() + stopped_s
            while time.perf_counter() < deadline:
                memory.sample()
                time.sleep(0.05)
            made_later = _made(server)
    return {
        "case": f"{kind}, {coding}, `#late`",
        "MB/s": read / MB / reading_s,
        "page MB": size / MB,
        "ahead MB": (made - size) / MB,
        "made while stopped MB": (made_later - made) / MB,
        "before MB": memory.before_mb,
        "peak MB": memory.peak_mb,
        "more MB": round(memory.peak_mb - memory.before_mb, 2),
        "must stay below": 2.0,
    }


def _made(server: Server) -> int:
    return int(fetch(Case("made", server, "/made")))


# --- the first byte


def _first_byte_rows(vendor: Server, count: int) -> Iterator[dict[str, Cell]]:
    with _app("bare", vendor) as bare, _app("gateway", vendor) as gateway, _sidecar(vendor) as sidecar:
        servers = {"bare": bare, "middleware": gateway, "sidecar": sidecar}
        for coding in CODINGS:
            headers = _HEADERS | {"Accept-Encoding": coding}
            for place in PLACES:
                path = f"/{place}/{coding}/1"
                samples: dict[str, list[float]] = {name: [] for name in servers}
                for turn in range(count + 2):
                    for name, server in servers.items():
                        took_ms = first_byte_ms(server, path, headers)
                        if turn >= 2:  # the vendor is asked while the first page waits
                            samples[name].append(took_ms)
                took = {name: statistics.median(values) for name, values in samples.items()}
                yield {
                    "case": f"{coding}, `{PLACES[place]}`",
                    "bare app": took["bare"],
                    "middleware": took["middleware"],
                    "more": took["middleware"] - took["bare"],
                    "must stay below": 1.0,
                    "sidecar": took["sidecar"],
                }
