from __future__ import annotations

from typing import Any

import pytest
from settings_fakes import loaded, planhat, rocketlane

from portal_gateway.errors import SettingsError


def refused(portal: dict[str, Any]) -> str:
    with pytest.raises(SettingsError) as caught:
        loaded(portals={"onboarding": portal})
    return str(caught.value)


def sso(*return_to: str, **more: str) -> dict[str, Any]:
    return rocketlane(sso={"return_to": list(return_to), **more})


def test_there_is_none_by_default() -> None:
    assert loaded(portals={"a": rocketlane(), "b": planhat()}).sso_portals == {}


def test_the_portals_that_have_it() -> None:
    made = loaded(portals={"a": rocketlane(), "b": sso("https://acme.rocketlane.com/cp/")}).sso_portals
    assert list(made) == ["b"]
    assert (made["b"].return_parameter, made["b"].token_parameter) == ("return_to", "token")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("/cp", "must be an http(s) URL"),
        ("javascript:alert(1)", "must be an http(s) URL"),
        ("https://u:p@acme.example/", "must be an http(s) URL"),
        ("https://acme.example/?x", "must be an http(s) URL"),
        ("https://*.acme.example/", "must be an http(s) URL"),
        ("http://acme.example/", "must be https"),
        ("https://acme.example/a/../b", "without dot segments"),
        ("https://acme.example/a%2fb", "without dot segments"),
    ],
)
def test_addresses_that_are_refused(address: str, message: str) -> None:
    assert message in refused(sso(address))


def test_a_list_of_nothing() -> None:
    assert "portals.onboarding.sso.return_to: must not be empty" in refused(sso())


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a&b", "x" * 65])
def test_what_is_no_parameter(name: str) -> None:
    assert "must be the name of a query parameter" in refused(sso("https://acme.example/", token_parameter=name))


def test_the_parameter_of_projects_is_taken() -> None:
    assert "take another parameter" in refused(sso("https://acme.example/", return_parameter="project"))


def test_planhat_has_no_token_to_send_back_with() -> None:
    assert "sso: unknown key" in refused(planhat(sso={"return_to": ["https://share.planhat.com/"]}))
