"""`portal-gateway serve` beside nginx, as a reverse proxy in front of the same upstream (nginx with static files)."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from bench import host, pages
from bench.load import LOAD_CPU
from bench.measure import Case, fetch, interleaved
from bench.middleware import FETCH, NAVIGATION, USER
from bench.report import Goal, Table, ratio_row
from bench.servers import Server, free_port, running, uvicorn

_SNIPPET = b'<a class="portal-link"'
_FILES = {"json.json": pages.JSON, "5k.html": pages.generated(5_000), "100k.html": pages.generated(100_000)}
# name, path, headers, yardstick, what must be reached
_ROWS: tuple[tuple[str, str, dict[str, str], str, float | None], ...] = (
    ("200 B JSON", "/body/json.json", FETCH, "nginx", 0.40),
    ("5 KB page passes", "/other/5k.html", NAVIGATION, "nginx", None),
    ("5 KB page, `body`", "/body/5k.html", NAVIGATION, "nginx_sub_filter", 0.50),
    ("5 KB page, `nav .links`", "/nav/5k.html", NAVIGATION, "nginx_sub_filter", None),
    ("100 KB page passes", "/other/100k.html", NAVIGATION, "nginx", None),
    ("100 KB page, `body`", "/body/100k.html", NAVIGATION, "nginx_sub_filter", 1.1),
    ("100 KB page, `nav .links`", "/nav/100k.html", NAVIGATION, "nginx_sub_filter", None),
)

_COMMON = """
daemon off;
worker_processes 1;
pid {folder}/{name}.pid;
error_log stderr crit;
{user}
events {{ worker_connections 4096; }}
http {{
  types {{ text/html html; application/json json; }}
  access_log {log};
  keepalive_requests 1000000000;
  keepalive_timeout 75;
  tcp_nopush off;
  client_body_temp_path {folder}/{name}-body;
  proxy_temp_path {folder}/{name}-proxy;
  fastcgi_temp_path {folder}/{name}-fastcgi;
  uwsgi_temp_path {folder}/{name}-uwsgi;
  scgi_temp_path {folder}/{name}-scgi;
  {http}
}}
"""
_STATIC = """sendfile on;
  open_file_cache max=100 inactive=1h;
  server {{ listen 127.0.0.1:{port}; root {folder}/site; }}"""
# sub_filter_once off: with `on` nginx stops at the first `</body>`, which is one inside the style element.
_PROXY = """proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $host;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_buffer_size 16k;
  proxy_buffers 16 32k;
  proxy_busy_buffers_size 256k;
  proxy_max_temp_file_size 0;
  upstream app {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://app; {filter} }} }}"""
_FILTER = """sub_filter '</body>' '{snippet}</body>'; sub_filter_once off;"""
_LINK = '<a class="portal-link" href="/portal/success/launch" target="_blank" rel="noopener">Customer portal</a>'


def run(rounds: int, seconds: float) -> list[Table]:
    with TemporaryDirectory() as name, _servers(Path(name)) as servers:
        os.chmod(name, 0o755)
        cases = list(_cases(servers))
        _check(cases)
        results = interleaved(cases, rounds, seconds)
    rows = []
    for name, _, _, yardstick, must in _ROWS:
        ours, theirs = results[name], results[f"{name}, {yardstick}"]
        more = {"req/s": round(ours.requests_per_s), "p50 ms": ours.p50_ms, "p99 ms": ours.p99_ms}
        theirs_rate = {"yardstick req/s": round(theirs.requests_per_s)}
        spread = round(ours.spread, 2)
        rows.append(ratio_row(name, ours.cpu_us, theirs.cpu_us, must, **more, **theirs_rate, spread=spread))
    note = (
        "Yardstick: nginx proxy_pass for what passes, nginx sub_filter (`sub_filter_once off`) for what is injected;"
        " both with kept-alive connections, buffers for the whole page and a buffered access log. nginx inserts at"
        " every `</body>` of the page, the sidecar at the true one."
        f" Memory of the sidecar after the run: {results[_ROWS[-1][0]].rss_mb:.0f} MB."
    )
    return [Table("Sidecar", rows, note, Goal("ratio"))]


@contextmanager
def _servers(folder: Path) -> Iterator[dict[str, Server]]:
    """The upstream and the vendor on the core of the load, the proxies on the other one."""
    for path in host.PLACES | {"other": ""}:
        (folder / "site" / path).mkdir(parents=True)
        for name, content in _FILES.items():
            (folder / "site" / path / name).write_bytes(content)
    with ExitStack() as stack:
        port = free_port()
        vendor = stack.enter_context(running(uvicorn("bench.host:vendor", port), port, cpu=LOAD_CPU))
        port = free_port()
        static = _nginx(folder, "upstream", _STATIC.format(port=port, folder=folder), log="off")
        upstream = stack.enter_context(running(static, port, cpu=LOAD_CPU))
        servers = {}
        for name, sub_filter in (("nginx", ""), ("nginx_sub_filter", _FILTER.format(snippet=_LINK))):
            port = free_port()
            http = _PROXY.format(port=port, upstream=upstream.port, filter=sub_filter)
            log = f"{folder}/{name}.log combined buffer=64k"
            servers[name] = stack.enter_context(running(_nginx(folder, name, http, log), port))
        port = free_port()
        command = _sidecar(folder, vendor, upstream, port)
        environ = {"PLANHAT_API_TOKEN": host.TOKEN}
        servers["gateway"] = stack.enter_context(running(command, port, environ=environ))
        yield servers


def _nginx(folder: Path, name: str, http: str, log: str) -> list[str]:
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    user = "user root;" if os.geteuid() == 0 else ""
    path = folder / f"{name}.conf"
    path.write_text(_COMMON.format(folder=folder, name=name, user=user, http=http, log=log), encoding="utf-8")
    return [program, "-p", str(folder), "-c", str(path), "-e", "stderr"]


def _sidecar(folder: Path, vendor: Server, upstream: Server, port: int) -> list[str]:
    path = folder / "portal-gateway.yaml"
    values = {**host.config(vendor.url, host.HEADERS_IDENTITY), "upstream": upstream.url}
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return [sys.executable, "-m", "portal_gateway", "serve", "--config", str(path), "--port", str(port)]


def _cases(servers: dict[str, Server]) -> Iterator[Case]:
    for name, path, headers, yardstick, _ in _ROWS:
        yield Case(f"{name}, {yardstick}", servers[yardstick], path, headers | USER)
        yield Case(name, servers["gateway"], path, headers | USER)


def _check(cases: Sequence[Case]) -> None:
    for case in cases:
        for _ in range(2):  # the vendor is asked while the first page waits
            found = fetch(case).count(_SNIPPET)
        wanted = "`" in case.name
        if bool(found) != wanted or (found > 1 and case.name in {row[0] for row in _ROWS}):
            raise RuntimeError(f"{case.name}: {found} links in the answer")
