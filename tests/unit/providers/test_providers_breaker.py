from __future__ import annotations

from collections import deque

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from portal_gateway.providers.breaker import (
    FIRST_PAUSE_S,
    MAX_PAUSE_S,
    MIN_FAILURES,
    WINDOW_S,
    Breaker,
    Passage,
)

LONGEST, SHORTEST = 0.0, 1.0  # what the dice say for the longest and the shortest pause


def breaker(dice: float = LONGEST) -> Breaker:
    return Breaker(lambda: dice)


def entered(subject: Breaker, now: float) -> Passage:
    passage = subject.enter(now)
    assert passage is not None
    return passage


def call(subject: Breaker, now: float, works: bool) -> None:
    (subject.succeeded if works else subject.failed)(entered(subject, now), now)


def opened(dice: float = LONGEST, now: float = 0.0) -> Breaker:
    subject = breaker(dice)
    for _ in range(MIN_FAILURES):
        call(subject, now, False)
    assert not subject.closed
    return subject


@pytest.mark.parametrize(
    ("outcomes", "closed"),
    [
        pytest.param("", True, id="nothing yet"),
        pytest.param("-" * (MIN_FAILURES - 1), True, id="too few to tell"),
        pytest.param("-" * MIN_FAILURES, False, id="all fail"),
        pytest.param("+" * MIN_FAILURES + "-" * MIN_FAILURES, False, id="half of them fail"),
        pytest.param("+" * (MIN_FAILURES + 1) + "-" * MIN_FAILURES, True, id="less than half fail"),
        pytest.param("+-" * 50, False, id="every other fails"),
        pytest.param("++-" * 50, True, id="every third fails"),
    ],
)
def test_it_opens_on_number_and_share_of_failures(outcomes: str, closed: bool) -> None:
    subject = breaker()
    for outcome in outcomes:
        if subject.enter(0.0):
            call(subject, 0.0, outcome == "+")
    assert subject.closed is closed


def test_failures_long_ago_do_not_count() -> None:
    subject = breaker()
    for number in range(10 * MIN_FAILURES):
        call(subject, number * (WINDOW_S / (MIN_FAILURES - 1)), False)
    assert subject.closed


def test_an_hour_of_success_does_not_hide_a_failure_now() -> None:
    subject = breaker()
    for second in range(3600):
        call(subject, second, True)
    for _ in range(MIN_FAILURES + int(WINDOW_S)):
        if subject.enter(3600.0):
            call(subject, 3600.0, False)
    assert not subject.closed


def test_while_it_is_open_nothing_is_let_through() -> None:
    subject = opened()
    assert subject.refuses(FIRST_PAUSE_S - 0.001)
    assert subject.enter(FIRST_PAUSE_S - 0.001) is None


def test_after_the_pause_one_call_probes() -> None:
    subject = opened()
    assert not subject.refuses(FIRST_PAUSE_S)
    assert entered(subject, FIRST_PAUSE_S).probe
    assert subject.refuses(FIRST_PAUSE_S)
    assert [subject.enter(FIRST_PAUSE_S + later) for later in (0, 1, 3600)] == [None] * 3


def test_a_probe_that_succeeds_closes_it() -> None:
    subject = opened()
    call(subject, FIRST_PAUSE_S, True)
    assert subject.closed
    assert entered(subject, FIRST_PAUSE_S) == Passage(False, 2)


def test_after_it_closed_a_single_failure_does_not_open_it() -> None:
    subject = opened()
    call(subject, FIRST_PAUSE_S, True)
    call(subject, FIRST_PAUSE_S, False)
    assert subject.closed


def test_a_probe_whose_caller_left_makes_room_for_the_next() -> None:
    subject = opened()
    subject.abandoned(entered(subject, FIRST_PAUSE_S))
    assert not subject.closed
    assert entered(subject, FIRST_PAUSE_S).probe


