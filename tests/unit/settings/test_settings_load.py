from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from settings_fakes import ENVIRON, PEM, PLANHAT, loaded, planhat, rocketlane, write

from portal_gateway.errors import SettingsError
from portal_gateway.settings import Settings, load_settings
from portal_gateway.settings.identity import HeadersIdentity, JwtIdentity, ScopeIdentity, WhoamiIdentity
from portal_gateway.settings.portals import PlanhatPortal, RocketlanePortal

Load = Callable[[str | bytes], Settings]
Problems = Callable[[str | bytes], list[str]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    return lambda text: load_settings(write(tmp_path / "gateway.yaml", text), environ=ENVIRON)


@pytest.fixture
def problems(load: Load) -> Problems:
    """The problems of a file as they are printed."""

    def refused(text: str | bytes) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            load(text)
        return [str(problem) for problem in caught.value.problems]

    return refused


EXAMPLE = """\
mount_path: /portal
public_url: https://app.acme.com         # needed only for links in e-mails
login_url: /login?next={next}            # where an anonymous visitor of /portal/... is sent
upstream: http://127.0.0.1:8000          # sidecar only
trusted_proxies: [127.0.0.1/32]          # whose X-Forwarded-* and identity headers are believed; default: nobody
forget: {secret: {env: PORTAL_FORGET_SECRET}}   # turns POST /portal/-/forget on; body {portal, user_id}
identity:                                # asked in order; the first that knows the user wins
  - source: scope                        # scope["user"], scope["session"] of the wrapped app
    session: {id: user_id, email: email}
  - source: headers                      # set by an authenticating proxy in front; needs trusted_proxies
    id: X-User-Id
    email: X-User-Email
    company_id: X-Company-Id
  - source: jwt                          # cookie or bearer; secret, public key or JWKS URL
    cookie: session
    jwks_url: https://id.acme.com/jwks.json
    algorithms: [RS256]
    audience: app                        # and issuer, leeway_s
    claims: {id: sub, email: email}
  - source: whoami                       # ask the app itself with the caller's own cookies; works for any app
    path: /api/me
    fields: {id: user.id, email: user.email}
portals:
  success:
    provider: planhat
    label: Customer portal
    api_token: {env: PLANHAT_API_TOKEN}  # a secret is {env: NAME} or {file: PATH}
    cluster: eu5                         # or api_url and portal_url (every provider has these two)
    enduser_id: "extid-{id}"
    access: {ttl: 300, denied_ttl: 60}
    inject:
      - {at: "nav .links", position: append, as: link, paths: ["/**"]}
  onboarding:
    provider: rocketlane
    label: Onboarding
    portal_url: https://acme.rocketlane.com
    api_key: {env: ROCKETLANE_API_KEY}
    signing: {algorithm: ES256, key: {file: rocketlane.pem}}
    project: {company_id: "{company_id}"}                                     # or {id: 123}
    invite_if_absent: false
    allowed_domains: [vance.com]
    inject:
      - {at: "main", position: append, as: iframe, paths: ["/onboarding"]}
"""


def test_a_configuration_with_everything_in_it(load: Load, tmp_path: Path) -> None:
    write(tmp_path / "rocketlane.pem", PEM)
    config = load(EXAMPLE)
    assert (config.mount_path, config.public_url, config.upstream) == (
        "/portal",
        "https://app.acme.com",
        "http://127.0.0.1:8000",
    )
    assert config.login_url == "/login?next={next}"
    assert [str(network) for network in config.trusted_proxies] == ["127.0.0.1/32"]
    assert config.forget is not None
    kinds = [type(source) for source in config.identity]
    assert kinds == [ScopeIdentity, HeadersIdentity, JwtIdentity, WhoamiIdentity]
    success, onboarding = config.portals["success"], config.portals["onboarding"]
    assert isinstance(success, PlanhatPortal)
    assert success.api_token.reveal() == ENVIRON["PLANHAT_API_TOKEN"]
    assert success.api_base == "https://api-eu5.planhat.com"
    assert success.inject[0].as_ == "link"
    assert isinstance(onboarding, RocketlanePortal)
    assert onboarding.signing.key.reveal() == PEM.strip()
    assert onboarding.allowed_domains == ("vance.com",)
    assert onboarding.inject[0].as_ == "iframe"


def test_the_same_as_a_mapping(tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "rocketlane.pem", PEM)
    monkeypatch.chdir(tmp_path)
    assert load_settings(yaml.safe_load(EXAMPLE), environ=ENVIRON) == load(EXAMPLE)


def test_settings_are_taken_as_they_are() -> None:
    config = loaded()
    assert load_settings(config) is config


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PLANHAT_API_TOKEN", "from-the-process")
    portal = load_settings(str(write(tmp_path / "c.yaml", PLANHAT))).portals["success"]
    assert isinstance(portal, PlanhatPortal)
    assert portal.api_token.reveal() == "from-the-process"


# Every problem at once, with its line, its path and what to do


def test_all_problems_come_at_once_in_the_order_of_the_file(problems: Problems) -> None:
    assert problems("""\
mount_pth: /portal
login_url: /login?back={back}
identity:
  - source: header
  - source: jwt
    cookie: session
    algorithms: [none]
portals:
  success:
    provider: planhat
    api_token: tok-in-the-file
    inject:
      - {as: frame}
  Onboarding:
    provider: rocketlane
    signing: {key: {env: NOT_THERE}}
""") == [
        "line 1: mount_pth: unknown key; did you mean 'mount_path'?",
        "line 2: login_url: knows one placeholder: {next}",
        "line 4: identity[0].source: unknown source 'header'; known are scope, headers, jwt, whoami",
        "line 7: identity[1].algorithms[0]: input should be 'HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512',"
        " 'ES256', 'ES384' or 'EdDSA'",
        "line 11: portals.success.api_token: write a secret as {env: NAME} or {file: PATH}; a value in the"
        " configuration itself is not accepted",
        "line 13: portals.success.inject[0].at: is required",
        "line 13: portals.success.inject[0].as: input should be 'link' or 'iframe'",
        "line 14: portals.Onboarding: a portal's name is part of URLs: lower-case letters, digits, '-' and '_'",
        "line 14: portals.Onboarding.portal_url: is required",
        "line 14: portals.Onboarding.api_key: is required",
        "line 16: portals.Onboarding.signing.key: environment variable NOT_THERE is not set",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("frobnicate: 1\n", "line 2: frobnicate: unknown key; known here: forget, identity, ", id="key"),
        pytest.param("7: x\n", "line 2: 7: unknown key; known here:", id="number-as-key"),
        pytest.param("on: x\n", "line 2: on: unknown key; known here:", id="boolean-as-key"),
        pytest.param("2024-01-01: x\n", "line 2: 2024-01-01: unknown key; known here:", id="date-as-key"),
        pytest.param("mount_path: 7\n", "line 2: mount_path: must be a text; put a number", id="number-for-text"),
        pytest.param("mount_path: 2024-02-03\n", "line 2: mount_path: must be a text; put a", id="date-for-text"),
        pytest.param("mount_path: /\n", 'line 2: mount_path: must be a path such as "/portal" (the root', id="root"),
        pytest.param("identity: {source: scope}\n", "line 2: identity: must be a list", id="mapping-for-list"),
        pytest.param("identity: [3]\n", "line 2: identity[0]: must be a mapping of keys to values", id="item"),
        pytest.param(
            "identity: [{id: x}]\n",
            "line 2: identity[0].source: is required; one of scope, headers, jwt, whoami",
            id="no-discriminator",
        ),
        pytest.param(
            "identity: [{source: [jwt]}]\n",
            "line 2: identity[0].source: unknown source; known are scope, headers, jwt, whoami",
            id="list-as-discriminator",
        ),
        pytest.param(
            "identity:\n  - source: scope\n", "line 3: identity[0]: say where to look: `session:", id="whole-item"
        ),
        pytest.param(
            "identity: [{source: jwt, secret: {env: JWT_SECRET}, algorithms: []}]\n",
            "line 2: identity[0].algorithms: must not be empty",
            id="empty-list",
        ),
        pytest.param(
            "identity: [{source: headers, id: X-User-Id}]\n",
            "line 2: identity[0]: headers are believed only from trusted_proxies: set it to the proxy's address",
            id="headers-from-nobody",
        ),
        pytest.param(
            "trusted_proxies: [10.0.0.1/8]\n",
            "line 2: trusted_proxies[0]: has bits set to the right of the mask; write 10.0.0.0/8",
            id="host-bits",
        ),
        pytest.param(
            "trusted_proxies: [proxy.local]\n",
            "line 2: trusted_proxies[0]: must be a network such as 10.0.0.0/8 or an address such as 127.0.0.1",
            id="name-for-network",
        ),
        pytest.param(
            "forget: {secret: {env: SHORT}}\n", "line 2: forget.secret: must have at least 16 characters", id="short"
        ),
        pytest.param("server_timing: maybe\n", "line 2: server_timing: input should be a valid boolean", id="boolean"),
        pytest.param("max_decisions: 0\n", "line 2: max_decisions: input should be greater than 0", id="zero"),
        pytest.param("max_decisions: .inf\n", "line 2: max_decisions: input should be a finite", id="infinite"),
        pytest.param("mount_path: /a\nmount_path: /b\n", "line 3: mount_path: written twice; keep one", id="twice"),
        pytest.param("'portals': {}\n", "line 2: portals: must not be empty", id="twice-and-empty"),
        pytest.param("upstream_timeouts: {head_s: -1}\n", "line 2: upstream_timeouts.head_s: input", id="nested"),
    ],
)
def test_a_problem_says_where_it_is_and_what_to_do(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(write(tmp_path / "c.yaml", PLANHAT + text), environ={**ENVIRON, "SHORT": "short"})
    assert problem in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'c.yaml'}: ")
    assert len(caught.value.problems) == (2 if text.startswith("'portals'") else 1)


