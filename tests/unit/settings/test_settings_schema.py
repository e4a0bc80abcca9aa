from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError
from settings_fakes import ENVIRON, loaded, planhat, rocketlane

from portal_gateway.errors import SettingsError
from portal_gateway.settings import Settings, load_settings


def refused(**top: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        loaded(**top)
    return str(caught.value)


def test_defaults() -> None:
    config = loaded()
    assert (config.mount_path, config.public_url, config.login_url, config.upstream) == ("/portal", None, None, None)
    assert (config.trusted_proxies, config.forget, config.server_timing, config.identity) == ((), None, False, ())
    portal = config.portals["success"]
    assert (portal.access.ttl, portal.access.denied_ttl, portal.access.stale_s) == (300, 60, 3600)
    assert portal.access.budget_ms == 150
    assert (portal.csp, portal.referrer_policy, portal.inject) == ("keep", "strict-origin", ())


def test_settings_are_frozen() -> None:
    config = loaded()
    with pytest.raises(ValidationError):
        config.mount_path = "/x"
    with pytest.raises(ValidationError):
        config.portals["success"].label = "x"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("/portal", "/portal", id="plain"),
        pytest.param("/portal/", "/portal", id="slash-at-the-end"),
        pytest.param("/a/b-c_d.e~f", "/a/b-c_d.e~f", id="deep"),
    ],
)
def test_mount_path(value: str, expected: str) -> None:
    assert loaded(mount_path=value).mount_path == expected


@pytest.mark.parametrize(
    "value", ["", "/", "//", "portal", "/a//b", "/a b", "/a?b", "/é", "/{x}", "/a\n", "https://a.com/p"]
)
def test_mount_path_refused(value: str) -> None:
    assert "mount_path: must be a path such as" in refused(mount_path=value)


@pytest.mark.parametrize("key", ["public_url", "upstream"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("https://app.acme.com", "https://app.acme.com", id="https"),
        pytest.param("https://App.Acme.com/", "https://app.acme.com", id="slash-and-case"),
        pytest.param("http://127.0.0.1:8000", "http://127.0.0.1:8000", id="port"),
        pytest.param("http://[::1]:8000", "http://[::1]:8000", id="ipv6"),
    ],
)
def test_origins(key: str, value: str, expected: str) -> None:
    assert getattr(loaded(**{key: value}), key) == expected


@pytest.mark.parametrize("key", ["public_url", "upstream"])
@pytest.mark.parametrize(
    "value", ["app.acme.com", "https://a.com/path", "https://a.com?x", "ftp://a.com", "https://u:p@a.com", ""]
)
def test_origins_refused(key: str, value: str) -> None:
    assert f"{key}: must be an origin such as" in refused(**{key: value})


@pytest.mark.parametrize(
    "value", ["/login", "/login?next={next}", "https://id.acme.com/login?back={next}&x=1", "/{next}"]
)
def test_login_url(value: str) -> None:
    assert loaded(login_url=value).login_url == value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param("/login?x={user}", "knows one placeholder: {next}", id="placeholder"),
        pytest.param("/login?x={", "knows one placeholder: {next}", id="brace"),
        pytest.param("login", "must be a path such as", id="relative"),
        pytest.param("javascript:alert(1)", "must be a path such as", id="javascript"),
        pytest.param("{next}", "must be a path such as", id="open-redirect"),
    ],
)
def test_login_url_refused(value: str, message: str) -> None:
    assert f"login_url: {message}" in refused(login_url=value)


def test_trusted_proxies_are_networks() -> None:
    config = loaded(trusted_proxies=["10.0.0.0/8", "127.0.0.1", "fd00::/8"])
    assert [str(network) for network in config.trusted_proxies] == ["10.0.0.0/8", "127.0.0.1/32", "fd00::/8"]


@pytest.mark.parametrize("name", ["a", "0", "success", "a-b_c", "x" * 63])
def test_portal_names(name: str) -> None:
    assert list(loaded(portals={name: planhat()}).portals) == [name]


@pytest.mark.parametrize("name", ["", "-", "_a", "A", "a b", "a/b", "..", "é", "a.b", "x" * 64, "a\n"])
def test_portal_names_refused(name: str) -> None:
    assert "a portal's name is part of URLs" in refused(portals={name: planhat()})


@pytest.mark.parametrize("portals", [{}, None, [], "x"])
def test_there_must_be_a_portal(portals: object) -> None:
    assert "portals: must" in refused(portals=portals)


def test_the_forget_secret_must_not_be_guessed() -> None:
    config = {"portals": {"a": planhat()}, "forget": {"secret": {"env": "F"}}}
    assert load_settings(config, environ={**ENVIRON, "F": "x" * 16}).forget is not None
    with pytest.raises(SettingsError, match="must have at least 16 characters"):
        load_settings(config, environ={**ENVIRON, "F": "x" * 15})


