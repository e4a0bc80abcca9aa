from __future__ import annotations

from dataclasses import dataclass
from math import inf

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from portal_gateway.access.freshness import (
    MAX_UNKNOWN_HOLD_S,
    REFRESH_SHARE,
    UNKNOWN_HOLD_S,
    Entry,
    Lifetimes,
    Phase,
    doubted,
    entry_for,
    is_usable_yes,
    phase,
    unanswered_entry,
)
from portal_gateway.models import Access, Choice

NOW = 1000.0
LIFETIMES = Lifetimes(granted_s=300, denied_s=60, stale_s=3600)
YES, NO, UNKNOWN = Access.grant("vendor_yes"), Access.deny("vendor_no"), Access.unknown("vendor_busy")


@pytest.mark.parametrize(
    ("access", "dice", "refresh_s", "fresh_s", "usable_s"),
    [
        pytest.param(YES, 0.0, 300, 300, 3900, id="granted"),
        pytest.param(YES, 1.0, 240, 300, 3900, id="granted-asked-about-at-the-earliest"),
        pytest.param(YES, 0.5, 270, 300, 3900, id="granted-asked-about-in-between"),
        pytest.param(NO, 0.0, 60, 60, 60, id="denied-is-never-stale"),
        pytest.param(NO, 1.0, 48, 60, 60, id="denied-asked-about-early"),
    ],
)
def test_lifetimes_of_an_answer(access: Access, dice: float, refresh_s: float, fresh_s: float, usable_s: float) -> None:
    entry = entry_for(access, LIFETIMES, NOW, dice=dice)
    assert entry == Entry(access, NOW, NOW + refresh_s, NOW + fresh_s, NOW + usable_s)


@pytest.mark.parametrize(
    ("hold_s", "held_s"),
    [
        pytest.param(None, UNKNOWN_HOLD_S, id="by-default"),
        pytest.param(20.0, 20.0, id="as-long-as-the-vendor-says"),
        pytest.param(3600.0, MAX_UNKNOWN_HOLD_S, id="but-not-for-an-hour"),
        pytest.param(0.0, 0.0, id="at-once"),
        pytest.param(-5.0, 0.0, id="in-the-past"),
    ],
)
def test_no_answer_holds_until_the_next_question(hold_s: float | None, held_s: float) -> None:
    again_at = NOW + held_s
    assert unanswered_entry(UNKNOWN, None, NOW, hold_s) == Entry(UNKNOWN, NOW, again_at, again_at, again_at, False)


@pytest.mark.parametrize(
    ("access", "at", "expected"),
    [
        pytest.param(YES, 0, Phase.FRESH, id="yes-at-once"),
        pytest.param(YES, 239.9, Phase.FRESH, id="yes-before-it-is-due"),
        pytest.param(YES, 240, Phase.DUE, id="yes-due"),
        pytest.param(YES, 299.9, Phase.DUE, id="yes-at-the-last-moment"),
        pytest.param(YES, 300, Phase.EXPIRED, id="yes-past-its-ttl"),
        pytest.param(NO, 47.9, Phase.FRESH, id="no"),
        pytest.param(NO, 48, Phase.DUE, id="no-due"),
        pytest.param(NO, 60, Phase.EXPIRED, id="no-past-its-ttl"),
    ],
)
def test_phases_of_an_answer(access: Access, at: float, expected: Phase) -> None:
    assert phase(entry_for(access, LIFETIMES, NOW, dice=1.0), NOW + at) is expected


@pytest.mark.parametrize(
    ("old", "at", "expected"),
    [
        pytest.param(None, 4.9, Phase.FRESH, id="nothing-known-and-asked-lately"),
        pytest.param(None, 5, Phase.EXPIRED, id="nothing-known"),
        pytest.param(YES, 4.9, Phase.FRESH, id="old-yes-and-asked-lately"),
        pytest.param(YES, 5, Phase.STALE, id="old-yes"),
        pytest.param(YES, 3499.9, Phase.STALE, id="old-yes-at-the-last-moment"),
        pytest.param(YES, 3500, Phase.EXPIRED, id="old-yes-past-its-time"),
        pytest.param(NO, 5, Phase.EXPIRED, id="old-no"),
    ],
)
def test_phases_while_the_vendor_is_away(old: Access | None, at: float, expected: Phase) -> None:
    held = entry_for(old, LIFETIMES, NOW - 400) if old is not None else None
    assert phase(unanswered_entry(UNKNOWN, held, NOW), NOW + at) is expected


def test_an_old_yes_stands_in_and_no_longer_than_it_would_have() -> None:
    choices = (Choice("1", "Roll-out"), Choice("2", "Support"))
    old = entry_for(Access.grant("member", choices), LIFETIMES, NOW)
    stand_in = unanswered_entry(UNKNOWN, old, NOW + 400)
    stale = Access.grant("stale_yes", choices)
    assert stand_in == Entry(stale, NOW, NOW + 405, NOW + 405, NOW + 3900, answered=False)
    late = unanswered_entry(UNKNOWN, old, NOW + 3898)
    assert late.fresh_until == late.usable_until == NOW + 3900


