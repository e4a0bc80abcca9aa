from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal_gateway.joining.keyring import Keyring
from portal_gateway.joining.magic_links import LEEWAY_S, InvalidLink
from portal_gateway.joining.shared_links import ExpiredKey, SharedLinks

NOW = 1_700_000_000
LINKS = SharedLinks(Keyring({"k1": b"o" * 32}))
KEY = LINKS.key("onboarding", 5001, NOW + 60)


def test_a_key_opens_its_project() -> None:
    assert LINKS.project_id(KEY, "onboarding", NOW) == 5001


def test_and_that_at_its_portal_alone() -> None:
    with pytest.raises(InvalidLink):
        LINKS.project_id(KEY, "other", NOW)


def test_until_it_expires() -> None:
    assert LINKS.project_id(KEY, "onboarding", NOW + 60 + LEEWAY_S) == 5001
    with pytest.raises(ExpiredKey):
        LINKS.project_id(KEY, "onboarding", NOW + 60 + LEEWAY_S + 1)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(("5001.", "6001."), id="project"),
        pytest.param((str(NOW + 60), "999999999999"), id="expiry"),
        pytest.param((".k1.", ".k2."), id="key"),
        pytest.param(("5001.", "05001."), id="leading-zero"),
        pytest.param(("5001.", "-5001."), id="sign"),
    ],
)
def test_nothing_in_it_can_be_changed(change: tuple[str, str]) -> None:
    with pytest.raises(InvalidLink):
        LINKS.project_id(KEY.replace(*change, 1), "onboarding", NOW)


@given(st.text(max_size=120) | st.from_regex(r"[0-9]{1,20}\.[0-9]{1,14}\.k1\.[A-Za-z0-9_-]{43}", fullmatch=True))
def test_nobody_else_makes_one(text: str) -> None:
    with pytest.raises(InvalidLink):
        LINKS.project_id(text, "onboarding", NOW)


def test_a_magic_link_s_key_is_no_shared_link_s() -> None:
    """The same key signs both, but says what it signs."""
    keyring = Keyring({"k1": b"o" * 32})
    mac = keyring.mac("portal-gateway magic link", "onboarding", "5001", str(NOW + 60))
    with pytest.raises(InvalidLink):
        LINKS.project_id(f"5001.{NOW + 60}.k1.{mac}", "onboarding", NOW)


def test_keys_are_rotated() -> None:
    rotated = SharedLinks(Keyring({"k2": b"n" * 32, "k1": b"o" * 32}))
    assert rotated.project_id(KEY, "onboarding", NOW) == 5001
    assert ".k2." in rotated.key("onboarding", 5001, NOW)
    with pytest.raises(InvalidLink):
        SharedLinks(Keyring({"k2": b"n" * 32})).project_id(KEY, "onboarding", NOW)
