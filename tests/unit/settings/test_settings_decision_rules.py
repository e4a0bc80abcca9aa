from __future__ import annotations

from typing import Any

import pytest

from portal_gateway.settings import load_settings

ENVIRON = {"TOKEN": "token-4711", "KEY": "key-0815", "SIGN": "s" * 40}


def planhat(**options: Any) -> dict[str, Any]:
    return {"provider": "planhat", "api_token": {"env": "TOKEN"}, "enduser_id": "extid-{id}", **options}


def rocketlane(**options: Any) -> dict[str, Any]:
    return {
        "provider": "rocketlane",
        "portal_url": "https://acme.rocketlane.com",
        "api_key": {"env": "KEY"},
        "signing": {"key": {"env": "SIGN"}},
        **options,
    }


def rules(portal: dict[str, Any]) -> str:
    return load_settings({"portals": {"p": portal}}, environ=ENVIRON).portals["p"].decision_rules


@pytest.mark.parametrize(
    ("portal", "changed"),
    [
        pytest.param(planhat(), planhat(enduser_id="{id}"), id="whom-planhat-is-asked-about"),
        pytest.param(planhat(), planhat(cluster="eu5"), id="which-tenant"),
        pytest.param(planhat(), planhat(access_no=["gone"]), id="what-means-no"),
        pytest.param(rocketlane(), rocketlane(allowed_domains=["vance.com"]), id="which-domains"),
        pytest.param(rocketlane(), rocketlane(invite_if_absent=True), id="who-is-invited"),
        pytest.param(rocketlane(), rocketlane(project={"id": 7}), id="which-project"),
    ],
)
def test_what_decides_is_among_the_rules(portal: dict[str, Any], changed: dict[str, Any]) -> None:
    assert rules(portal) == rules(dict(portal))
    assert rules(portal) != rules(changed)


@pytest.mark.parametrize("portal", [planhat, rocketlane])
def test_what_is_merely_shown_is_not(portal: Any) -> None:
    shown = {"label": "Portal", "access": {"ttl": 10}, "timeout_s": 9, "inject": [{"at": "nav"}], "csp": "extend"}
    assert rules(portal(**shown)) == rules(portal())


@pytest.mark.parametrize("portal", [planhat(), rocketlane()])
def test_no_secret_is_among_the_rules(portal: dict[str, Any]) -> None:
    assert not any(secret in rules(portal) for secret in ENVIRON.values())
