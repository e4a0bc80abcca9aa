"""The command `explain`: gets one page from a file or a URL, and tells where the rules land in it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import unquote, urlsplit

from portal_gateway._version import __version__
from portal_gateway.gateway import Gateway
from portal_gateway.injection.explain import Answer, Place, Verdict, explain, lands
from portal_gateway.injection.reasons import sentence
from portal_gateway.injection.requests import page_request_headers
from portal_gateway.settings import load_settings
from portal_gateway.wire import headers as h
from portal_gateway.wire.asgi import RawHeaders, Receive, Scope, Send
from portal_gateway.wire.urls import origin_of

TIMEOUT_S = 10.0
MAX_BYTES = 64 * 1024 * 1024
MAX_PLACES = 5

# What a browser says of itself when somebody types an address.
BROWSER_HEADERS: RawHeaders = [
    (b"user-agent", f"Mozilla/5.0 (compatible; portal-gateway/{__version__})".encode()),
    (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"accept-language", b"en"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"sec-fetch-dest", b"document"),
    (b"sec-fetch-mode", b"navigate"),
    (b"sec-fetch-site", b"none"),
    (b"sec-fetch-user", b"?1"),
    (b"upgrade-insecure-requests", b"1"),
]


class PageUnavailable(Exception):
    """The page cannot be had; the message says why."""


def explain_file(config: str, page: str, path: str, content_type: str) -> tuple[str, bool]:
    """The report on a saved page, and whether a rule lands in it. Raises SettingsError, PageUnavailable."""
    gateway = Gateway(load_settings(config), _no_app)
    try:
        body = Path(page).read_bytes()
    except OSError as error:
        raise PageUnavailable(f"{page} cannot be read: {error.strerror}") from None
    answer = Answer(200, [(b"content-type", content_type.encode("latin-1", "replace"))], body)
    return _report(gateway, page, path, answer, "")


def explain_url(config: str, url: str, path: str | None) -> tuple[str, bool]:
    """The report on the page at `url`, which is fetched once. `path`: what to match rules with, if not the URL's own.
    Raises SettingsError, PageUnavailable."""
    gateway = Gateway(load_settings(config), _no_app)
    origin = origin_of(url)
    if origin is None:
        raise PageUnavailable(f"{url} is not an http(s) URL")
    answer = fetch(url, page_request_headers(BROWSER_HEADERS, gateway.tags)[0])
    path = path or unquote(urlsplit(url).path) or "/"
    return _report(gateway, url, path, answer, origin)


def fetch(url: str, headers: RawHeaders) -> Answer:
    """The answer to one GET: no redirect is followed, no proxy asked, no cookie sent. Raises PageUnavailable."""
    parts = urlsplit(url)
    connect = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = connect(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("GET", target, headers={key.decode(): value.decode() for key, value in headers})
        response = connection.getresponse()
        body = response.read(MAX_BYTES + 1)
    except (OSError, HTTPException, ValueError) as error:
        raise PageUnavailable(f"{url} cannot be fetched: {_cause(error)}") from None
    finally:
        connection.close()
    if len(body) > MAX_BYTES:
        raise PageUnavailable(f"{url} is longer than {MAX_BYTES} bytes; save it and use --page")
    raw = [(key.lower().encode("latin-1"), value.encode("latin-1")) for key, value in response.getheaders()]
    return Answer(response.status, raw, body)


def _cause(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _report(gateway: Gateway, source: str, path: str, answer: Answer, origin: str) -> tuple[str, bool]:
    """`origin` is the page's own, unless the configuration knows better."""
    mount = gateway.settings.mount_path
    if path == mount or path.startswith(mount + "/"):
        raise PageUnavailable(f"{path} is one of the gateway's own routes, below mount_path {mount}")
    own_origin = origin_of(gateway.settings.public_url or "") or origin
    scope = {"type": "http", "method": "GET", "path": path, "headers": BROWSER_HEADERS}
    verdicts = explain(gateway.rules, gateway.tags, scope, answer, own_origin)
    head = f"{source} as {path}: status {answer.status}, {h.text(answer.headers, b'content-type') or 'no Content-Type'}"
    location = h.text(answer.headers, b"location")
    lines = [f"{head}, to {location}" if location else head]
    for name, verdict in _named(verdicts):
        lines += ["", *_described(name, verdict)]
    if not verdicts:
        lines += ["", "No portal has an inject rule."]
    return "\n".join(lines), lands(verdicts)


def _named(verdicts: list[Verdict]) -> Iterator[tuple[str, Verdict]]:
    """Each verdict with the place of its rule in the configuration."""
    counts: dict[str, int] = {}
    for verdict in verdicts:
        portal = verdict.placement.portal
        index = counts[portal] = counts.get(portal, -1) + 1
        yield f"portals.{portal}.inject[{index}]", verdict


def _described(name: str, verdict: Verdict) -> Iterator[str]:
    rule = verdict.placement.rule
    snippet = "template" if rule.template is not None else rule.as_
    yield f"{name}: {snippet}, {rule.position.value} {rule.at!r}, paths {', '.join(rule.paths)}"
    if verdict.reason:
        yield f"  lands nowhere: {verdict.reason} ({sentence(verdict.reason)})"
        return
    for place in verdict.places[:MAX_PLACES]:
        yield f"  lands at {_where(place)}"
    if len(verdict.places) > MAX_PLACES:
        yield f"  and at {len(verdict.places) - MAX_PLACES} more places"
    yield f"  mode {verdict.mode}: {verdict.cause}"


def _where(place: Place) -> str:
    return f"line {place.line}, column {place.column}, byte {place.offset}:  {place.before} [HERE] {place.after}"


async def _no_app(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise AssertionError("nobody is asked who the user is")
