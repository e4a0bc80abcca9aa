"""`portal-gateway serve` beside other reverse proxies, in front of the same upstream (nginx with static files)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from bench import host, in_front, pages, stalled
from bench.load import LOAD_CPU
from bench.measure import Case, fetch, interleaved, rss_mb
from bench.middleware import FETCH, NAVIGATION, USER
from bench.peers import PEERS, nginx
from bench.peers.proxy import NotInstalled, Proxy, written
from bench.report import Cell, Goal, Table, ratio_row
from bench.result import Result
from bench.servers import Server, free_port, running, uvicorn

_OURS = "Portal Gateway"
_SNIPPET = b'<a class="portal-link"'
_FILES = {"json.json": pages.JSON, "5k.html": pages.generated(5_000), "100k.html": pages.generated(100_000)}
_ENVIRON = {"PLANHAT_API_TOKEN": host.TOKEN}
# name, path, yardstick, what must be reached
_ROWS: tuple[tuple[str, str, str, float | None], ...] = (
    ("200 B JSON", "/body/json.json", nginx.PLAIN.name, 0.40),
    ("5 KB page passes", "/other/5k.html", nginx.PLAIN.name, None),
    ("5 KB page, `body`", "/body/5k.html", nginx.SUB_FILTER.name, 0.50),
    ("5 KB page, `nav .links`", "/nav/5k.html", nginx.SUB_FILTER.name, None),
    ("100 KB page passes", "/other/100k.html", nginx.PLAIN.name, None),
    ("100 KB page, `body`", "/body/100k.html", nginx.SUB_FILTER.name, 1.1),
    ("100 KB page, `nav .links`", "/nav/100k.html", nginx.SUB_FILTER.name, None),
)
# What all proxies are asked for.
_CONTENTS = {"200 B JSON": "/body/json.json", "5 KB page": "/body/5k.html", "100 KB page": "/body/100k.html"}

_NOTE = (
    "Yardstick: nginx proxy_pass for what passes, nginx sub_filter (`sub_filter_once off`) for what is injected;"
    " both with kept-alive connections, buffers for the whole page and a buffered access log. nginx inserts at"
    " every `</body>` of the page, the sidecar at the true one."
)
_PEERS_NOTE = (
    "`ratio` is the proxy's CPU per request over ours: 2 costs twice as much. `links` is how often it put the link into"
    " the page, in which one is right; without, it cannot."
)


@dataclass
class _Stage:
    """What runs, by the names of the proxies, and what could not."""

    folder: Path
    upstream: Server
    proxies: list[Proxy] = field(default_factory=list)
    servers: dict[str, Server] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)


def run(rounds: int, seconds: float) -> list[Table]:
    with TemporaryDirectory() as name, _vendor() as vendor:
        os.chmod(name, 0o755)  # servers that drop root read it
        with _stage(Path(name), vendor) as stage:
            cases = list(_cases(stage.servers))
            links = {case.name: _links(case) for case in cases}
            _check(stage.proxies, links)
            started_mb = {name: rss_mb(server.pid) for name, server in stage.servers.items()}
            interleaved(cases, 1, 1)  # does not count: Node only now compiles what is hot
            results = interleaved(cases, rounds, seconds)
            memory = _memory_table(stage.servers, started_mb)
            front = in_front.table(stage.servers[_OURS], stage.upstream, stage.folder, rounds, seconds)
        stopped = stalled.table(stage.proxies, stage.folder, _ENVIRON, seconds)
    absent = f" Left out: {'; '.join(stage.absent)}." if stage.absent else ""
    beside = [_peers_table(name, path, stage.proxies, results, links, absent) for name, path in _CONTENTS.items()]
    return [_yardstick_table(results), *beside, front, memory, stopped]


# --- servers: the upstream and the vendor on the core of the load, the proxies on the other one


@contextmanager
def _vendor() -> Iterator[Server]:
    port = free_port()
    with running(uvicorn("bench.host:vendor", port), port, cpu=LOAD_CPU) as vendor:
        yield vendor


@contextmanager
def _stage(folder: Path, vendor: Server) -> Iterator[_Stage]:
    site = folder / "site"
    for path in host.PLACES | {"other": ""}:
        (site / path).mkdir(parents=True)
        for name, content in _FILES.items():
            (site / path / name).write_bytes(content)
    with ExitStack() as stack:
        port = free_port()
        upstream = stack.enter_context(running(nginx.static(folder, site, port), port, cpu=LOAD_CPU))
        stage = _Stage(folder, upstream)
        for proxy in (Proxy(_OURS, partial(_sidecar, vendor), injects=True), *PEERS):
            port = free_port()
            try:
                command = proxy.command(folder, port, upstream.port)
            except NotInstalled as missing:
                print(f"without {proxy.name}: {missing}", file=sys.stderr)
                stage.absent.append(f"{proxy.name} ({missing})")
                continue
            stage.servers[proxy.name] = stack.enter_context(running(command, port, environ=_ENVIRON))
            stage.proxies.append(proxy)
        yield stage


def _sidecar(vendor: Server, folder: Path, port: int, upstream: int) -> list[str]:
    values = {**host.config(vendor.url, host.HEADERS_IDENTITY), "upstream": f"http://127.0.0.1:{upstream}"}
    path = written(folder / f"portal-gateway-{port}.yaml", yaml.safe_dump(values))
    return [sys.executable, "-m", "portal_gateway", "serve", "--config", path, "--port", str(port)]


# --- what is asked


def _case(server: str, path: str) -> str:
    return f"{server} {path}"


def _cases(servers: Mapping[str, Server]) -> Iterator[Case]:
    asked = {(server, path): None for path in _CONTENTS.values() for server in servers}
    asked |= {(server, path): None for _, path, yardstick, _ in _ROWS for server in (yardstick, _OURS)}
    for server, path in sorted(asked, key=lambda pair: pair[1]):
        headers = FETCH if path.endswith(".json") else NAVIGATION
        yield Case(_case(server, path), servers[server], path, headers | USER)


def _links(case: Case) -> int:
    fetch(case)  # the vendor is asked while the first page waits
    return fetch(case).count(_SNIPPET)


def _check(proxies: Sequence[Proxy], links: Mapping[str, int]) -> None:
    for proxy in proxies:
        for path in _CONTENTS.values():
            found = links[_case(proxy.name, path)]
            wanted = proxy.injects and path.endswith(".html")
            if bool(found) != wanted or (proxy.name == _OURS and found > 1):
                raise RuntimeError(f"{proxy.name}: {found} links in {path}")
    for _, path, _, _ in _ROWS:
        if links[_case(_OURS, path)] != (path.endswith(".html") and not path.startswith("/other/")):
            raise RuntimeError(f"{_OURS}: {links[_case(_OURS, path)]} links in {path}")


# --- tables


def _yardstick_table(results: Mapping[str, Result]) -> Table:
    rows = []
    for name, path, yardstick, must in _ROWS:
        ours, theirs = results[_case(_OURS, path)], results[_case(yardstick, path)]
        more = {"req/s": round(ours.requests_per_s), "p50 ms": ours.p50_ms, "p99 ms": ours.p99_ms}
        theirs_rate = {"yardstick req/s": round(theirs.requests_per_s)}
        spread = round(ours.spread, 2)
        rows.append(ratio_row(name, ours, theirs, must, **more, **theirs_rate, spread=spread))
    return Table("Sidecar", rows, _NOTE, Goal("ratio"))


def _peers_table(
    name: str, path: str, proxies: Sequence[Proxy], results: Mapping[str, Result], links: Mapping[str, int], absent: str
) -> Table:
    ours = results[_case(_OURS, path)]
    rows: list[dict[str, Cell]] = []
    for proxy in proxies:
        case = _case(proxy.name, path)
        result = results[case]
        rows.append(
            {
                "proxy": proxy.name,
                "cpu us": result.cpu_us,
                "ratio": round(ours.ratio(result), 2),
                "must reach": proxy.must,
                "req/s": round(result.requests_per_s),
                "p50 ms": result.p50_ms,
                "p99 ms": result.p99_ms,
                "links": links[case] or None,
                "spread": round(result.spread, 2),
            }
        )
    return Table(f"Beside others: {name}", rows, _PEERS_NOTE + absent, Goal("ratio"))


def _memory_table(servers: Mapping[str, Server], started_mb: Mapping[str, float]) -> Table:
    rows: list[dict[str, Cell]] = [
        {"proxy": name, "before MB": started_mb[name], "after MB": rss_mb(server.pid)}
        for name, server in servers.items()
    ]
    return Table("Memory", rows, "RSS of all processes of a proxy, after its first answers and after the last.")