def test_the_app_may_listen_on_a_unix_socket() -> None:
    assert loaded(upstream="unix:/run/app.sock").upstream == "unix:/run/app.sock"


@pytest.mark.parametrize("value", ["unix:", "unix:app.sock", "unix://run/app.sock", "unix:/run/", "unix:/" + "a" * 107])
def test_what_is_no_unix_socket(value: str) -> None:
    assert "the absolute path of a socket" in refused(upstream=value)


@pytest.mark.parametrize("key", ["connect_s", "head_s", "idle_s"])
def test_timeouts_are_positive(key: str) -> None:
    assert getattr(loaded(upstream_timeouts={key: 0.5}).upstream_timeouts, key) == 0.5
    assert f"upstream_timeouts.{key}: " in refused(upstream_timeouts={key: 0})


@pytest.mark.parametrize(
    "where",
    [
        pytest.param({"x": 1}, id="top"),
        pytest.param({"forget": {"secret": {"env": "PORTAL_FORGET_SECRET"}, "x": 1}}, id="forget"),
        pytest.param({"upstream_timeouts": {"x": 1}}, id="timeouts"),
        pytest.param({"identity": [{"source": "scope", "session": {"id": "i"}, "x": 1}]}, id="identity"),
        pytest.param({"identity": [{"source": "scope", "session": {"id": "i", "x": "y"}}]}, id="fields"),
        pytest.param({"portals": {"a": planhat(x=1)}}, id="planhat"),
        pytest.param({"portals": {"a": rocketlane(x=1)}}, id="rocketlane"),
        pytest.param({"portals": {"a": planhat(access={"x": 1})}}, id="access"),
        pytest.param({"portals": {"a": planhat(inject=[{"at": "p", "x": 1}])}}, id="rule"),
        pytest.param({"portals": {"a": rocketlane(signing={"key": {"env": "SHARED_SECRET"}, "x": 1})}}, id="signing"),
        pytest.param({"portals": {"a": rocketlane(project={"x": 1})}}, id="project"),
    ],
)
def test_unknown_keys_are_errors_everywhere(where: dict[str, Any]) -> None:
    assert "x: unknown key" in refused(**where)


def _objects(node: object) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "properties" in node:
            yield node
        for value in node.values():
            yield from _objects(value)
    elif isinstance(node, list):
        for value in node:
            yield from _objects(value)


def test_the_json_schema_is_closed_and_knows_secrets() -> None:
    schema = json.loads(json.dumps(Settings.model_json_schema(by_alias=True)))
    assert all(found["additionalProperties"] is False for found in _objects(schema))
    token = schema["$defs"]["PlanhatPortal"]["properties"]["api_token"]
    assert [list(form["properties"]) for form in token["oneOf"]] == [["env"], ["file"]]
    assert "as" in schema["$defs"]["InjectRule"]["properties"]
    assert schema["required"] == ["portals"]


@pytest.mark.parametrize(
    ("values", "path"),
    [
        pytest.param({"trusted_proxies": [3]}, "trusted_proxies[0]", id="number-as-network"),
        pytest.param({"trusted_proxies": [True]}, "trusted_proxies[0]", id="yes-as-network"),
        pytest.param({"mount_path": "/.."}, "mount_path", id="dots-as-mount-path"),
        pytest.param({"mount_path": "/a/./b"}, "mount_path", id="dot-in-mount-path"),
        pytest.param({"login_url": "//evil.example"}, "login_url", id="login-elsewhere-by-slashes"),
        pytest.param({"login_url": "/a\r\nset-cookie: b"}, "login_url", id="line-break-in-login"),
    ],
)
def test_values_that_would_be_read_as_something_else_are_refused(values: dict[str, Any], path: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(
            {"portals": {"success": {"provider": "planhat", "api_token": {"env": "T"}}}, **values}, environ={"T": "t"}
        )
    assert [problem.path for problem in caught.value.problems] == [path]


def test_an_endless_ttl_is_refused() -> None:
    portal = {"provider": "planhat", "api_token": {"env": "T"}, "access": {"ttl": float("inf")}}
    with pytest.raises(SettingsError, match="finite"):
        load_settings({"portals": {"success": portal}}, environ={"T": "t"})


def test_an_inject_rule_is_written_with_as_and_nothing_like_it() -> None:
    portal = {"provider": "planhat", "api_token": {"env": "T"}, "inject": [{"at": "nav", "as_": "link"}]}
    with pytest.raises(SettingsError, match="unknown key"):
        load_settings({"portals": {"success": portal}}, environ={"T": "t"})
