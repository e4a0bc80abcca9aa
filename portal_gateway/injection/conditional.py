"""Validators of pages whose bytes we change (RFC 9110 section 8.8 and 13).

A page with the loader is the same for everyone, so its ETag can live on: weakened, since the bytes differ from the
app's, and suffixed reversibly, so that the app still recognises its own tag when the browser sends it back. The
suffix names the version of what we insert. Any other validator of a page that may be injected is withheld from the
app: a 304 would bring back a page with a snippet of another time, or of nobody.
"""

from __future__ import annotations

import re

from portal_gateway.wire import headers as h
from portal_gateway.wire.asgi import RawHeaders

_ENTITY_TAG = re.compile(rb'(W/)?"([^"]*)"')
REQUEST_VALIDATORS = frozenset(
    {b"if-none-match", b"if-modified-since", b"if-range", b"if-match", b"if-unmodified-since"}
)


class LoaderTags:
    """Adds and removes the suffix for one version of the loader."""

    def __init__(self, version: str) -> None:
        self._strong = f";pg={version}s".encode()
        self._weak = f";pg={version}w".encode()

    def add(self, etag: bytes) -> bytes | None:
        """The weak, suffixed tag, or None if `etag` is not a well-formed one."""
        match = _ENTITY_TAG.fullmatch(etag.strip())
        if match is None:
            return None
        return b'W/"' + match[2] + (self._weak if match[1] else self._strong) + b'"'

    def remove(self, if_none_match: bytes) -> bytes:
        """The app's own tags among those of an If-None-Match; empty if there are none."""
        own = []
        for match in _ENTITY_TAG.finditer(if_none_match):
            tag = match[2]
            if tag.endswith(self._strong):
                own.append(b'"' + tag.removesuffix(self._strong) + b'"')
            elif tag.endswith(self._weak):
                own.append(b'W/"' + tag.removesuffix(self._weak) + b'"')
        return b", ".join(own)

    def request_headers(self, headers: RawHeaders) -> tuple[RawHeaders, bool]:
        """The headers with only the validators that the app itself made, and whether there are any."""
        if not any(key in REQUEST_VALIDATORS for key, _ in headers):
            return headers, False
        own = self.remove(b", ".join(h.values(headers, b"if-none-match")))
        kept = h.without(headers, REQUEST_VALIDATORS)
        return ([*kept, (b"if-none-match", own)], True) if own else (kept, False)

    def response_headers(self, headers: RawHeaders) -> RawHeaders:
        """The headers with the suffixed ETag, or without one."""
        etag = h.first(headers, b"etag")
        suffixed = None if etag is None else self.add(etag)
        kept = h.without(headers, (b"etag", b"last-modified"))
        return kept if suffixed is None else [*kept, (b"etag", suffixed)]
