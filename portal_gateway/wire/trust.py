"""Who is believed about the request: peers whose forwarded and identity headers count (docs/rules.md, rule 7)."""

from __future__ import annotations

import ipaddress
from collections.abc import Container, Iterable
from typing import Final

from portal_gateway.wire.asgi import RawHeaders, Scope
from portal_gateway.wire.memo import Memo

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class TrustedPeers:
    """The networks of `trusted_proxies`. A peer without an address (Unix socket, test client) is not trusted."""

    def __init__(self, networks: Iterable[IPNetwork]) -> None:
        self._networks = tuple(networks)
        self._contains: Memo[str, bool] = Memo(self._lookup)

    def trusts(self, scope: Scope) -> bool:
        """Whether the direct peer of this connection is one of ours."""
        client = scope.get("client")
        return client is not None and self._contains[str(client[0])]

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
    return _FOLDED[name]


_FOLDED: Final[Memo[bytes, bytes]] = Memo(lambda name: name.lower().replace(b"_", b"-"))


def strip_headers(headers: RawHeaders, folded_names: Container[bytes]) -> RawHeaders:
    """`headers` without any whose folded name is in `folded_names`; the same object when none is."""
    kept = [(name, value) for name, value in headers if _FOLDED[name] not in folded_names]
    return headers if len(kept) == len(headers) else kept