@pytest.mark.parametrize(
    ("portal", "problem"),
    [
        pytest.param({"provider": "planhut"}, "a.provider: unknown provider 'planhut'; known are planhat", id="typo"),
        pytest.param({"label": "x"}, "a.provider: is required; one of planhat, rocketlane", id="no-provider"),
        pytest.param(None, "a: must be a mapping of keys to values", id="null"),
        pytest.param(planhat(acces={}), "a.acces: unknown key; did you mean 'access'?", id="key"),
        pytest.param(planhat(access={"tll": 1}), "a.access.tll: unknown key; did you mean 'ttl'?", id="nested-key"),
        pytest.param(planhat(inject=[{"att": "x", "at": "y"}]), "a.inject[0].att: unknown key; did you", id="in-list"),
        pytest.param(rocketlane(signing={"kee": 1}), "a.signing.kee: unknown key; did you mean 'key'?", id="signing"),
        pytest.param(planhat(label=""), "a.label: must not be empty", id="empty-text"),
        pytest.param(planhat(enduser_id="{nope}"), "a.enduser_id: unknown placeholder {nope}; known are", id="field"),
        pytest.param(
            planhat(inject=[{"at": "p", "sign": "inline"}]), "a: `sign: inline` cannot work: Planhat's", id="whole"
        ),
        pytest.param(
            rocketlane(inject=[{"at": "p", "mode": "loader", "sign": "inline"}]),
            "a.inject[0]: `sign: inline` would put one user's signed link",
            id="whole-rule",
        ),
    ],
)
def test_a_problem_in_a_portal(portal: object, problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"portals": {"a": portal}}, environ=ENVIRON)
    assert any(str(found).startswith(f"portals.{problem}") for found in caught.value.problems), str(caught.value)
    assert str(caught.value).startswith("config: ")


