"""What a cached decision costs, in process and in Redis, and what a worker costs before it has done anything."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import redis.asyncio
import uvloop

from bench.measure import call_us
from bench.report import Cell, Goal, Table
from bench.servers import free_port, running
from portal_gateway.access.asking import Source
from portal_gateway.access.freshness import Lifetimes
from portal_gateway.access.memory import MemoryLevel
from portal_gateway.access.service import AccessService
from portal_gateway.identity.headers import HeadersSource
from portal_gateway.models import Access, EndUser
from portal_gateway.observe.events import Events
from portal_gateway.providers.planhat import PlanhatProvider
from portal_gateway.settings import load_settings
from portal_gateway.settings.cache import CacheSettings
from portal_gateway.settings.identity import HeadersIdentity
from portal_gateway.store.registry import open_store
from portal_gateway.wire.trust import TrustedPeers

_USERS = 10_000
_VALUES = {
    "trusted_proxies": ["127.0.0.1/32"],
    "identity": [{"source": "headers", "id": "X-User-Id", "email": "X-User-Email"}],
    "portals": {
        "success": {
            "provider": "planhat",
            "label": "Customer portal",
            "api_token": {"env": "T"},
            "enduser_id": "extid-{id}",
        }
    },
}
_HEADERS = [
    (b"host", b"app.acme.com"),
    (b"accept", b"text/html"),
    (b"accept-encoding", b"gzip, br"),
    (b"sec-fetch-dest", b"document"),
    (b"cookie", b"session=abc"),
    (b"x-user-id", b"jane"),
    (b"x-user-email", b"jane@vance.example"),
]
_IMPORTS = {
    "python alone": "pass",
    "import portal_gateway": "import portal_gateway",
    "the sidecar's worker": "import portal_gateway.serving.worker",
    "the middleware, built": "import portal_gateway; portal_gateway.PortalGatewayMiddleware(None, "
    f"portal_gateway.load_settings({_VALUES!r}, environ={{'T': 't'}}))",
}
_REDIS_MUST = {"Redis level get": 1.3}
_MEASURED_IMPORT = """
import time; start = time.process_time()
{code}
spent = time.process_time() - start
print(spent, [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmRSS")][0])
"""


def run(rounds: int, seconds: float) -> list[Table]:
    return [
        Table("Cached decision", _decision_rows(rounds, seconds), goal=Goal("us", "must reach us", at_least=False)),
        Table(
            "Shared cache",
            _redis_rows(rounds, seconds),
            "Against a bare GET of redis-py in the same run.",
            Goal("of a bare GET", at_least=False),
        ),
        Table("Start of a worker", _start_rows(rounds)),
    ]


def _decision_rows(rounds: int, seconds: float) -> list[dict[str, Cell]]:
    settings = load_settings(_VALUES, environ={"T": "token"})
    provider = PlanhatProvider("success", settings.portals["success"])  # type: ignore[arg-type]
    service = AccessService({"success": Source(provider, Lifetimes(3600, 3600, 0))}, MemoryLevel(2 * _USERS), Events())
    users = [EndUser(id=f"user-{n}", email=f"user-{n}@vance.example") for n in range(_USERS)]
    _fill(service, provider, users)
    user = users[_USERS // 2]
    identity = settings.identity[0]
    assert isinstance(identity, HeadersIdentity)
    source = HeadersSource(identity, TrustedPeers(settings.trusted_proxies))
    scope = {"client": ("127.0.0.1", 1), "headers": _HEADERS}
    calls: dict[str, tuple[Callable[[], object], float | None]] = {
        "AccessService.peek, a hit": (lambda: service.peek("success", user), 5.0),
        "AccessService.decide, a hit": (lambda: _finish(service.decide("success", user)), 5.0),
        "identity from headers": (lambda: source.at_hand(scope), None),
    }
    rows: list[dict[str, Cell]] = []
    for name, (call, must) in calls.items():
        rows.append({"call": name, "us": call_us(call, seconds, rounds), "must reach us": must})
    return rows


def _redis_rows(rounds: int, seconds: float) -> list[dict[str, Cell]]:
    """One call after the other over a connection that is open, under the loop that servers use."""
    port = free_port()
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
    with running(command, port), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        costs = runner.run(_redis_costs(f"redis://127.0.0.1:{port}/0", rounds, seconds))
    bare_us = costs["bare redis-py GET"]
    return [
        {"call": name, "CPU us": us, "of a bare GET": round(us / bare_us, 2), "must reach": _REDIS_MUST.get(name)}
        for name, us in costs.items()
    ]


async def _redis_costs(url: str, rounds: int, seconds: float) -> dict[str, float]:
    """Microseconds of CPU per call, the median over the rounds."""
    bare = redis.asyncio.Redis.from_url(url)
    store = open_store(CacheSettings(url=url, timeout_ms=10_000))
    await bare.set("a", b"x" * 200)
    await store.put("a", b"x" * 200, 3600)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "bare redis-py GET": lambda: bare.get("a"),
        "Redis level get": lambda: store.get("a"),
        "Redis level put": lambda: store.put("b", b"x" * 200, 60),
        "Redis level spend": lambda: store.spend("c", 6e7, 1000, 1),
    }
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            samples[name].append(await _awaited_us(call, seconds / rounds))
    await bare.aclose()
    await store.aclose()
    return {name: statistics.median(costs) for name, costs in samples.items()}


async def _awaited_us(call: Callable[[], Awaitable[object]], seconds: float) -> float:
    count, start, began = 0, time.process_time(), time.monotonic()
    while time.monotonic() < began + seconds:
        for _ in range(100):
            await call()
        count += 100
    return (time.process_time() - start) / count * 1e6


def _fill(service: AccessService, provider: PlanhatProvider, users: list[EndUser]) -> None:
    async def says_yes(user: EndUser) -> Access:
        return Access.grant("vendor_yes")

    async def ask_all() -> None:
        for user in users:
            await service.decide("success", user)

    provider.check_access = says_yes  # type: ignore[method-assign]
    asyncio.run(ask_all())


def _finish(coroutine: Coroutine[Any, Any, Any]) -> object:
    """The result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise RuntimeError("waited")


def _start_rows(rounds: int) -> list[dict[str, Cell]]:
    rows: list[dict[str, Cell]] = []
    for name, code in _IMPORTS.items():
        outputs = [_start(code) for _ in range(rounds)]
        spent_ms = statistics.median(spent for spent, _ in outputs) * 1000
        rows.append({"what": name, "CPU ms": spent_ms, "RSS MB": statistics.median(size for _, size in outputs)})
    return rows


def _start(code: str) -> tuple[float, float]:
    """CPU seconds of `code` in a new interpreter, and its memory in MB after that."""
    command = [sys.executable, "-c", _MEASURED_IMPORT.format(code=code)]
    spent, kilobytes = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(spent), int(kilobytes) * 1024 / 1e6
