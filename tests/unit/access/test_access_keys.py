from __future__ import annotations

import pytest

from portal_gateway.access.keys import DecisionKey, PortalKeys

KEYS = PortalKeys("success", b"token of the tenant", "rules")
JANE = DecisionKey("success", "jane@vance.com", "jane@vance.com|201")


def test_replicas_agree_on_names() -> None:
    same = PortalKeys("success", b"token of the tenant", "rules")
    assert same.portal == KEYS.portal
    assert same.user("7") == KEYS.user("7")
    assert same.subject(JANE) == KEYS.subject(JANE)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(PortalKeys("onboarding", b"token of the tenant", "rules"), id="portal"),
        pytest.param(PortalKeys("success", b"token of another tenant", "rules"), id="tenant"),
    ],
)
def test_another_portal_or_tenant_has_other_names(other: PortalKeys) -> None:
    assert other.portal != KEYS.portal
    assert other.user("7") != KEYS.user("7")
    assert other.subject(JANE) != KEYS.subject(JANE)


def test_other_rules_decide_about_other_subjects_but_the_same_users() -> None:
    other = PortalKeys("success", b"token of the tenant", "other rules")
    assert other.user("7") == KEYS.user("7")
    assert other.subject(JANE) != KEYS.subject(JANE)


def test_users_and_subjects_have_names_of_their_own() -> None:
    ids = ["7", "8", "7\0", "\ud800", "", "user", "7:8"]
    assert len({KEYS.user(user_id) for user_id in ids}) == len(ids)
    subjects = [DecisionKey("success", user, subject) for user, subject in [("a", "bc"), ("ab", "c"), ("b", "bc")]]
    assert len({KEYS.subject(key) for key in subjects}) == len(subjects)


def test_names_say_nothing_about_the_user() -> None:
    names = KEYS.user(JANE.user_id) + KEYS.subject(JANE) + KEYS.portal
    assert not any(part in names for part in ("jane", "vance", "201", "success"))
    assert all(character in "0123456789abcdef" for character in names)
