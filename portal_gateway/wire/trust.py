"""Who is believed about the request: peers whose forwarded and identity headers count (docs/rules.md, rule 7)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from portal_gateway.wire.asgi import RawHeaders, Scope

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class TrustedPeers:
    """The networks of `trusted_proxies`. A peer without an address (Unix socket, test client) is not trusted."""

    def __init__(self, networks: Iterable[IPNetwork]) -> None:
        self._networks = tuple(networks)
        self._contains = lru_cache(maxsize=1024)(self._lookup)

    def __contains__(self, address: object) -> bool:
        return bool(self._networks) and isinstance(address, str) and self._contains(address)

    def trusts(self, scope: Scope) -> bool:
        """Whether the direct peer of this connection is one of ours."""
        client = scope.get("client")
        return client is not None and client[0] in self

    def _lookup(self, address: str) -> bool:
        try:
            ip = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        # ::ffff:10.0.0.1 is how a dual-stack socket shows an IPv4 peer.
        mapped = getattr(ip, "ipv4_mapped", None)
        ip = mapped or ip
        return any(ip in network for network in self._networks if network.version == ip.version)


def fold_name(name: bytes) -> bytes:
    """The form in which header names collide: CGI and WSGI apps read `X_User_Id` and `X-User-Id` as one."""
    return _folded(name) if len(name) <= _USUAL_NAME_BYTES else _fold(name)


def _fold(name: bytes) -> bytes:
    return name.lower().replace(b"_", b"-")


# Names are few and come with every request; those that a client makes up must not fill the memory.
_USUAL_NAME_BYTES = 64
_folded = lru_cache(maxsize=1024)(_fold)


def strip_headers(headers: RawHeaders, folded_names: frozenset[bytes]) -> RawHeaders:
    """`headers` without any whose folded name is in `folded_names`; the same object when none is."""
    if not any(fold_name(key) in folded_names for key, _ in headers):
        return headers
    return [(key, value) for key, value in headers if fold_name(key) not in folded_names]
