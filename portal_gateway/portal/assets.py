"""Static files of the gateway: read once, named by their content's hash, kept by browsers for good.

For pages that include them by hand there are stable names, which are revalidated: `/-/widget.js`, `/-/widget.d.ts` (its
declarations for TypeScript), and `/-/snippets.css` (how links and frames look that are put into pages).
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files

from starlette.responses import Response

from portal_gateway.portal.branding import brand_css, snippet_css
from portal_gateway.settings.brand import BrandSettings
from portal_gateway.wire import headers as h
from portal_gateway.wire.headers import HeaderPairs

# TypeScript has no registered type, and ".ts" stands for a video in many lists.
_TYPES = {
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "ts": "text/plain; charset=utf-8",
}
_REFUSED = re.compile(rb"q=0(\.0{0,3})?")  # RFC 9110 section 12.4.2
_IMMUTABLE = "public, max-age=31536000, immutable"  # RFC 8246


@dataclass(frozen=True)
class Asset:
    """One file with its compressed forms, made once."""

    content: bytes
    media_type: str
    digest: str

    @cached_property
    def compressed(self) -> Mapping[bytes, bytes]:
        """By content coding, the smallest first."""
        return {**_brotli(self.content), b"gzip": gzip.compress(self.content, mtime=0)}


class Assets:
    """Finds assets by path below the mount path."""

    def __init__(self, brand: BrandSettings) -> None:
        widget, css, colors = _load("widget.js"), _load("portal.css"), brand_css(brand)
        self.widget_version = widget.digest
        self.widget_path = f"/-/assets/widget.{widget.digest}.js"
        self.css_path = f"/-/assets/portal.{css.digest}.css"
        self.brand_css_path: str | None = None
        self._immutable = {self.widget_path: widget, self.css_path: css}
        if colors is not None:
            asset = _asset(colors, "css")
            self.brand_css_path = f"/-/assets/brand.{asset.digest}.css"
            self._immutable[self.brand_css_path] = asset
        self._revalidated = {
            "/-/widget.js": widget,
            "/-/widget.d.ts": _load("widget.d.ts"),
            "/-/snippets.css": _asset(_read("snippets.css") + snippet_css(brand), "css"),
        }

    def answer(self, path: str, request_headers: HeaderPairs) -> Response | None:
        """The response for a path below the mount path, or None if it is not an asset."""
        if asset := self._immutable.get(path):
            return _response(asset, request_headers, _IMMUTABLE)
        if asset := self._revalidated.get(path):
            return _response(asset, request_headers, "no-cache")
        return None


def _load(name: str) -> Asset:
    return _asset(_read(name), name.rpartition(".")[2])


def _read(name: str) -> bytes:
    return files("portal_gateway.portal").joinpath("static", name).read_bytes()


def _asset(content: bytes, suffix: str) -> Asset:
    return Asset(content, _TYPES[suffix], hashlib.sha256(content).hexdigest()[:12])


def _brotli(content: bytes) -> dict[bytes, bytes]:
    try:
        import brotli
    except ImportError:
        return {}
    return {b"br": brotli.compress(content, mode=brotli.MODE_TEXT)}


def _accepted(request_headers: HeaderPairs) -> set[bytes]:
    """The content codings that the client names and does not refuse."""
    codings = set()
    for token in h.tokens(request_headers, b"accept-encoding"):
        coding, _, weight = token.partition(b";")
        if _REFUSED.fullmatch(weight.strip()) is None:
            codings.add(coding.strip())
    return codings


def _response(asset: Asset, request_headers: HeaderPairs, cache_control: str) -> Response:
    headers = {
        "cache-control": cache_control,
        # Weak, since all forms have it (RFC 9110 section 8.8.3.3).
        "etag": f'W/"{asset.digest}"',
        "vary": "Accept-Encoding",
        "x-content-type-options": "nosniff",
        "content-type": asset.media_type,
    }
    if f'"{asset.digest}"'.encode() in (h.first(request_headers, b"if-none-match") or b""):
        return Response(status_code=304, headers=headers)
    accepted = _accepted(request_headers)
    for coding, compressed in asset.compressed.items():
        if coding in accepted:
            return Response(compressed, headers={**headers, "content-encoding": coding.decode()})
    return Response(asset.content, headers=headers)