def test_a_portal_may_be_called_like_a_provider_or_a_number(load: Load) -> None:
    names = ("planhat", "rocketlane", "7", "on", "null")
    text = "".join(f"  {name}: {{provider: planhat, api_token: {{env: PLANHAT_API_TOKEN}}}}\n" for name in names)
    assert tuple(load("portals:\n" + text).portals) == names


def test_a_portal_called_like_a_provider_has_right_paths(problems: Problems) -> None:
    text = "portals:\n  planhat:\n    provider: planhat\n    api_token: {env: NOT_THERE}\n"
    assert problems(text) == ["line 4: portals.planhat.api_token: environment variable NOT_THERE is not set"]


def test_keys_of_a_mapping_must_be_texts() -> None:
    with pytest.raises(SettingsError, match=r"\[3\]: keys must be texts; put it in quotes"):
        load_settings({"portals": {"a": planhat()}, 3: 4}, environ=ENVIRON)


# Overrides


def test_overrides_win_and_complete(tmp_path: Path) -> None:
    path = write(tmp_path / "c.yaml", PLANHAT + "upstream: http://127.0.0.1:1\n")
    overrides = {"upstream": "http://127.0.0.1:2", "mount_path": "/p"}
    config = load_settings(path, environ=ENVIRON, overrides=overrides)
    assert (config.upstream, config.mount_path) == ("http://127.0.0.1:2", "/p")
    mapping = {"portals": {"a": planhat()}, "mount_path": "/q"}
    assert load_settings(mapping, environ=ENVIRON, overrides=overrides).mount_path == "/p"
    assert mapping["mount_path"] == "/q"


