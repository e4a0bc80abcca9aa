from __future__ import annotations

from typing import Any

import pytest

from portal_gateway.errors import SettingsError
from portal_gateway.settings import load_settings
from portal_gateway.settings.hooks import HookSettings

SECRET = "hook-secret-that-nobody-may-see"


def loaded(hook: dict[str, Any], secret: str = SECRET) -> HookSettings:
    portal = {"provider": "planhat", "api_token": {"env": "TOKEN"}, "hook": hook}
    settings = load_settings({"portals": {"a": portal}}, environ={"TOKEN": "t", "HOOK": secret})
    found = settings.portals["a"].hook
    assert found is not None
    return found


def test_a_hook_is_off_until_it_has_a_secret() -> None:
    portal = {"provider": "planhat", "api_token": {"env": "TOKEN"}}
    assert load_settings({"portals": {"a": portal}}, environ={"TOKEN": "t"}).portals["a"].hook is None
    with pytest.raises(SettingsError, match=r"portals\.a\.hook\.secret: is required"):
        loaded({})


def test_where_the_secret_stands() -> None:
    assert loaded({"secret": {"env": "HOOK"}}).header == "Authorization"
    assert loaded({"secret": {"env": "HOOK"}, "header": "X-Hook-Secret"}).header == "X-Hook-Secret"


@pytest.mark.parametrize("header", ["", "X Hook", "X-Hook:", "Hööк", "X-Hook\n", 7])
def test_what_is_no_header(header: object) -> None:
    with pytest.raises(SettingsError, match=r"portals\.a\.hook\.header"):
        loaded({"secret": {"env": "HOOK"}, "header": header})


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        pytest.param("x" * 15, "at least 16 characters", id="short"),
        pytest.param("sixteen letters and", "no header can carry it", id="blanks"),
        pytest.param("schlüssel-von-uns", "no header can carry it", id="umlaut"),
    ],
)
def test_a_secret_that_is_guessed_or_cannot_be_sent(secret: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as refused:
        loaded({"secret": {"env": "HOOK"}}, secret)
    assert secret not in str(refused.value)


def test_the_secret_is_not_shown() -> None:
    assert SECRET not in repr(loaded({"secret": {"env": "HOOK"}}))
