from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from settings_fakes import ENVIRON, PEM, PLANHAT, Load, Problems, loaded, planhat, rocketlane, write

from portal_gateway.errors import SettingsError
from portal_gateway.settings import load_settings
from portal_gateway.settings.identity import HeadersIdentity, JwtIdentity, ScopeIdentity, WhoamiIdentity
from portal_gateway.settings.portals import PlanhatPortal, RocketlanePortal

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
        pytest.param("frobnicate: 1\n", "line 2: frobnicate: unknown key; known here: admin, brand, cache, ", id="key"),
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


def test_a_value_that_is_nested_too_deeply() -> None:
    rule = {"at": "nav", "template": "{{" + "(" * 5000}
    with pytest.raises(SettingsError, match="a value is nested too deeply"):
        load_settings({"portals": {"a": planhat(inject=[rule])}}, environ=ENVIRON)


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
