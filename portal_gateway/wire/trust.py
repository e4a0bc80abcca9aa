"""Who is believed about the request: peers whose forwarded and identity headers count (docs/rules.md, rule 7)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from portal_gateway.wire.asgi import RawHeaders, Scope
from portal_gateway.wire.header_names import HeaderFilter
from portal_gateway.wire.memo import Memo

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class TrustedPeers:
    """The networks of `trusted_proxies`. A peer without an address (Unix socket, test client) is not trusted."""

    def __init__(self, networks: Iterable[IPNetwork]) -> None:
        self._networks = tuple(networks)
        self._contains: Memo[object, bool] = Memo(self._lookup)

    def trusts(self, scope: Scope) -> bool:
        """Whether the direct peer of this connection is one of ours."""
        client = scope.get("client")
        if client is None:
            return False
        peer = client if isinstance(client, tuple) else tuple(client)  # servers may send a list
        return self._contains[peer[0]]

    def _lookup(self, address: object) -> bool:
        try:
            ip = ipaddress.ip_address(str(address).partition("%")[0])
        except ValueError:
            return False
        # ::ffff:10.0.0.1 is how a dual-stack socket shows an IPv4 peer.
        mapped = getattr(ip, "ipv4_mapped", None)
        ip = mapped or ip
        return any(ip in network for network in self._networks if network.version == ip.version)


def strip_headers(headers: RawHeaders, unwanted: HeaderFilter) -> RawHeaders:
    """`headers` without those that `unwanted` picks; the same object when it picks none."""
    picked = unwanted(headers)
    return headers if picked is None else [field for field in headers if field not in picked]
