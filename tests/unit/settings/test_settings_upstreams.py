from __future__ import annotations

from pathlib import Path
from typing import Any

import certifi
import pytest
from settings_fakes import ENVIRON, loaded

from portal_gateway.errors import SettingsError
from portal_gateway.settings import load_settings
from portal_gateway.settings.advice import advice

APP, API = "http://127.0.0.1:8000", "http://127.0.0.1:9000"


def problems(**top: Any) -> list[tuple[str, str]]:
    with pytest.raises(SettingsError) as caught:
        loaded(**top)
    return [(problem.path, problem.message) for problem in caught.value.problems]


def test_one_app_is_for_all_paths() -> None:
    assert loaded(upstream=APP).upstreams == {"/": APP}


def test_without_an_app_there_is_none() -> None:
    assert loaded().upstreams == loaded(upstream=None).upstreams == {}


def test_several_apps_by_prefix() -> None:
    config = loaded(upstream={"/": "HTTP://127.0.0.1:8000/", "/api": API, "/a%20b/c~d": "unix:/run/app.sock"})
    assert config.upstreams == {"/": APP, "/api": API, "/a%20b/c~d": "unix:/run/app.sock"}


@pytest.mark.parametrize("upstream", [{}, {"/api": API}])
def test_some_app_must_be_for_the_rest(upstream: dict[str, str]) -> None:
    assert problems(upstream=upstream) == [("upstream", 'has no app for the paths that no prefix is for: add "/"')]


@pytest.mark.parametrize(
    "prefix", ["", "api", "//api", "/a//b", "/a/../b", "/.", "/a b", "/a?b", "/a#b", "/é", "/%zz", "/a\n", "http://a"]
)
def test_what_is_no_prefix(prefix: str) -> None:
    [(path, message)] = problems(upstream={"/": APP, prefix: API})
    assert path.startswith("upstream")
    assert message == 'must be "/", or a path such as "/api", percent-encoded as clients send it'


def test_a_slash_at_the_end_would_mean_the_same_twice() -> None:
    message = "is for what is below it too: leave out the slash at its end, /api"
    assert problems(upstream={"/": APP, "/api/": API}) == [("upstream./api/", message)]


@pytest.mark.parametrize("value", [5, True, [APP], ["/", APP]])
def test_neither_one_nor_several(value: object) -> None:
    assert problems(upstream=value) == [("upstream", "must be a URL, or a mapping of path prefixes to URLs")]


def test_each_url_is_checked_and_the_line_is_told(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        "portals: {a: {provider: planhat, api_token: {env: PLANHAT_API_TOKEN}}}\n"
        "upstream:\n  /: http://127.0.0.1:8000\n  /api: http://127.0.0.1:9000/v1\n  /b: 5\n"
    )
    with pytest.raises(SettingsError) as caught:
        load_settings(path, environ=ENVIRON)
    assert [(problem.path, problem.line) for problem in caught.value.problems] == [
        ("upstream./api", 4),
        ("upstream./b", 5),
    ]
    assert "without a path" in caught.value.message


def test_an_upstream_of_the_command_line_replaces_all_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        "portals: {a: {provider: planhat, api_token: {env: PLANHAT_API_TOKEN}}}\n"
        f"upstream: {{/: {APP}, /api: {API}}}\n"
    )
    assert load_settings(path, environ=ENVIRON).upstreams == {"/": APP, "/api": API}
    assert load_settings(path, environ=ENVIRON, overrides={"upstream": API}).upstreams == {"/": API}


def test_the_file_of_certificates_is_read_at_once(tmp_path: Path) -> None:
    message = f"cannot read {tmp_path / 'ca.pem'}: No such file or directory"
    assert problems(upstream_tls={"ca_file": str(tmp_path / "ca.pem")}) == [("upstream_tls.ca_file", message)]


def advised(**top: Any) -> dict[str, str]:
    return {problem.path: problem.message for problem in advice(loaded(**top)) if problem.path.startswith("upstream")}


def test_an_app_that_is_never_asked() -> None:
    several = {"/": APP, "/portal": API, "/portal/x": API, "/portals": API}
    found = advised(upstream=several)
    assert list(found) == ["upstream./portal", "upstream./portal/x"]
    assert "mount_path" in found["upstream./portal"]
    assert advised(upstream={"/": APP, "/api": API}) == {}


def test_authorities_that_nobody_needs() -> None:
    ca_file = certifi.where()
    assert list(advised(upstream=APP, upstream_tls={"ca_file": ca_file})) == ["upstream_tls.ca_file"]
    assert advised(upstream={"/": APP, "/api": "https://api"}, upstream_tls={"ca_file": ca_file}) == {}
