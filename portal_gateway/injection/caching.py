"""What caches may do with an injected response, in the words of its head (RFC 9111, RFC 9213). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from portal_gateway.wire import headers as h
from portal_gateway.wire.asgi import RawHeaders
from portal_gateway.wire.headers import HeaderPairs

# Headers to shared caches alone, which go by them whatever Cache-Control says (RFC 9213; nginx; Fastly; Akamai).
_SHARED_CACHE_HEADERS = frozenset({b"surrogate-control", b"edge-control", b"x-accel-expires"})
VALIDATORS = (b"etag", b"last-modified")
_FOR_CACHES = frozenset({b"cache-control", b"vary", *VALIDATORS})
_NOT_STORED = re.compile(rb"(?:.*[, ])?(?:no-?store|private)\b.*|0|@0", re.DOTALL)
# One directive; a comma within quotes does not end it: `private="a, b"`.
_DIRECTIVE = re.compile(rb'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+')


def is_shared_cacheable(headers: HeaderPairs) -> bool:
    """Whether the app allows shared caches to keep the response (RFC 9111 section 5.2.2)."""
    targeted = [value.strip().lower() for key, value in headers if is_for_shared_caches(key.lower())]
    if any(_NOT_STORED.fullmatch(value) is None for value in targeted):
        return True
    directives = [directive.lower() for directive in _cache_directives(h.values(headers, b"cache-control"))]
    if targeted or b"private" in directives or b"no-store" in directives:
        return False
    return any(d == b"public" or d.startswith(b"s-maxage") for d in directives)


def private_lines(headers: HeaderPairs, *, stored: bool = True) -> RawHeaders:
    """What a response says that is now one user's own: private, varying by credentials. It stands in place of all
    headers that are `is_for_caches`; without validators nothing of it can be reused.

    `stored` says whether the user's own browser may keep it: not when a signed link is in it.
    """
    pairs = list(headers)
    varied = h.with_vary([(b"vary", line) for line in h.values(pairs, b"vary")], b"Cookie", b"Authorization")
    control = _private(h.values(pairs, b"cache-control")) if stored else b"no-store"
    return [(b"vary", b", ".join(value for _, value in varied)), (b"cache-control", control)]


def _private(lines: Iterable[bytes]) -> bytes:
    shared = (b"public", b"s-maxage", b"private", b"proxy-revalidate")
    directives = [d for d in _cache_directives(lines) if not d.lower().startswith(shared)]
    return b", ".join([b"private", *directives])


def is_for_shared_caches(name: bytes) -> bool:
    return name in _SHARED_CACHE_HEADERS or name.endswith(b"-cache-control")


def is_for_caches(name: bytes) -> bool:
    """Whether the header `name` (lower case) tells caches how to keep the response or when to reuse it."""
    return name in _FOR_CACHES or is_for_shared_caches(name)


def _cache_directives(lines: Iterable[bytes]) -> Iterator[bytes]:
    for value in lines:
        for part in _DIRECTIVE.findall(value):
            if directive := part.strip():
                yield directive
