from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal_gateway.joining.keyring import Keyring
from portal_gateway.joining.magic_links import LEEWAY_S, ExpiredLink, InvalidLink, LinkSigner

OLD, NEW = b"o" * 32, b"n" * 32
NOW = 1_700_000_000
SIGNER = LinkSigner(Keyring({"k1": OLD}))


def test_a_link_is_what_was_made() -> None:
    link = SIGNER.make("join", "onboarding", NOW + 60)
    assert SIGNER.verify(link.token, "join", "onboarding", NOW) == link


def test_no_two_links_are_the_same() -> None:
    assert len({SIGNER.make("join", "onboarding", NOW).link_id for _ in range(100)}) == 100


def test_a_link_opens_no_other_portal_and_serves_no_other_purpose() -> None:
    token = SIGNER.make("join", "onboarding", NOW + 60).token
    with pytest.raises(InvalidLink):
        SIGNER.verify(token, "join", "success", NOW)
    with pytest.raises(InvalidLink):
        SIGNER.verify(token, "invitation", "onboarding", NOW)


def test_an_expired_link_is_told_from_a_forged_one() -> None:
    token = SIGNER.make("join", "onboarding", NOW).token
    SIGNER.verify(token, "join", "onboarding", NOW + LEEWAY_S)
    with pytest.raises(ExpiredLink):
        SIGNER.verify(token, "join", "onboarding", NOW + LEEWAY_S + 1)
    kid, link_id, _, mac = token.split(".")
    with pytest.raises(InvalidLink):
        SIGNER.verify(f"{kid}.{link_id}.{NOW + 9999}.{mac}", "join", "onboarding", NOW)


def test_a_new_key_signs_and_the_old_one_still_counts() -> None:
    token = SIGNER.make("join", "onboarding", NOW + 60).token
    rotated = LinkSigner(Keyring({"k2": NEW, "k1": OLD}))
    rotated.verify(token, "join", "onboarding", NOW)
    assert rotated.make("join", "onboarding", NOW).token.startswith("k2.")
    with pytest.raises(InvalidLink):
        LinkSigner(Keyring({"k2": NEW})).verify(token, "join", "onboarding", NOW)


def test_a_key_counts_only_under_its_own_id() -> None:
    token = SIGNER.make("join", "onboarding", NOW + 60).token
    with pytest.raises(InvalidLink):
        LinkSigner(Keyring({"k2": OLD})).verify(token.replace("k1.", "k2.", 1), "join", "onboarding", NOW)


@given(st.data())
def test_a_changed_token_is_no_token(data: st.DataObject) -> None:
    token = SIGNER.make("join", "onboarding", NOW + 60).token
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.characters().filter(lambda letter: letter != token[place]))
    changed = token[:place] + letter + token[place + 1 :]
    # The last letter of a base64 text without padding has bits that stand for nothing: they are compared all the same.
    with pytest.raises(InvalidLink):
        SIGNER.verify(changed, "join", "onboarding", NOW)


@given(st.text(max_size=120))
def test_any_text_is_no_token(text: str) -> None:
    with pytest.raises(InvalidLink):
        SIGNER.verify(text, "join", "onboarding", NOW)
