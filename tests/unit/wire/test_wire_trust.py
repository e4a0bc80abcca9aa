from __future__ import annotations

from ipaddress import ip_network

import pytest

from portal_gateway.wire.header_names import fields_named
from portal_gateway.wire.trust import TrustedPeers, strip_headers

PEERS = TrustedPeers([ip_network("10.1.0.0/16"), ip_network("127.0.0.1/32"), ip_network("fd00::/8")])


@pytest.mark.parametrize(
    ("client", "trusted"),
    [
        pytest.param(("10.1.2.3", 4711), True, id="in-a-network"),
        pytest.param(("10.2.0.1", 4711), False, id="beside-the-network"),
        pytest.param(("127.0.0.1", 0), True, id="single-address"),
        pytest.param(("127.0.0.2", 0), False, id="next-address"),
        pytest.param(("fd00::1", 1), True, id="ipv6"),
        pytest.param(("fe80::1%eth0", 1), False, id="ipv6-with-zone"),
        pytest.param(("fd12::1%eth0", 1), True, id="zone-is-not-part-of-the-address"),
        pytest.param(("::ffff:10.1.2.3", 1), True, id="ipv4-on-a-dual-stack-socket"),
        pytest.param(("::ffff:10.2.0.1", 1), False, id="other-ipv4-on-a-dual-stack-socket"),
        pytest.param(["10.1.2.3", 4711], True, id="a-list-as-servers-may-send"),
        pytest.param(("testclient", 50000), False, id="no-address"),
        pytest.param(("", 0), False, id="empty"),
        pytest.param(("10.1.2.3, 127.0.0.1", 0), False, id="a-list-of-addresses"),
        pytest.param((" 10.1.2.3", 0), False, id="blank-in-front"),
        pytest.param((None, 0), False, id="none-inside"),
        pytest.param(None, False, id="unix-socket"),
    ],
)
def test_peers(client: object, trusted: bool) -> None:
    assert PEERS.trusts({"client": client}) is trusted


def test_nobody_is_trusted_by_default_or_without_a_peer() -> None:
    assert not TrustedPeers([]).trusts({"client": ("127.0.0.1", 1)})
    assert not PEERS.trusts({})


def test_everybody_means_both_versions_separately() -> None:
    everybody = TrustedPeers([ip_network("0.0.0.0/0")])
    assert everybody.trusts({"client": ("203.0.113.9", 1)})
    assert not everybody.trusts({"client": ("2001:db8::1", 1)})


USER_ID = fields_named({b"x-user-id"}, folded=True)


def test_strip_takes_every_spelling_and_every_repetition() -> None:
    headers = [
        (b"host", b"app"),
        (b"x-user-id", b"1"),
        (b"X_USER_ID", b"2"),
        (b"x-user-identity", b"3"),
        (b"x-user_id", b"4"),
        (b"x-user-id", b"5"),
    ]
    assert strip_headers(headers, USER_ID) == [(b"host", b"app"), (b"x-user-identity", b"3")]


def test_nothing_to_strip_is_the_same_object() -> None:
    headers = [(b"host", b"app")]
    assert strip_headers(headers, USER_ID) is headers
    assert strip_headers(headers, fields_named(())) is headers
