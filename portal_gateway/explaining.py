"""The command `explain`: gets one page from a file or a URL, and tells where the rules land in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from portal_gateway._version import __version__
from portal_gateway.fetching import FetchFailed, fetch
from portal_gateway.gateway import Gateway
from portal_gateway.injection.explain import Answer, Place, Verdict, explain, lands
from portal_gateway.injection.reasons import sentence
from portal_gateway.injection.requests import fields_of_note, page_request_headers
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
    answer = fetch_page(url, page_request_headers(BROWSER_HEADERS, fields_of_note(BROWSER_HEADERS), gateway.tags)[0])
    path = path or unquote(urlsplit(url).path) or "/"
    return _report(gateway, url, path, answer, origin)


def fetch_page(url: str, headers: RawHeaders) -> Answer:
    """Raises PageUnavailable."""
    try:
        answer = fetch(url, headers, timeout_s=TIMEOUT_S, max_bytes=MAX_BYTES)
    except FetchFailed as error:
        raise PageUnavailable(f"{url} cannot be fetched: {error}") from None
    return Answer(answer.status, answer.headers, answer.body)


def _report(gateway: Gateway, source: str, path: str, answer: Answer, origin: str) -> tuple[str, bool]:
    """`origin` is the page's own, unless the configuration knows better."""
    mount = gateway.settings.mount_path
    if path == mount or path.startswith(mount + "/"):
        raise PageUnavailable(f"{path} is one of the gateway's own routes, below mount_path {mount}")
    own_origin = origin_of(gateway.settings.public_url or "") or origin
    scope = {"type": "http", "method": "GET", "path": path, "headers": BROWSER_HEADERS}
    verdicts = explain(gateway.rules, scope, answer, own_origin)
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
