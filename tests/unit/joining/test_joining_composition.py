from __future__ import annotations

from typing import Any

from portal_gateway import load_settings
from portal_gateway.joining.composition import build_joining, keyring_of
from portal_gateway.observe.events import Events
from portal_gateway.settings import Settings
from portal_gateway.store.memory import MemoryStore


def settings(join: Any) -> Settings:
    values = {
        "public_url": "https://app.acme.com",
        "joining": {
            "keys": [{"kid": "new", "secret": {"env": "NEW_KEY"}}, {"kid": "old", "secret": {"env": "OLD_KEY"}}]
        },
        "mail": {"host": "127.0.0.1", "security": "none", "from": "portal@acme.com"},
        "portals": {
            "onboarding": {
                "provider": "rocketlane",
                "portal_url": "https://acme.rocketlane.com",
                "api_key": {"env": "NEW_KEY"},
                "signing": {"key": {"env": "NEW_KEY"}},
                "project": {"id": 5001},
                "join": join,
            },
        },
    }
    return load_settings(values, environ={"NEW_KEY": "n" * 40, "OLD_KEY": "o" * 40})


def test_where_there_is_no_door_there_is_nothing() -> None:
    for join in (None, "jwt"):
        assert build_joining(settings(join), {}, MemoryStore(), Events(), None) is None


def test_a_portal_with_a_door() -> None:
    admission: Any = object()
    joining = build_joining(settings({"link": True}), {"onboarding": admission}, MemoryStore(), Events(), None)
    assert joining is not None
    portal = joining.service.portals.with_link("onboarding")
    assert (portal.project_id, portal.origin) == (5001, "https://acme.rocketlane.com")
    assert portal.admission is admission
    assert not joining.inviting.offers("onboarding")


def test_the_first_key_signs() -> None:
    joining = settings({"link": True}).joining
    assert joining is not None
    keyring = keyring_of(joining)
    assert keyring.kid == "new"
    assert keyring.is_mac(keyring.mac("a"), "new", "a")