def pauses(dice: float, count: int) -> list[float]:
    """How long each pause is when every probe fails at once."""
    subject, lengths, now = opened(dice), [], 0.0
    for _ in range(count):
        begun = now
        while subject.refuses(now):
            now += 0.25
        lengths.append(now - begun)
        call(subject, now, False)
    return lengths


def test_pauses_grow_to_a_bound() -> None:
    assert pauses(LONGEST, 7) == [FIRST_PAUSE_S, 10, 20, 40, MAX_PAUSE_S, MAX_PAUSE_S, MAX_PAUSE_S]


def test_dice_make_pauses_up_to_a_quarter_shorter() -> None:
    assert pauses(SHORTEST, 6) == [FIRST_PAUSE_S * 0.75, 7.5, 15, 30, MAX_PAUSE_S * 0.75, MAX_PAUSE_S * 0.75]


def test_after_a_success_pauses_are_short_again() -> None:
    subject, now = opened(), 0.0
    for pause in (5, 10, 20):
        now += pause
        call(subject, now, False)
    now += 40
    call(subject, now, True)
    for _ in range(MIN_FAILURES):
        call(subject, now, False)
    assert subject.refuses(now + FIRST_PAUSE_S - 0.001)
    assert not subject.refuses(now + FIRST_PAUSE_S)


@pytest.mark.parametrize("works", [True, False])
def test_calls_from_before_it_opened_say_nothing(works: bool) -> None:
    subject = breaker()
    late = [entered(subject, 0.0) for _ in range(MIN_FAILURES)]
    for _ in range(MIN_FAILURES):
        call(subject, 0.0, False)
    for passage in late:
        (subject.succeeded if works else subject.failed)(passage, 1.0)
        subject.abandoned(passage)
    assert not subject.refuses(FIRST_PAUSE_S)
    assert entered(subject, FIRST_PAUSE_S).probe


class AnyOrder(RuleBasedStateMachine):
    """Calls begin, end well or badly, are abandoned and overtake each other, in any order."""

    @initialize()
    def begin(self) -> None:
        self.now = 0.0
        self.breaker = Breaker(lambda: 0.5)
        self.under_way: list[Passage] = []
        self.failures: deque[float] = deque()
        self.opened_at: float | None = None

    @rule(seconds=st.floats(0, 20))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def a_call_begins(self) -> None:
        refuses = self.breaker.refuses(self.now)
        passage = self.breaker.enter(self.now)
        assert (passage is None) is refuses
        if passage:
            assert passage.probe is not self.breaker.closed
            self.under_way.append(passage)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), end=st.sampled_from(["succeeded", "failed", "failed", "abandoned"]))
    def a_call_ends(self, data: st.DataObject, end: str) -> None:
        passage = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        was_closed = self.breaker.closed
        if end == "abandoned":
            self.breaker.abandoned(passage)
            assert self.breaker.closed is was_closed
            return
        getattr(self.breaker, end)(passage, self.now)
        if end == "failed":
            self.failures.append(self.now)
            assert self.breaker.closed <= was_closed, "a failure never closes it"
        else:
            assert self.breaker.closed >= was_closed, "a success never opens it"
        if was_closed and not self.breaker.closed:
            recent = [moment for moment in self.failures if moment > self.now - WINDOW_S]
            assert len(recent) >= MIN_FAILURES
            self.opened_at = self.now
        if passage.probe and not was_closed:
            self.opened_at = self.now

    @invariant()
    def one_probe_at_a_time(self) -> None:
        if self.breaker.closed:
            return
        probes = [passage for passage in self.under_way if passage.probe and passage.period == self.breaker._period]
        assert len(probes) <= 1

    @invariant()
    def it_is_never_shut_for_good(self) -> None:
        probing = any(p.probe and p.period == self.breaker._period for p in self.under_way)
        assert probing or not self.breaker.refuses(self.now + MAX_PAUSE_S)


TestAnyOrder = AnyOrder.TestCase
