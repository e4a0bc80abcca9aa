from __future__ import annotations

from typing import Any

import pytest
from settings_fakes import ENVIRON, planhat, rocketlane

from portal_gateway.errors import SettingsError
from portal_gateway.settings import Settings, load_settings
from portal_gateway.settings.advice import advice

KEYS = {"JOIN_KEY": "k" * 32, "OLD_KEY": "o" * 32, "SHORT_KEY": "s" * 31}
ALLOW = {"allow": {"attributes": {"role": "admin"}}}
TOP: dict[str, Any] = {
    "public_url": "https://app.acme.com",
    "joining": {"keys": [{"kid": "k1", "secret": {"env": "JOIN_KEY"}}]},
    "mail": {"host": "127.0.0.1", "security": "none", "from": "portal@acme.com"},
}


def function(_user: object) -> bool:
    return True


def load(join: Any, portal: Any = rocketlane, **top: Any) -> Settings:
    values = {**TOP, "portals": {"onboarding": portal(join=join)}, **top}
    return load_settings({k: v for k, v in values.items() if v is not None}, environ={**ENVIRON, **KEYS})


def problems(join: Any, **top: Any) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(join, **top)
    return [str(problem) for problem in caught.value.problems]


def test_the_short_form() -> None:
    assert load("jwt").portals == load({"jwt": True}).portals
    assert load("jwt", mail=None, joining=None, public_url=None).joins == {}, "no link leaves the gateway"


def test_doors_and_defaults() -> None:
    join = load({"link": True, "invitations": ALLOW}).joins["onboarding"]
    assert (join.minutes, join.reveal, join.anyone, join.policy.own_domains) == (15, False, False, True)
    assert join.invitations is not None
    assert (join.invitations.days, join.invitations.deliver) == (7, "mail")


def test_domains_are_kept_as_dns_knows_them() -> None:
    join = load({"link": True, "domains": ["@Vance.COM", "müller.de"], "project_domains": {5: ["B.io"]}}).joins[
        "onboarding"
    ]
    assert join.policy.domains == {"vance.com", "xn--mller-kva.de"}
    assert join.domains_of(5) == {"b.io"}
    assert join.domains_of(6) == frozenset()


@pytest.mark.parametrize(
    ("join", "problem"),
    [
        pytest.param({}, "opens no door: set jwt, link or invitations", id="no-door"),
        pytest.param({"link": False}, "opens no door", id="closed"),
        pytest.param("link", "must be a mapping", id="other-short-form"),
        pytest.param({"link": True, "free_mail": True}, "`free_mail` is for `anyone`", id="free-mail"),
        pytest.param({"link": True, "domains": ["vance"]}, "is not a domain such as vance.com", id="no-domain"),
        pytest.param({"link": True, "domains": ["*.vance.com"]}, "is not a domain", id="pattern"),
        pytest.param({"link": True, "minutes": 0}, "minutes", id="no-time"),
        pytest.param({"link": True, "minutes": 1441}, "minutes", id="too-long"),
        pytest.param({"invitations": {"allow": {}}}, "say who may invite", id="nobody-invites"),
        pytest.param({"invitations": {}}, "allow: is required", id="no-permission"),
        pytest.param({"invitations": {**ALLOW, "days": 31}}, "days", id="too-many-days"),
        pytest.param({"invitations": {"allow": {"function": "os:nothing"}}}, "cannot be imported", id="no-function"),
        pytest.param({"invitations": {"allow": {"function": "os:sep"}}}, "is no function", id="no-callable"),
        pytest.param({"invitations": {"allow": {"function": "os"}}}, "write package.module:function", id="no-colon"),
        pytest.param({"link": True, "limits": {"per_address": 0}}, "per_address", id="no-mails"),
    ],
)
def test_what_is_refused(join: Any, problem: str) -> None:
    found = problems(join)
    assert any(problem in line and "portals.onboarding.join" in line for line in found), found


def test_a_function_of_the_app_s_own() -> None:
    join = load({"invitations": {"allow": {"function": f"{__name__}:function"}}}).joins["onboarding"]
    assert join.invitations is not None


class TestWhatLinksNeed:
    @pytest.mark.parametrize("join", [{"link": True}, {"invitations": ALLOW}])
    @pytest.mark.parametrize(
        ("missing", "said"), [("public_url", "public_url"), ("joining", "joining.keys"), ("mail", "set mail")]
    )
    def test_each_is_named(self, join: Any, missing: str, said: str) -> None:
        [problem] = problems(join, **{missing: None})
        assert said in problem
        assert problem.startswith("portals.onboarding.join: ")

    def test_all_at_once(self) -> None:
        assert len(problems({"link": True}, public_url=None, joining=None, mail=None)) == 3

    def test_what_the_vendor_delivers_needs_no_mail(self) -> None:
        by_vendor = {"invitations": {**ALLOW, "deliver": "vendor"}}
        assert load(by_vendor, mail=None).joins["onboarding"].sends_mail is False
        assert "set mail" in problems({**by_vendor, "link": True}, mail=None)[0]

    def test_planhat_lets_nobody_in(self) -> None:
        with pytest.raises(SettingsError, match=r"portals\.onboarding\.join"):
            load({"link": True}, planhat)


class TestKeys:
    def test_the_first_signs(self) -> None:
        keys = [{"kid": "k2", "secret": {"env": "OLD_KEY"}}, {"kid": "k1", "secret": {"env": "JOIN_KEY"}}]
        joining = load({"link": True}, joining={"keys": keys}).joining
        assert joining is not None
        assert [key.kid for key in joining.keys] == ["k2", "k1"]

    @pytest.mark.parametrize(
        ("keys", "problem"),
        [
            pytest.param([], "keys", id="none"),
            pytest.param([{"kid": "k1", "secret": {"env": "SHORT_KEY"}}], "must have at least 32 bytes", id="short"),
            pytest.param([{"kid": "K 1", "secret": {"env": "JOIN_KEY"}}], "a key's id is", id="kid"),
            pytest.param([{"kid": "k1", "secret": {"env": "JOIN_KEY"}}] * 2, "two keys have the same kid", id="twice"),
        ],
    )
    def test_what_is_refused(self, keys: Any, problem: str) -> None:
        found = problems({"link": True}, joining={"keys": keys})
        assert any(problem in line for line in found), found
        assert "sssss" not in str(found)


@pytest.mark.parametrize(
    ("join", "path"),
    [
        pytest.param({"link": True}, "cache", id="links-die-with-the-process"),
        pytest.param({"link": True, "anyone": True}, "portals.onboarding.join.anyone", id="anyone"),
    ],
)
def test_advice(join: Any, path: str) -> None:
    assert path in [problem.path for problem in advice(load(join))]
    assert path not in [problem.path for problem in advice(load("jwt"))]
