"""From where a request comes, as far as that can be believed."""

from __future__ import annotations

import ipaddress

from portal_gateway.wire import headers as h
from portal_gateway.wire.asgi import Scope
from portal_gateway.wire.trust import TrustedPeers


def client_network(scope: Scope, trusted: TrustedPeers) -> str:
    """The client's IPv4 address or IPv6 /64, which one household has; "" if it has none.

    X-Forwarded-For is read from its end: each trusted proxy has added the address that it saw, and what an untrusted
    one has claimed stands to the left of its own address.
    """
    address = (scope.get("client") or ("",))[0]
    if trusted.trusts(scope):
        forwarded = b",".join(h.values(scope["headers"], b"x-forwarded-for")).decode("latin-1")
        for claimed in reversed([part.strip() for part in forwarded.split(",") if part.strip()]):
            address = claimed
            if not trusted.trusts({"client": (claimed, 0)}):
                break
    return _network(address)


def _network(address: str) -> str:
    if address.count(":") == 1:  # some proxies add the port
        address = address.partition(":")[0]
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)
