"""What proxies hold in memory for a reader who stops in the middle of a long page."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.load import LOAD_CPU
from bench.long_answer import Memory, read_all
from bench.measure import Case, fetch
from bench.middleware import NAVIGATION, USER
from bench.peers.proxy import Proxy
from bench.report import Cell, Table
from bench.servers import Server, free_port, running, uvicorn

_PAGE_MB = 200
_TAKEN = 3 * 1024 * 1024
_BUFFER = 128 * 1024
_HEADERS = NAVIGATION | USER
_NOTE = (
    f"The reader of a page of {_PAGE_MB} MB takes 3 MB of it, or what comes in the first second, and then nothing any"
    " more. `before` is the proxy's memory after two pages of 1 MB, `peak` its highest from then on; `made` is how much"
    " of the page the app was rid of in the end, which is what proxy and sockets hold and what the reader took. What"
    " collects a page before it sends it grows for as long as one looks."
)


def table(proxies: Sequence[Proxy], folder: Path, environ: dict[str, str], seconds: float) -> Table:
    """Each has a new process and an app of its own: what a process has once taken it may keep."""
    return Table("A reader that stops", [_row(proxy, folder, environ, seconds) for proxy in proxies], _NOTE)


def _row(proxy: Proxy, folder: Path, environ: dict[str, str], seconds: float) -> dict[str, Cell]:
    app_port, port = free_port(), free_port()
    with (
        running(uvicorn("bench.large_host:bare", app_port), app_port, cpu=LOAD_CPU) as app,
        running(proxy.command(folder, port, app_port), port, environ=environ) as server,
    ):
        for _ in range(2):
            read_all(server, "/body/identity/1", _HEADERS)
        memory = Memory(server)
        with _stalled_reader(server, memory):
            end = time.perf_counter() + 2.5 * seconds
            while time.perf_counter() < end:
                time.sleep(0.05)
                memory.sample()
            made = int(fetch(Case("made", app, "/made")))
    return {
        "proxy": proxy.name,
        "before MB": memory.before_mb,
        "peak MB": memory.peak_mb,
        "more MB": round(memory.peak_mb - memory.before_mb, 2),
        "made MB": made / 1e6,
    }


@contextmanager
def _stalled_reader(server: Server, memory: Memory) -> Iterator[None]:
    """Somebody has taken the beginning of the page and takes no more of it."""
    lines = [f"GET /body/identity/{_PAGE_MB} HTTP/1.1", f"Host: 127.0.0.1:{server.port}"]
    lines += [f"{name}: {value}" for name, value in _HEADERS.items()]
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        reader.settimeout(0.05)
        reader.connect(("127.0.0.1", server.port))
        reader.sendall("\r\n".join([*lines, "", ""]).encode())
        taken, end = 0, time.perf_counter() + 1
        while taken < _TAKEN and time.perf_counter() < end:
            with suppress(TimeoutError):
                taken += len(reader.recv(64 * 1024))
            memory.sample()
        yield
