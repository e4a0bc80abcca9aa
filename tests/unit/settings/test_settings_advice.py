from __future__ import annotations

from typing import Any

import pytest
from settings_fakes import loaded, planhat, rocketlane

from portal_gateway.settings.advice import advice

RULE = {"at": "nav"}
SOUND: dict[str, Any] = {
    "login_url": "/login",
    "identity": [{"source": "whoami", "path": "/me", "fields": {"id": "id"}}],
    "portals": {"a": planhat(inject=[RULE])},
}
JWT = {"source": "jwt", "secret": {"env": "JWT_SECRET"}, "algorithms": ["HS256"]}


def paths(**change: Any) -> list[str]:
    return [problem.path for problem in advice(loaded(**{**SOUND, **change}))]


def test_nothing_to_say_about_a_sound_configuration() -> None:
    assert paths() == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        pytest.param({"identity": []}, "identity", id="nobody-is-known"),
        pytest.param({"login_url": None}, "login_url", id="no-way-to-sign-in"),
        pytest.param({"identity": [*SOUND["identity"], JWT]}, "identity[1].audience", id="no-audience"),
        pytest.param({"portals": {"a": planhat()}}, "portals.a.inject", id="nothing-injected"),
        pytest.param(
            {"portals": {"a": rocketlane(inject=[RULE], invite_if_absent=True)}},
            "portals.a.allowed_domains",
            id="everybody-is-invited",
        ),
    ],
)
def test_each_doubtful_setting_is_named_alone(change: dict[str, Any], path: str) -> None:
    assert paths(**change) == [path]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"identity": [{**JWT, "audience": "app"}]}, id="audience"),
        pytest.param({"portals": {"a": rocketlane(inject=[RULE])}}, id="nobody-is-invited"),
        pytest.param(
            {"portals": {"a": rocketlane(inject=[RULE], invite_if_absent=True, allowed_domains=["vance.com"])}},
            id="invited-by-domain",
        ),
    ],
)
def test_what_is_fine(change: dict[str, Any]) -> None:
    assert paths(**change) == []


def test_all_of_it_at_once_and_where_to_link_to() -> None:
    found = list(advice(loaded(mount_path="/p", portals={"a": planhat(), "b": planhat()})))
    assert [problem.path for problem in found] == ["identity", "login_url", "portals.a.inject", "portals.b.inject"]
    assert "/p/b/" in found[-1].message
