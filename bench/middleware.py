"""What the middleware costs: a Starlette app alone, and the same app with the gateway around it, under uvicorn."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence

from itsdangerous import TimestampSigner

from bench import host
from bench.measure import Case, Samples, fetch
from bench.report import Goal, Table, ratio_row
from bench.servers import Server, all_of, free_port, package_copied, running, uvicorn

USER = {"X-User-Id": "jane", "X-User-Email": "jane@vance.example"}
NAVIGATION = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
}
FETCH = {"Accept": "application/json", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "cors"}
_KINDS = ("bare", "gateway", "bare_session", "gateway_session", "floor")
_TRIES = 5
_SNIPPET = b'<a class="portal-link"'

# name, path, headers, identity, what must be reached, whether a link must be in the answer
_ROWS: tuple[tuple[str, str, dict[str, str], str, float | None, bool], ...] = (
    ("JSON, a script asks", "/body/json", FETCH, "headers", 0.95, False),
    ("JSON, nobody says who asks", "/body/json", {}, "headers", 0.95, False),
    ("5 KB page without a rule", "/other/5k", NAVIGATION, "headers", 0.95, False),
    ("5 KB page, `body`", "/body/5k", NAVIGATION, "headers", 0.70, True),
    ("5 KB page, `nav .links`", "/nav/5k", NAVIGATION, "headers", 0.70, True),
    ("5 KB page, `.site-footer`", "/footer/5k", NAVIGATION, "headers", None, True),
    ("100 KB page, `body`", "/body/100k", NAVIGATION, "headers", 0.70, True),
    ("100 KB page, `nav .links`", "/nav/100k", NAVIGATION, "headers", 0.70, True),
    ("100 KB page, `.site-footer`", "/footer/100k", NAVIGATION, "headers", None, True),
    ("5 KB page, `body`, made before", "/body/5k", NAVIGATION, "floor", None, True),
    ("100 KB page, `body`, made before", "/body/100k", NAVIGATION, "floor", None, True),
    ("5 KB page, `body`, session", "/body/5k", NAVIGATION, "session", 0.70, True),
    ("100 KB page, `body`, session", "/body/100k", NAVIGATION, "session", 0.70, True),
)


def run(rounds: int, seconds: float) -> list[Table]:
    port = free_port()
    with running(uvicorn("bench.host:vendor", port), port, cpu=1) as vendor:
        ports = {kind: free_port() for kind in _KINDS}
        environ = {host.VENDOR_URL: vendor.url}
        samples = Samples()
        for _ in range(rounds):
            # How lucky a process is with the places of its memory, and how lucky all are with those of a library, is
            # worth 1 or 2 % as long as it lives or stays in the kernel's cache.
            with package_copied() as packages:
                commands = {
                    kind: (uvicorn(f"bench.host:{kind}", port, packages), port, environ) for kind, port in ports.items()
                }
                with all_of(commands) as servers:
                    cases = list(_cases(servers))
                    _check(cases)
                    samples.take(cases, seconds)
    results = samples.results()
    rows = []
    for name, _, _, _, must, _ in _ROWS:
        ours, plain = results[name], results[f"{name}, bare app"]
        more = {"req/s": round(ours.requests_per_s), "p99 ms": ours.p99_ms, "RSS MB": ours.rss_mb}
        rows.append(ratio_row(name, ours, plain, must, **more, spread=round(ours.spread, 2)))
    note = (
        "Yardstick: the same app without the gateway. Each round has processes and a copy of the package of its own."
        " Unless it says session, the user comes from headers. `made before`: another middleware in the gateway's place"
        " sends an answer that the gateway has once made; what that costs, no gateway in front of this app and server"
        " can save."
    )
    return [Table("Middleware", rows, note, Goal("ratio"))]


def _cases(servers: dict[str, Server]) -> Iterator[Case]:
    for name, path, headers, identity, _, _ in _ROWS:
        suffix = "_session" if identity == "session" else ""
        asked = headers | ({"Cookie": f"session={_session()}"} if suffix else USER)
        yield Case(f"{name}, bare app", servers[f"bare{suffix}"], path, asked)
        yield Case(name, servers["floor" if identity == "floor" else f"gateway{suffix}"], path, asked)


def _check(cases: Sequence[Case]) -> None:
    wanted = {name: injected for name, *_, injected in _ROWS}
    for case in cases:
        due = int(wanted.get(case.name, False))
        # The vendor is asked while the first page waits, on a busy machine in vain.
        if not any(fetch(case).count(_SNIPPET) == due for _ in range(_TRIES)):
            raise RuntimeError(f"{case.name}: not {due} links in the answer")


def _session() -> str:
    """The cookie of Starlette's SessionMiddleware for the user."""
    payload = base64.b64encode(json.dumps({"id": "jane", "email": "jane@vance.example"}).encode())
    return TimestampSigner(host.SESSION_SECRET).sign(payload).decode()
