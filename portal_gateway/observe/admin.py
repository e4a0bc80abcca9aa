"""What an operator, a probe and Prometheus ask: never served where browsers of the site can reach it."""

from __future__ import annotations

import html
import json
from collections.abc import Callable

from portal_gateway._version import __version__
from portal_gateway.observe.exposition import CONTENT_TYPE, exposition
from portal_gateway.observe.metrics import FAMILIES
from portal_gateway.observe.scoreboard import Entry
from portal_gateway.wire.asgi import ASGIApp, Receive, Scope, Send

_Answer = tuple[int, str, str]

_TEXT, _HTML, _JSON = "text/plain; charset=utf-8", "text/html; charset=utf-8", "application/json"
# Prometheus' own counters count too, but a person looks for what stands out.
_NOT_FOR_PEOPLE = frozenset({"histogram"})


def create_admin(entry: Callable[[], Entry], draining: Callable[[], bool]) -> ASGIApp:
    """The app of the second listener. `entry` is the sum over all workers; `draining` once a stop was asked for.

    An app, vendor or cache that is away does not make it unready: pages arrive without them, and what does not is
    answered as it should be. A probe that failed would take down every replica at once.
    """

    def live() -> _Answer:
        return 200, _TEXT, "live\n"

    def ready() -> _Answer:
        stops = draining()
        body = {"ready": not stops, "draining": stops, "troubles": entry().troubles}
        return 503 if stops else 200, _JSON, json.dumps(body, indent=2) + "\n"

    def metrics() -> _Answer:
        return 200, CONTENT_TYPE, exposition(entry().samples, FAMILIES)

    def status() -> _Answer:
        return 200, _HTML, _status_page(entry(), draining())

    routes = {"/": status, "/live": live, "/ready": ready, "/metrics": metrics}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        route = routes.get(scope["path"])
        if route is None:
            answer = 404, _TEXT, "There is /, /live, /ready and /metrics.\n"
        elif scope["method"] not in ("GET", "HEAD"):
            answer = 405, _TEXT, "GET or HEAD.\n"
        else:
            answer = route()
        await _send(send, *answer, head=scope["method"] == "HEAD")

    return app


async def _send(send: Send, status: int, content_type: str, text: str, *, head: bool) -> None:
    body = text.encode()
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})


def _status_page(entry: Entry, draining: bool) -> str:
    troubles = "".join(f"<li>{html.escape(trouble)}</li>" for trouble in entry.troubles)
    rows = "".join(
        f"<tr><td>{html.escape(family.help)}</td><td>{html.escape(rest)}</td><td>{value:,.15g}</td></tr>"
        for name, family in FAMILIES.items()
        if family.kind not in _NOT_FOR_PEOPLE
        for rest, value in entry.samples.get(name, {}).items()
    )
    return _PAGE.format(
        version=__version__,
        state="It is stopping: requests under way are finished." if draining else "It serves.",
        troubles=f"<h2>Trouble</h2><ul>{troubles}</ul>" if troubles else "<p>No trouble.</p>",
        rows=rows,
    )


_PAGE = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Portal Gateway</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;margin:2rem;max-width:70rem}}
td{{padding:.1rem 1rem .1rem 0;border-top:1px solid #ddd;vertical-align:top}}
td:nth-child(2){{font-family:monospace}}td:last-child{{text-align:right}}</style></head>
<body><h1>Portal Gateway {version}</h1>
<p>{state} <a href="/live">live</a>, <a href="/ready">ready</a>, <a href="/metrics">metrics</a></p>
{troubles}
<table>{rows}</table>
</body></html>
"""
