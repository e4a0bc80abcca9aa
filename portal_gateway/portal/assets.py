"""Static files of the gateway: read once, named by their content's hash, kept by browsers for good.

`/-/widget.js` is the stable name for pages that include the widget by hand; it is revalidated.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files

from starlette.responses import Response

from portal_gateway.wire import headers as h
from portal_gateway.wire.headers import HeaderPairs

_TYPES = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}
_REFUSED = re.compile(rb"q=0(\.0{0,3})?")  # RFC 9110 section 12.4.2
_IMMUTABLE = "public, max-age=31536000, immutable"  # RFC 8246


@dataclass(frozen=True, slots=True)
class Asset:
    """One file with its gzip form, made once."""

    content: bytes
    compressed: bytes
    media_type: str
    digest: str


class Assets:
    """Finds assets by path below the mount path."""

    def __init__(self) -> None:
        widget, css = _load("widget.js"), _load("portal.css")
        self.widget_version = widget.digest
        self.widget_path = f"/-/assets/widget.{widget.digest}.js"
        self.css_path = f"/-/assets/portal.{css.digest}.css"
        self._by_path = {self.widget_path: widget, self.css_path: css}
        self._widget = widget

    def answer(self, path: str, request_headers: HeaderPairs) -> Response | None:
        """The response for a path below the mount path, or None if it is not an asset."""
        if path == "/-/widget.js":
            return _response(self._widget, request_headers, "no-cache")
        asset = self._by_path.get(path)
        return None if asset is None else _response(asset, request_headers, _IMMUTABLE)


def _load(name: str) -> Asset:
    content = files("portal_gateway.portal").joinpath("static", name).read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:12]
    return Asset(content, gzip.compress(content, mtime=0), _TYPES[name.rpartition(".")[2]], digest)


def _accepts_gzip(request_headers: HeaderPairs) -> bool:
    for token in h.tokens(request_headers, b"accept-encoding"):
        coding, _, weight = token.partition(b";")
        if coding.strip() == b"gzip":
            return _REFUSED.fullmatch(weight.strip()) is None
    return False


def _response(asset: Asset, request_headers: HeaderPairs, cache_control: str) -> Response:
    headers = {
        "cache-control": cache_control,
        # Weak, since the gzip form has it too (RFC 9110 section 8.8.3.3).
        "etag": f'W/"{asset.digest}"',
        "vary": "Accept-Encoding",
        "x-content-type-options": "nosniff",
        "content-type": asset.media_type,
    }
    if f'"{asset.digest}"'.encode() in (h.first(request_headers, b"if-none-match") or b""):
        return Response(status_code=304, headers=headers)
    if _accepts_gzip(request_headers):
        return Response(asset.compressed, headers={**headers, "content-encoding": "gzip"})
    return Response(asset.content, headers=headers)
