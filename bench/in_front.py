"""nginx in front, as in deploy/nginx.conf: it serves the site and asks the gateway who sees which snippet."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench import load
from bench.measure import CONNECTIONS, Case, cpu_s, fetch
from bench.middleware import FETCH, NAVIGATION, USER
from bench.peers import nginx
from bench.report import Cell, Table
from bench.servers import ROOT, Server, free_port, running

_RECIPE = ROOT / "deploy" / "nginx.conf"
_SNIPPET = b'<a class="portal-link"'
# What is asked for, of whom, and the links that must be in it.
_ROWS = (
    ("5 KB page with a link, by nginx", "nginx", "/body/5k.html", 1),
    ("5 KB page without, by nginx", "nginx", "/other/5k.html", 0),
    ("200 B JSON, by nginx", "nginx", "/body/json.json", 0),
    ("5 KB page with a link, by the sidecar", "sidecar", "/body/5k.html", 1),
    ("200 B JSON, by the sidecar", "sidecar", "/body/json.json", 0),
)
_NOTE = (
    "nginx with `auth_request` and `sub_filter` asks the gateway beside it about each page, and nobody about the rest"
    " (docs/nginx.md); both are on one core, and so is the sidecar that stands in front of the same app instead."
)


class _Sample(NamedTuple):
    front_us: float
    gateway_us: float
    requests_per_s: float


def table(gateway: Server, upstream: Server, folder: Path, rounds: int, seconds: float) -> Table:
    """`gateway` is a sidecar in front of `upstream`."""
    port = free_port()
    with running(nginx.configured(folder, "recipe", _recipe(port, gateway, upstream), log="off"), port) as front:
        servers = {"nginx": front, "sidecar": gateway}
        cases = {name: _case(servers[by], path, links) for name, by, path, links in _ROWS}
        samples: dict[str, list[_Sample]] = {name: [] for name in cases}
        for _ in range(rounds):
            for name, case in cases.items():
                samples[name].append(_sample(case, front, gateway, seconds))
    return Table("nginx in front", [_row(name, taken) for name, taken in samples.items()], _NOTE)


def _recipe(port: int, gateway: Server, upstream: Server) -> str:
    recipe = _RECIPE.read_text(encoding="utf-8")
    for original, ours in (
        ("server 127.0.0.1:8000;", f"server 127.0.0.1:{upstream.port};"),
        ("server 127.0.0.1:8080;", f"server 127.0.0.1:{gateway.port};"),
        ("listen 80;", f"listen 127.0.0.1:{port};"),
        ("gzip on;", ""),  # which the other rows do without
    ):
        if recipe.count(original) != 1:
            raise RuntimeError(f"{_RECIPE} has not one {original!r}")
        recipe = recipe.replace(original, ours)
    return recipe


def _case(server: Server, path: str, links: int) -> Case:
    case = Case(path, server, path, (FETCH if path.endswith(".json") else NAVIGATION) | USER)
    fetch(case)  # the vendor is asked while the first page waits
    if fetch(case).count(_SNIPPET) != links:
        raise RuntimeError(f"not {links} links in {server.url}{path}")
    return case


def _sample(case: Case, front: Server, gateway: Server, seconds: float) -> _Sample:
    before = cpu_s(front.pid), cpu_s(gateway.pid)
    seen = load.run(case.server.url + case.path, case.headers, seconds, CONNECTIONS)
    used = cpu_s(front.pid) - before[0], cpu_s(gateway.pid) - before[1]
    return _Sample(used[0] / seen.requests * 1e6, used[1] / seen.requests * 1e6, seen.requests_per_s)


def _row(name: str, samples: Sequence[_Sample]) -> dict[str, Cell]:
    front, gateway, rate = map(statistics.median, zip(*samples, strict=True))
    return {
        "asked for": name,
        "nginx us": front,
        "gateway us": gateway,
        "together us": front + gateway,
        "req/s": round(rate),
    }