def test_a_background_question_without_answer_only_puts_off_the_next() -> None:
    old = entry_for(YES, LIFETIMES, NOW, dice=1.0)
    held = unanswered_entry(UNKNOWN, old, NOW + 250)
    assert held == Entry(YES, NOW, NOW + 255, NOW + 300, NOW + 3900, answered=True)
    assert unanswered_entry(UNKNOWN, old, NOW + 299).refresh_at == NOW + 300


@pytest.mark.parametrize(
    ("access", "at", "expected"),
    [
        pytest.param(YES, 1, Phase.STALE, id="yes-still-shows"),
        pytest.param(YES, 3900, Phase.EXPIRED, id="yes-not-for-ever"),
        pytest.param(NO, 1, Phase.EXPIRED, id="no-is-asked-about"),
    ],
)
def test_what_is_in_doubt(access: Access, at: float, expected: Phase) -> None:
    entry = doubted(entry_for(access, LIFETIMES, NOW))
    assert phase(entry, NOW + at) is expected
    assert not entry.answered
    assert entry.fresh_until == -inf


@given(st.floats(0, 1), st.floats(0.1, 1e6), st.floats(0, 1e6))
def test_due_times_spread_over_the_end_of_the_ttl(dice: float, ttl_s: float, made_at: float) -> None:
    entry = entry_for(YES, Lifetimes(ttl_s, 1, 0), made_at, dice=dice)
    assert entry.made_at <= entry.refresh_at <= entry.fresh_until <= entry.usable_until
    assert entry.fresh_until - entry.refresh_at <= ttl_s * REFRESH_SHARE * 1.001


@dataclass
class Model:
    """What a person would say: when the last explicit answer was given, and whether somebody got none since."""

    verdict: Access | None = None
    given_at: float = 0.0
    silent_since_expiry: bool = False
    asked_in_vain_at: float = -inf


class EventOrders(RuleBasedStateMachine):
    """Answers, failures and time in any order, compared with the model."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.entry: Entry | None = None
        self.model = Model()

    @rule(seconds=st.one_of(st.sampled_from([0.0, 5.0, 48.0, 60.0, 240.0, 300.0, 3600.0]), st.floats(0, 4000)))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(access=st.sampled_from([YES, NO]), dice=st.floats(0, 1))
    def answer(self, access: Access, dice: float) -> None:
        self.entry = entry_for(access, LIFETIMES, self.now, dice=dice)
        self.model = Model(access, self.now)

    @rule()
    def no_answer(self) -> None:
        self.entry = unanswered_entry(UNKNOWN, self.entry, self.now)
        model = self.model
        model.asked_in_vain_at = self.now
        if model.verdict is not None and self.now >= model.given_at + LIFETIMES.of(model.verdict):
            model.silent_since_expiry = True
            if model.verdict is NO or self.now >= model.given_at + 3900:
                model.verdict = None

    @rule()
    def lost_messages(self) -> None:
        if self.entry is not None:
            self.entry = doubted(self.entry)
            self.model.silent_since_expiry = True
            self.model.asked_in_vain_at = -inf

    @invariant()
    def shows_a_yes_only_while_one_is_young_enough(self) -> None:
        if self.entry is None or phase(self.entry, self.now) is Phase.EXPIRED or not self.entry.access.granted:
            return
        assert self.model.verdict is YES
        assert self.now < self.model.given_at + 3900

    @invariant()
    def signs_only_within_the_ttl_of_an_answer(self) -> None:
        if self.entry is None or not self.entry.answered or phase(self.entry, self.now) is Phase.EXPIRED:
            return
        assert self.model.verdict is not None
        assert self.entry.access == self.model.verdict
        assert self.now < self.model.given_at + LIFETIMES.of(self.model.verdict)
        assert not self.model.silent_since_expiry

    @invariant()
    def keeps_showing_a_yes_while_nobody_answers(self) -> None:
        model = self.model
        if model.verdict is YES and self.now < model.given_at + 3900:
            assert self.entry is not None
            assert is_usable_yes(self.entry, self.now)
            if self.now < model.given_at + 300 or model.silent_since_expiry:
                assert phase(self.entry, self.now) is not Phase.EXPIRED

    @invariant()
    def asks_again_soon(self) -> None:
        if self.entry is not None and self.now >= self.model.given_at + 300:
            asked_lately = self.now < self.model.asked_in_vain_at + UNKNOWN_HOLD_S
            assert (phase(self.entry, self.now) is Phase.FRESH) <= asked_lately


TestEventOrders = EventOrders.TestCase
TestEventOrders.settings = hypothesis_settings(max_examples=150, stateful_step_count=25, deadline=None)
