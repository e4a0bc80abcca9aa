from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal_gateway.access import values
from portal_gateway.access.values import SKEW_S, Found, Unreadable, decode, encode
from portal_gateway.models import Access, Choice

NOW = 1_790_000_000.0
YES = Access.grant("member", (Choice("1", "Roll-out"), Choice("2", "Über ☃")))
NO = Access.deny("not_a_member")


def encoded(said: Access = YES, /, **changes: object) -> bytes:
    data = encode(said, "jane", "g1", NOW)
    assert data is not None
    return json.dumps({**json.loads(data), **changes}).encode()


@pytest.mark.parametrize("access", [YES, NO, Access.grant("vendor_yes")], ids=["choices", "no", "yes"])
def test_what_was_encoded_is_found_with_its_age(access: Access) -> None:
    assert decode(encoded(access), "jane", "g1", NOW + 42) == Found(access, 42)


@pytest.mark.parametrize(("subject", "generation"), [("noah", "g1"), ("jane", "g2"), ("", "")])
def test_a_decision_about_somebody_else_or_of_before_is_none(subject: str, generation: str) -> None:
    assert decode(encoded(), subject, generation, NOW) is None


@pytest.mark.parametrize(("ahead_s", "age_s"), [(0.5, 0.0), (SKEW_S, 0.0), (-3.0, 3.0)])
def test_clocks_may_differ_a_little(ahead_s: float, age_s: float) -> None:
    assert decode(encoded(made_at=NOW + ahead_s), "jane", "g1", NOW) == Found(YES, age_s)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"yes", id="text"),
        pytest.param(b"\xff\xfe", id="bytes"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"null", id="null"),
        pytest.param(b'{"v":1}', id="nothing-but-a-version"),
        pytest.param(encoded(v=2), id="later-version"),
        pytest.param(encoded(v="1"), id="version-as-text"),
        pytest.param(encoded(access="unknown"), id="unknown-is-not-shared"),
        pytest.param(encoded(access=True), id="access-of-another-type"),
        pytest.param(encoded(access=["granted"]), id="access-in-a-list"),
        pytest.param(encoded(reason=None), id="no-reason"),
        pytest.param(encoded(choices=[["1"]]), id="half-a-choice"),
        pytest.param(encoded(choices=[[1, "x"]]), id="choice-of-another-type"),
        pytest.param(encoded(choices="1x"), id="choices-as-text"),
        pytest.param(encoded(made_at="then"), id="no-time"),
        pytest.param(encoded(made_at=float("nan")), id="not-a-number"),
        pytest.param(encoded(made_at=10**400), id="too-large"),
        pytest.param(encoded(made_at=NOW + SKEW_S + 1), id="from-the-future"),
    ],
)
def test_what_cannot_be_read_is_told_from_nothing(data: bytes) -> None:
    with pytest.raises(Unreadable):
        decode(data, "jane", "g1", NOW)


@given(st.binary(max_size=200))
def test_any_bytes_are_no_decision(data: bytes) -> None:
    with pytest.raises(Unreadable):
        decode(data, "jane", "g1", NOW)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=5), st.lists), st.sampled_from("vamrcg"))
def test_any_json_in_any_place_is_read_or_refused(value: object, place: str) -> None:
    names = {"v": "v", "a": "access", "m": "made_at", "r": "reason", "c": "choices", "g": "generation"}
    try:
        found = decode(encoded(**{names[place]: value}), "jane", "g1", NOW)
    except Unreadable:
        return
    assert found is None or found.age_s >= 0


def test_what_would_be_too_large_is_not_shared() -> None:
    choices = tuple(Choice(str(number), "x" * 100) for number in range(values.MAX_BYTES // 100))
    assert encode(Access.grant("member", choices), "jane", "g1", NOW) is None
