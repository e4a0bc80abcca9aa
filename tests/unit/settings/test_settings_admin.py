from __future__ import annotations

import pytest

from portal_gateway.errors import SettingsError
from portal_gateway.settings import Settings, load_settings
from portal_gateway.settings.admin import parse_admin_address


def loaded(**more: object) -> Settings:
    portals = {"a": {"provider": "planhat", "api_token": {"env": "TOKEN"}}}
    return load_settings({"portals": portals, **more}, environ={"TOKEN": "t"})


def test_nobody_is_served_unless_told() -> None:
    assert loaded().admin is None


@pytest.mark.parametrize(
    ("text", "address"),
    [
        pytest.param("127.0.0.1:9090", ("127.0.0.1", 9090), id="ipv4"),
        pytest.param("localhost:0", ("localhost", 0), id="name"),
        pytest.param("[::1]:9090", ("::1", 9090), id="ipv6"),
        pytest.param("[fe80::1%eth0]:9090", ("fe80::1%eth0", 9090), id="ipv6-with-zone"),
        pytest.param("/run/portal-gateway/admin.sock", "/run/portal-gateway/admin.sock", id="unix"),
        pytest.param("/" + "a" * 106, "/" + "a" * 106, id="as-long-as-a-socket-path-can-be"),
    ],
)
def test_addresses(text: str, address: str | tuple[str, int]) -> None:
    assert loaded(admin=text).admin == text
    assert parse_admin_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        *("", "9090", ":9090", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:٩"),
        *("127.0.0.1:9090/", "http://127.0.0.1:9090", "::1:9090"),
        *("/run/", "/" + "a" * 107, "/" + "ä" * 60, "/run/a\nb", "run/a.sock"),
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(SettingsError, match="admin: "):
        loaded(admin=text)


@pytest.mark.parametrize("seconds", [0, -1, 1.5, "x"])
def test_what_is_no_time_to_drain(seconds: object) -> None:
    with pytest.raises(SettingsError, match="drain_s: "):
        loaded(drain_s=seconds)
