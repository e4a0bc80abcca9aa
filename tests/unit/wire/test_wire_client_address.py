from __future__ import annotations

from ipaddress import ip_network

import pytest

from portal_gateway.wire.client_address import client_network
from portal_gateway.wire.trust import TrustedPeers

TRUSTED = TrustedPeers([ip_network("10.0.0.0/8"), ip_network("fd00::/8")])


def network(peer: str | None, *forwarded: str, trusted: TrustedPeers = TRUSTED) -> str:
    scope = {
        "type": "http",
        "client": None if peer is None else (peer, 40000),
        "headers": [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded],
    }
    return client_network(scope, trusted)


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        pytest.param("198.51.100.7", (), "198.51.100.7", id="direct"),
        pytest.param("198.51.100.7", ("203.0.113.9",), "198.51.100.7", id="a-stranger-s-claim"),
        pytest.param("10.0.0.1", ("203.0.113.9",), "203.0.113.9", id="by-proxy"),
        pytest.param("10.0.0.1", ("203.0.113.9, 10.0.0.2",), "203.0.113.9", id="by-two-proxies"),
        pytest.param("10.0.0.1", ("6.6.6.6, 203.0.113.9, 10.0.0.2",), "203.0.113.9", id="a-claim-before-it"),
        pytest.param("10.0.0.1", ("6.6.6.6", "203.0.113.9"), "203.0.113.9", id="two-lines"),
        pytest.param("10.0.0.1", ("10.0.0.3",), "10.0.0.3", id="from-inside"),
        pytest.param("10.0.0.1", (), "10.0.0.1", id="the-proxy-itself"),
        pytest.param("10.0.0.1", ("203.0.113.9:51000",), "203.0.113.9", id="with-its-port"),
        pytest.param("10.0.0.1", ("2001:db8:1:2:3::4",), "2001:db8:1:2::/64", id="ipv6"),
        pytest.param("10.0.0.1", ("2001:db8:1:2:ffff::9",), "2001:db8:1:2::/64", id="the-same-household"),
        pytest.param("::ffff:198.51.100.7", (), "198.51.100.7", id="mapped"),
        pytest.param("fe80::1%eth0", (), "fe80::/64", id="zone"),
        pytest.param("10.0.0.1", ("nonsense",), "", id="nonsense"),
        pytest.param("10.0.0.1", ("6.6.6.6, nonsense",), "", id="nonsense-hides-nothing"),
        pytest.param("10.0.0.1", (" , ,",), "10.0.0.1", id="empty"),
        pytest.param("", (), "", id="unix-socket"),
        pytest.param(None, (), "", id="nobody"),
    ],
)
def test_whose_it_is(peer: str | None, forwarded: tuple[str, ...], expected: str) -> None:
    assert network(peer, *forwarded) == expected


def test_nobody_is_believed_unless_named() -> None:
    assert network("10.0.0.1", "203.0.113.9", trusted=TrustedPeers([])) == "10.0.0.1"
