"""What a request says about itself: who wants what, and how far that can be believed."""

from __future__ import annotations

from functools import lru_cache
from typing import Final
from urllib.parse import quote

from portal_gateway.wire import headers as h
from portal_gateway.wire.asgi import Scope
from portal_gateway.wire.header_names import fields_named
from portal_gateway.wire.headers import HeaderPairs

# Headers by which browsers and proxies announce that they fetch ahead.
PREFETCH_MARKS: Final = (b"sec-purpose", b"purpose", b"x-purpose", b"x-moz")
# Headers by which client libraries mark a request for a part of a page.
PARTIAL_MARKS: Final = frozenset(
    {b"hx-request", b"turbo-frame", b"x-pjax", b"x-up-target", b"x-up-version", b"x-requested-with"}
)
_ORIGIN_FIELDS: Final = fields_named({b"host", b"x-forwarded-proto", b"x-forwarded-host"})
_WHOLE_BODY_MARKS: Final = (b"hx-boosted", b"hx-history-restore-request")


def is_prefetch(headers: HeaderPairs) -> bool:
    """Whether the client fetches ahead of a click (Sec-Purpose, and what older browsers and proxies send)."""
    for name in PREFETCH_MARKS:
        value = h.first(headers, name)
        if value is not None and any(word in value.lower() for word in (b"prefetch", b"prerender", b"preview")):
            return True
    return False


def is_partial(headers: HeaderPairs) -> bool:
    """Whether the answer becomes a part of a page that is already open (htmx, Turbo, PJAX, Unpoly, XHR).

    An htmx or Turbo request that swaps the whole body still is a document. htmx makes two such requests: a boosted
    link, and the way back to a page that has left its history (https://htmx.org/reference/#request_headers).
    """
    marks = {key.lower() for key, _ in headers if key.lower() in PARTIAL_MARKS}
    if not marks:
        return False
    whole = any((h.first(headers, name) or b"").lower() == b"true" for name in _WHOLE_BODY_MARKS)
    return not (whole and marks <= {b"hx-request"})


def is_navigation(headers: HeaderPairs) -> bool:
    """Whether a person will look at the answer: a page is due, not JSON.

    Browsers say so in Sec-Fetch-Mode (https://www.w3.org/TR/fetch-metadata/); for other clients Accept decides.
    """
    mode = h.first(headers, b"sec-fetch-mode")
    if mode is not None:
        return mode.lower() in (b"navigate", b"nested-navigate")
    accept = h.first(headers, b"accept") or b""
    return b"text/html" in accept.lower()


def mint_refusal(method: str, headers: HeaderPairs, destinations: tuple[bytes, ...]) -> str | None:
    """Why this request must not use up or create a signed link, or None.

    A link is made for a person who clicks, or for a frame that loads: not for a prefetcher, a link preview's HEAD, an
    <img>, or a script that could not follow the redirect to another origin anyway. Clients that send no fetch
    metadata at all (no browser of today) are taken at their word.
    """
    if method != "GET":
        return "method"
    if is_prefetch(headers):
        return "prefetch"
    mode = h.first(headers, b"sec-fetch-mode")
    if mode is not None and mode.lower() not in (b"navigate", b"nested-navigate"):
        return "not_a_navigation"
    destination = h.first(headers, b"sec-fetch-dest")
    if destination is not None and destination.lower() not in destinations:
        return "not_a_navigation"
    return None


def route_path(scope: Scope) -> str:
    """The path below the root path. Servers differ on whether `path` includes the root path; the ASGI
    specification says that it does."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if not root:
        return path
    root = root.rstrip("/")
    if root and (path == root or path.startswith(root + "/")):
        return path[len(root) :]
    return path


def is_below(path: str, mount: str) -> bool:
    """Whether `path` is `mount` or below it, on a border of segments."""
    return path.startswith(mount) and (len(path) == len(mount) or path[len(mount)] == "/")


def own_target(scope: Scope) -> str:
    """Path and query of the request, percent-encoded, as a browser may be sent back to it."""
    root: str = scope.get("root_path", "").rstrip("/")
    query = scope.get("query_string", b"").decode("latin-1")
    return quote(root + route_path(scope)) + (f"?{query}" if query else "")


def own_origin(scope: Scope, *, behind_proxy: bool) -> str:
    """The origin under which the browser asked. `behind_proxy`: X-Forwarded-Proto and -Host are to be believed."""
    named = tuple(_ORIGIN_FIELDS(h.as_pairs(scope["headers"])) or ())
    return _origin(scope.get("scheme", "http"), named, behind_proxy)


@lru_cache(maxsize=256)
def _origin(scheme: str, headers: tuple[tuple[bytes, bytes], ...], behind_proxy: bool) -> str:
    """The origin by what tells it: much the same for all requests."""
    host = h.text(headers, b"host") or ""
    if behind_proxy:
        scheme = (h.text(headers, b"x-forwarded-proto") or scheme).split(",")[0].strip()
        host = (h.text(headers, b"x-forwarded-host") or host).split(",")[0].strip()
    return f"{scheme}://{host}"
