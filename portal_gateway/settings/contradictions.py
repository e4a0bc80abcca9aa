"""What no single key can tell: keys that need each other, found in the values as they are written.

So that they are reported beside all other problems, whatever else is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Location = tuple[str | int, ...]


def contradictions(values: Any) -> Iterator[tuple[Location, str]]:
    """Each with where it is."""
    if isinstance(values, Mapping):
        yield from _unbelieved_headers(values)
        yield from _unsupported_joining(values)


def _unbelieved_headers(values: Mapping[Any, Any]) -> Iterator[tuple[Location, str]]:
    sources = values.get("identity") or ()
    if not isinstance(sources, list | tuple):
        return
    for index, source in enumerate(sources):
        is_headers = isinstance(source, Mapping) and source.get("source") == "headers"
        if is_headers and not values.get("trusted_proxies"):
            message = "headers are believed only from trusted_proxies: set it to the proxy's address"
            yield ("identity", index), message


def _unsupported_joining(values: Mapping[Any, Any]) -> Iterator[tuple[Location, str]]:
    portals = values.get("portals")
    for name, portal in portals.items() if isinstance(portals, Mapping) else ():
        join = portal.get("join") if isinstance(portal, Mapping) else None
        if not isinstance(join, Mapping) or not (join.get("link") or join.get("invitations")):
            continue
        where = ("portals", name, "join")
        if not values.get("public_url"):
            yield where, "links in mails need public_url: set it to the site's own origin"
        if not values.get("joining"):
            yield where, "links are signed: set joining.keys"
        if not values.get("mail") and (join.get("link") or not _delivered_by_vendor(join)):
            yield where, "links are mailed: set mail, or `deliver: vendor` for invitations alone"


def _delivered_by_vendor(join: Mapping[Any, Any]) -> bool:
    invitations = join["invitations"]
    return isinstance(invitations, Mapping) and invitations.get("deliver") == "vendor"
