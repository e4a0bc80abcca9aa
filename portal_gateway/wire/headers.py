"""Raw header lists: order, case and repetition survive; nothing is decoded that need not be."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from portal_gateway.wire.asgi import RawHeaders

HeaderPairs = Iterable[tuple[bytes, bytes]]


def as_pairs(headers: Iterable[Any]) -> RawHeaders:
    """The headers of a server or an app as the list of tuples that they nearly always are: ASGI allows any iterable, of
    lists too, which compiled code would refuse."""
    if isinstance(headers, list) and (not headers or isinstance(headers[0], tuple)):
        return headers
    return [(name, value) for name, value in headers]


def first(headers: HeaderPairs, name: bytes) -> bytes | None:
    """The first value of `name` (lower case), or None."""
    for key, value in headers:
        if key == name or key.lower() == name:
            return value
    return None


def values(headers: HeaderPairs, name: bytes) -> list[bytes]:
    """All values of `name` (lower case), in order."""
    return [value for key, value in headers if key.lower() == name]


def text(headers: HeaderPairs, name: bytes) -> str | None:
    """The first value as text (latin-1, the only decoding that cannot fail; RFC 9110 section 5.5)."""
    value = first(headers, name)
    return None if value is None else value.decode("latin-1")


def without(headers: HeaderPairs, names: Collection[bytes]) -> RawHeaders:
    """A copy without the headers whose lower-case name is in `names`."""
    return [(key, value) for key, value in headers if key.lower() not in names]


def replaced(headers: HeaderPairs, name: bytes, value: bytes) -> RawHeaders:
    """A copy in which `name` occurs once, at the end, with `value`."""
    return [*without(headers, (name,)), (name, value)]


def tokens(headers: HeaderPairs, name: bytes) -> list[bytes]:
    """The lower-cased elements of a comma-separated header over all its lines (RFC 9110 section 5.6.1)."""
    return [element for value in values(headers, name) for element in elements(value)]


def elements(value: bytes) -> list[bytes]:
    """The lower-cased elements of one line of a comma-separated header."""
    return [stripped.lower() for element in value.split(b",") if (stripped := element.strip(b" \t"))]


def with_vary(headers: HeaderPairs, *names: bytes) -> RawHeaders:
    """A copy whose Vary names each of `names`; `Vary: *` already says more and is left alone."""
    pairs = list(headers)
    lines = values(pairs, b"vary")
    if not lines:
        return [*pairs, (b"vary", b", ".join(names))]
    present = {element for line in lines for element in elements(line)}
    if b"*" in present:
        return pairs
    missing = [name for name in names if name.lower() not in present]
    if not missing:
        return pairs
    return replaced(pairs, b"vary", b", ".join([*filter(bytes.strip, lines), *missing]))


def cookie(headers: HeaderPairs, name: str) -> str | None:
    """The value of one request cookie (RFC 6265 section 4.2.1); quotes around it are removed."""
    wanted = name.encode("latin-1", "replace")
    for line in values(headers, b"cookie"):
        for pair in line.split(b";"):
            key, separator, value = pair.strip().partition(b"=")
            if separator and key == wanted:
                return value.strip(b'"').decode("latin-1")
    return None