def test_a_wrong_override_is_not_blamed_on_a_line_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "c.yaml", PLANHAT + "upstream: http://127.0.0.1:1\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(path, environ=ENVIRON, overrides={"upstream": "127.0.0.1:2"})
    [problem] = caught.value.problems
    assert (problem.path, problem.line) == ("upstream", None)


# What is no YAML, or more than plain YAML


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "portals: is required", id="empty"),
        pytest.param("# nothing\n---\n", "line 3: portals: is required", id="empty-document"),
        pytest.param("- a\n", "line 1: (top level): must be a mapping of keys to values", id="list"),
        pytest.param("text", "line 1: (top level): must be a mapping of keys to values", id="text"),
        pytest.param("\n3\n", "line 2: (top level): must be a mapping of keys to values", id="number"),
        pytest.param("a: 1\n\tb: 2\n", "line 2: (top level): not valid YAML: found character '\\t'", id="tab"),
        pytest.param("a: b\n c: d\n", "line 2: (top level): not valid YAML: mapping values are", id="indent"),
        pytest.param("a: [1\n", "line 2: (top level): not valid YAML: ", id="open-bracket"),
        pytest.param('a: "x\n', "line 2: (top level): not valid YAML: ", id="open-quote"),
        pytest.param("a: 1\n---\nb: 2\n", "line 2: (top level): not valid YAML: found another", id="documents"),
        pytest.param("a: x\nb: *a\n", "line 2: (top level): not valid YAML: aliases are not supported", id="alias"),
        pytest.param("a: &a [*a]\n", "line 1: (top level): not valid YAML: aliases are not", id="own-alias"),
        pytest.param("? [a]\n: b\n", "line 1: (top level): not valid YAML: found unhashable key", id="list-as-key"),
        pytest.param("a: !!set {b}\nx: !foo 3\n", "line 2: (top level): not valid YAML: tags are", id="tag"),
        pytest.param(
            "a: !!python/object/apply:os.system [x]\n", "line 1: (top level): not valid YAML: tags", id="object"
        ),
        pytest.param("a: b\nc: 2024-13-45\n", "line 2: (top level): not valid YAML: this value", id="no-such-day"),
        pytest.param("a: " + "9" * 5000, "line 1: (top level): not valid YAML: this value cannot", id="long-number"),
        pytest.param("a: b\n\n\x00", "line 3: (top level): not valid YAML: the character U+0000", id="control"),
        pytest.param(b"a: b\nc: \xff\n", "line 2: (top level): is not UTF-8 text", id="latin-1"),
        pytest.param("a: b".encode("utf-16"), "line 1: (top level): is not UTF-8 text", id="utf-16"),
        pytest.param("[" * 5000, "(top level): not valid YAML: nested too deeply", id="open-brackets"),
        pytest.param("a: " + "[" * 5000 + "]" * 5000, "(top level): not valid YAML: nested too deeply", id="deep"),
        pytest.param("a: " + "{a: " * 5000, "(top level): not valid YAML: nested too deeply", id="deep-mapping"),
        pytest.param("#" * (1024 * 1024 + 1), "(top level): is larger than 1048576 bytes", id="huge"),
    ],
)
def test_files_that_are_not_plain_yaml(problems: Problems, text: str | bytes, expected: str) -> None:
    assert any(problem.startswith(expected) for problem in problems(text))


