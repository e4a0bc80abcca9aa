from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal_gateway.access.freshness import (
    MAX_UNKNOWN_HOLD_S,
    UNKNOWN_HOLD_S,
    Entry,
    Lifetimes,
    entry_for,
    is_usable_yes,
    stale_entry,
)
from portal_gateway.models import Access, Choice

NOW = 1000.0
LIFETIMES = Lifetimes(granted_s=300, denied_s=60, stale_s=3600)
YES, NO, UNKNOWN = Access.grant("vendor_yes"), Access.deny("vendor_no"), Access.unknown("vendor_busy")


@pytest.mark.parametrize(
    ("access", "hold_s", "fresh_s", "usable_s", "answered"),
    [
        pytest.param(YES, None, 300, 3900, True, id="granted"),
        pytest.param(NO, None, 60, 60, True, id="denied-is-never-stale"),
        pytest.param(UNKNOWN, None, UNKNOWN_HOLD_S, UNKNOWN_HOLD_S, False, id="unknown"),
        pytest.param(UNKNOWN, 20.0, 20, 20, False, id="unknown-as-long-as-the-vendor-says"),
        pytest.param(UNKNOWN, 3600.0, MAX_UNKNOWN_HOLD_S, MAX_UNKNOWN_HOLD_S, False, id="but-not-for-an-hour"),
        pytest.param(UNKNOWN, 0.0, 0, 0, False, id="at-once"),
        pytest.param(UNKNOWN, -5.0, 0, 0, False, id="in-the-past"),
        pytest.param(YES, 20.0, 300, 3900, True, id="the-hold-is-for-unknown-only"),
    ],
)
def test_lifetimes(access: Access, hold_s: float | None, fresh_s: float, usable_s: float, answered: bool) -> None:
    assert entry_for(access, LIFETIMES, NOW, hold_s) == Entry(access, NOW + fresh_s, NOW + usable_s, answered)


@pytest.mark.parametrize(
    ("access", "at", "usable"),
    [
        pytest.param(YES, 0.0, True, id="fresh-yes"),
        pytest.param(YES, 300.0, True, id="stale-yes"),
        pytest.param(YES, 3899.9, True, id="last-moment"),
        pytest.param(YES, 3900.0, False, id="expired-yes"),
        pytest.param(NO, 0.0, False, id="a-no"),
        pytest.param(UNKNOWN, 0.0, False, id="unknown"),
    ],
)
def test_only_a_yes_stays_usable_and_not_for_ever(access: Access, at: float, usable: bool) -> None:
    assert is_usable_yes(entry_for(access, LIFETIMES, NOW), NOW + at) is usable


def test_an_old_yes_stands_in_until_the_next_question_and_no_longer_than_it_would_have() -> None:
    choices = (Choice("1", "Roll-out"), Choice("2", "Support"))
    old = entry_for(Access.grant("member", choices), LIFETIMES, NOW)
    stand_in = stale_entry(old, entry_for(UNKNOWN, LIFETIMES, NOW + 400))
    assert stand_in == Entry(Access.grant("stale_yes", choices), NOW + 405, NOW + 3900, answered=False)
    late = stale_entry(old, entry_for(UNKNOWN, LIFETIMES, NOW + 3898))
    assert late.fresh_until == late.usable_until == NOW + 3900


@given(st.lists(st.floats(0, 600), max_size=30))
def test_however_often_the_vendor_fails_an_old_yes_grows_no_younger(pauses: list[float]) -> None:
    entry = entry_for(YES, LIFETIMES, NOW)
    end, now = entry.usable_until, NOW
    for pause in pauses:
        now += pause
        if not is_usable_yes(entry, now):
            assert now >= end
            return
        entry = stale_entry(entry, entry_for(UNKNOWN, LIFETIMES, now))
        assert entry.usable_until == end
        assert entry.fresh_until <= end
        assert not entry.answered
