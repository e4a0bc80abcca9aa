from __future__ import annotations

import pytest
from store_kit import Clock

from portal_gateway.observe.events import Events
from portal_gateway.store.redis_connection import ConnectionLost
from portal_gateway.store.redis_trouble import COOL_DOWN_S, FAILURES_TO_COOL_DOWN, Trouble

LOST = ConnectionLost("timeout", "no answer in time")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def trouble(events: Events, clock: Clock) -> Trouble:
    return Trouble("redis://cache:6379/0", events, clock)


def lose(trouble: Trouble, times: int) -> None:
    for _ in range(times):
        trouble.lost(LOST)


def test_without_trouble_every_call_may_try(trouble: Trouble) -> None:
    assert not trouble.present
    assert trouble.admits()


def test_a_few_failures_stop_nobody(trouble: Trouble) -> None:
    lose(trouble, FAILURES_TO_COOL_DOWN - 1)
    assert trouble.present
    assert all(trouble.admits() for _ in range(10))


def test_then_one_call_at_a_time_tries(trouble: Trouble, clock: Clock, events: Events) -> None:
    lose(trouble, FAILURES_TO_COOL_DOWN)
    assert not trouble.admits()
    clock.now += COOL_DOWN_S
    assert [trouble.admits() for _ in range(3)] == [True, False, False]
    clock.now += COOL_DOWN_S  # the one that tried was cancelled, or takes long
    assert [trouble.admits() for _ in range(3)] == [True, False, False]
    assert events.counts["store_failed", "", "cool_down"] == 5


def test_a_failed_try_begins_the_cool_down_anew(trouble: Trouble, clock: Clock) -> None:
    lose(trouble, FAILURES_TO_COOL_DOWN)
    clock.now += COOL_DOWN_S
    assert trouble.admits()
    clock.now += 0.5
    trouble.lost(LOST)
    clock.now += COOL_DOWN_S - 0.01
    assert not trouble.admits()
    clock.now += 0.01
    assert trouble.admits()


@pytest.mark.parametrize("refused", [False, True])
def test_an_answer_ends_it(trouble: Trouble, refused: bool) -> None:
    lose(trouble, FAILURES_TO_COOL_DOWN)
    if refused:  # "no" is an answer too
        trouble.refused("put", "OOM")
    else:
        trouble.over("get")
        assert not trouble.present
    assert all(trouble.admits() for _ in range(10))


def test_it_is_logged_when_it_begins_and_when_it_ends(
    trouble: Trouble, clock: Clock, events: Events, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        caplog.clear()
        lose(trouble, 20)
        clock.now += 90
        trouble.over("get")
        trouble.over("get")
        assert caplog.messages == [
            "redis://cache:6379/0 is away: no answer in time",
            "redis://cache:6379/0 is back after 90.0 s",
        ]
    assert events.counts["store_failed", "", "timeout"] == 40


def test_refusals_are_over_when_what_was_refused_is_done(trouble: Trouble, caplog: pytest.LogCaptureFixture) -> None:
    trouble.refused("put", "OOM")
    trouble.refused("put", "OOM")
    trouble.refused("spend", "OOM")
    trouble.over("get")
    trouble.over("put")
    assert trouble.present
    trouble.over("spend")
    assert not trouble.present
    assert caplog.messages == [
        "redis://cache:6379/0 refuses put: OOM",
        "redis://cache:6379/0 no longer refuses anything",
    ]