def test_an_alias_bomb_costs_nothing(problems: Problems) -> None:
    names = "abcdefghijklmnop"
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip(names, names[1:], strict=False)
    )
    began = time.process_time()
    assert len(problems(bomb)) == 1
    assert time.process_time() - began < 5  # expanded, it has 9 ** 16 items


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\ufeff" + PLANHAT, id="byte-order-mark"),
        pytest.param(PLANHAT.replace("\n", "\r\n") + "mount_path: /p\r\n", id="crlf"),
        pytest.param("%YAML 1.1\n---\n" + PLANHAT, id="directive"),
        pytest.param("portals: &unused\n  success: {provider: planhat, api_token: {env: PLANHAT_API_TOKEN}}", id="anchor"),
    ],
)
def test_other_ways_to_write_the_same(load: Load, text: str) -> None:
    assert list(load(text).portals) == ["success"]


def test_lines_count_with_crlf(problems: Problems) -> None:
    [problem] = problems(PLANHAT.replace("\n", "\r\n") + "\r\nbad: 1\r\n")
    assert problem.startswith("line 3: bad: unknown key")


def test_nothing_is_merged(problems: Problems) -> None:
    [problem] = problems(PLANHAT + "<<: {mount_path: /x}\n")
    assert problem.startswith("line 2: <<: unknown key")


def test_of_two_keys_the_last_is_checked_and_both_are_named(problems: Problems) -> None:
    assert problems(PLANHAT + "mount_path: 7\nmount_path: 8\n") == [
        "line 3: mount_path: written twice; keep one",
        "line 3: mount_path: must be a text; put a number, date or yes and no in quotes if they are meant as text",
    ]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        pytest.param("absent.yaml", "cannot be read: No such file or directory", id="absent"),
        pytest.param(".", "cannot be read: Is a directory", id="directory"),
        pytest.param("a\0b", "cannot be read: embedded null byte", id="nul"),
        pytest.param("x" * 5000, "cannot be read: File name too long", id="long"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, path: str, reason: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path / path)
    assert [problem.message for problem in caught.value.problems] == [reason]


# Whatever is in the file, what comes out is Settings or SettingsError

KEYS = st.sampled_from(
    [*Settings.model_fields, *PlanhatPortal.model_fields, *RocketlanePortal.model_fields, *JwtIdentity.model_fields]
    + ["at", "as", "template", "paths", "key", "env", "file", "source", "success", "ttl", "", "<<"]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.dates(),
    st.binary(max_size=8),
    st.text(max_size=12),
    st.sampled_from(["planhat", "rocketlane", "scope", "jwt", "headers", "whoami", "/x", "{id}", "10.0.0.0/8"]),
    st.sampled_from(["https://a.com", "http://[::1", "{{ x }}", "{% for", "nav > a", "a:b(", "RS256", "link"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(KEYS, inner, max_size=5),
        st.dictionaries(SCALARS, inner, max_size=2),
    ),
    max_leaves=20,
)
PORTALS = st.dictionaries(st.sampled_from(["a", "planhat", "B"]), st.dictionaries(KEYS, VALUES, max_size=6))
TOP = st.dictionaries(KEYS, VALUES, max_size=6)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TOP, PORTALS, st.dictionaries(SCALARS, SCALARS, max_size=1))
@example({"identity": [{"source": "headers"}], "trusted_proxies": None}, {"a": {"provider": {}}}, {})
def test_any_mapping_is_loaded_or_refused(top: dict[Any, Any], portals: dict[Any, Any], odd: dict[Any, Any]) -> None:
    for portal in portals.values():
        portal.setdefault("provider", "rocketlane")
    try:
        load_settings({**top, **odd, "portals": portals or top.get("portals")}, environ=ENVIRON)
    except SettingsError as error:
        assert error.problems


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(VALUES.map(lambda value: yaml.safe_dump(value).encode()), st.binary(), st.text().map(str.encode)))
@example(b"a: !<tag:yaml.org,2002:int> x")
@example(b"a: ._\nb: 0x_\nc: !!float x\nd: !!binary ???\n")
@example(b"!!omap [x]")
def test_any_file_is_loaded_or_refused(tmp_path: Path, data: bytes) -> None:
    try:
        load_settings(write(tmp_path / "any.yaml", data), environ=ENVIRON)
    except SettingsError as error:
        assert error.problems
