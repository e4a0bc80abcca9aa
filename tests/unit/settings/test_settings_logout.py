from __future__ import annotations

import pytest
from settings_fakes import loaded

from portal_gateway.errors import SettingsError


def test_there_is_none_by_default() -> None:
    assert loaded().logout is None


def test_paths_of_the_app() -> None:
    config = loaded(logout={"paths": ["/logout", "/a/b"]}).logout
    assert config is not None
    assert config.paths == ("/logout", "/a/b")


@pytest.mark.parametrize("path", ["logout", "//logout", "/logout?x=1", "/logout#x", "https://id.acme.com/logout", ""])
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(SettingsError, match=r"logout.paths\[0\]: must be a path of the app"):
        loaded(logout={"paths": [path]})


def test_no_path_at_all() -> None:
    with pytest.raises(SettingsError, match=r"logout.paths: must not be empty"):
        loaded(logout={"paths": []})
