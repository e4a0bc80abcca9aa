"""Many visits of every kind, the torn ones too; then the sidecar holds no more than before them.

SOAK=200000 says how many; a test run makes do with fewer.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import serve_kit
from load_kit import Tenant
from proxy_harness import Upstream, upstream
from serve_kit import Served, serving
from serve_kit import Upstream as Behind
from soak_app import app
from soak_visits import VISITS, Visitor

from portal_gateway.sandbox.server import running

SOAK = int(os.environ.get("SOAK", "3000"))
VISITORS = 16
WARM_UP = 5
# What is left is counted twice: exactly, by the allocators, and as operators see it. The kernel's figure hides a small
# leak for long, in room that the heap once needed, and grows now and then for a new one.
MORE_BLOCKS, MORE_HEAP_MB, MORE_RSS_MB = 10_000, 0.5, 12.0
CONFIG = {
    "trusted_proxies": ["127.0.0.1/32"],
    "identity": [{"source": "headers", "id": "X-User-Id", "email": "X-User-Email"}],
}
PORTAL = {
    "provider": "planhat",
    "api_token": {"env": "PLANHAT_API_TOKEN"},
    "enduser_id": "extid-{id}",
    "access": {"budget_ms": 10_000, "ttl": 3600, "denied_ttl": 3600},
    "inject": [{"at": "nav .links"}],
}

# Before a program: at SIGUSR1 it says what its allocators have given out. `mallinfo2` is glibc's, ten sizes of which
# hblkhd (5) are the bytes in maps of their own and uordblks (8) those on the heap.
TELLING = """
import ctypes, gc, itertools, signal, sys

class _Info(ctypes.Structure):
    _fields_ = [(str(number), ctypes.c_size_t) for number in range(1, 11)]

_numbers = itertools.count(1)

def _tell(*_):
    gc.collect()
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = _Info
    info = mallinfo2()
    size = getattr(info, "5") + getattr(info, "8")
    told = (next(_numbers), sys.getallocatedblocks(), size)
    print("held %d: %d blocks, %d bytes" % told, file=sys.stderr, flush=True)

signal.signal(signal.SIGUSR1, _tell)
"""


@dataclass(frozen=True)
class Held:
    """What a process holds when nobody asks it for anything."""

    descriptors: Counter[str]
    blocks: int
    heap_mb: float
    rss_mb: float

    def __str__(self) -> str:
        sockets, all_of_them = self.descriptors["socket"], self.descriptors.total()
        memory = f"{self.blocks} blocks, {self.heap_mb:.2f} MB on the heap, {self.rss_mb:.1f} MB RSS"
        return f"{all_of_them} descriptors ({sockets} sockets), {memory}"


@asynccontextmanager
async def _lines_read(served: Served) -> AsyncIterator[None]:
    """Somebody reads the access log."""

    async def read() -> None:
        stdout = served.process.process.stdout
        assert stdout is not None
        while await stdout.read(65536):
            pass

    reading = asyncio.create_task(read())
    try:
        yield
    finally:
        reading.cancel()
        await asyncio.wait([reading])


async def _warmed_up(visitors: list[Visitor]) -> None:
    """The most that each kind of visit takes has been taken: everybody at once, again and again."""
    for visit in VISITS:
        for _ in range(WARM_UP):
            await asyncio.gather(*(visitor.visit(visit) for visitor in visitors))


async def _stay(visitor: Visitor, visits: int) -> None:
    for _ in range(visits):
        await visitor.visit()


async def _left(visitors: list[Visitor], served: Served, behind: Upstream) -> Held:
    """What is held when all have gone: nothing is under way, and connections to the app have expired."""
    for visitor in visitors:
        visitor.leave()
    await served.until("requests_in_flight", lambda value: value == 0)
    await served.until("upstream_connections", lambda value: value == 0)
    await behind.until(lambda state: state.open == 0)
    await _connections_noticed(served)
    process = Path("/proc", str(served.pid))
    kinds = [os.readlink(path).partition(":")[0] for path in (process / "fd").iterdir()]
    pages = int((process / "statm").read_text().split()[1])
    number = served.process.log.count("\nheld ") + 1
    os.kill(served.pid, signal.SIGUSR1)
    told = await served.process.printed(rf"\nheld {number}: (\d+) blocks, (\d+) bytes\n")
    return Held(Counter(kinds), int(told[1]), int(told[2]) / 1e6, pages * os.sysconf("SC_PAGESIZE") / 1e6)


async def _connections_noticed(served: Served) -> None:
    """Once it has answered a later connection and closed that, it knows that the earlier ones are over."""
    parts = urlsplit(served.admin_url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(b"GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 200")
    writer.close()
    await writer.wait_closed()


@pytest.mark.timeout(60 + SOAK // 100)
async def test_after_many_visits_nothing_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve_kit, "PROGRAM", TELLING + serve_kit.PROGRAM)
    async with (
        running(Tenant(latency_s=0)) as vendor_url,
        upstream(app) as behind,
        serving(
            Behind(url=f"http://127.0.0.1:{behind.port}"),
            tmp_path,
            portals={"success": {**PORTAL, "api_url": vendor_url}},
            **CONFIG,
        ) as served,
        _lines_read(served),
    ):
        visitors = [Visitor(served.url, random.Random(number)) for number in range(VISITORS)]
        await _warmed_up(visitors)
        before = await _left(visitors, served, behind)
        await asyncio.gather(*(_stay(visitor, SOAK // VISITORS) for visitor in visitors))
        after = await _left(visitors, served, behind)
        metrics = await served.metrics()
    print(f"\nBefore: {before}\nAfter {SOAK} visits: {after}")
    assert [failure for visitor in visitors for failure in visitor.failures] == []
    assert after.descriptors == before.descriptors
    assert after.blocks < before.blocks + MORE_BLOCKS
    assert after.heap_mb < before.heap_mb + MORE_HEAP_MB
    assert after.rss_mb < before.rss_mb + MORE_RSS_MB
    assert metrics.value("portal_gateway_internal_errors_total") == 0
    assert "Traceback" not in served.process.log
