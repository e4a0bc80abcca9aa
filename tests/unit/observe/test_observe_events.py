from __future__ import annotations

import logging

import pytest

from portal_gateway.models import Access
from portal_gateway.observe.events import Events


def test_each_event_is_counted_under_its_own_series() -> None:
    events = Events()
    events.injected("success", "decided")
    events.injected("success", "decided")
    events.injected("success", "loader")
    events.not_injected("not_html")
    events.placement_empty("success", "denied")
    events.minted("success", "link")
    events.refused("success", "prefetch")
    events.alerted("success", "breaker_open")
    events.hooked("success", "repeated")
    assert events.counts == {
        ("injected", "success", "decided"): 2,
        ("injected", "success", "loader"): 1,
        ("not_injected", "", "not_html"): 1,
        ("placement_empty", "success", "denied"): 1,
        ("minted", "success", "link"): 1,
        ("refused", "success", "prefetch"): 1,
        ("vendor_alert", "success", "breaker_open"): 1,
        ("hook", "success", "repeated"): 1,
    }


def test_tallies_are_counted_with_the_rest_and_once() -> None:
    events = Events()
    series = ("injected", "success", "decided")
    tally = events.tally(series)
    assert events.counts == {}
    tally.number += 2
    events.injected("success", "decided")
    events.count([series])
    assert events.tally(series) is tally
    assert events.counts[series] == 4
    assert events.counts[series] == 4
    events.counts.clear()
    tally.number += 1
    assert events.counts == {series: 1}


def test_what_never_happened_counts_nothing() -> None:
    assert Events().counts["injected", "success", "decided"] == 0


@pytest.mark.parametrize(
    ("access", "event", "warns"),
    [
        pytest.param(Access.grant("vendor_yes"), "access_granted", False, id="granted"),
        pytest.param(Access.deny("vendor_no"), "access_denied", False, id="denied"),
        pytest.param(Access.unknown("vendor_busy"), "access_unknown", True, id="unknown"),
    ],
)
def test_only_an_answer_that_is_none_is_worth_a_warning(
    caplog: pytest.LogCaptureFixture, access: Access, event: str, warns: bool
) -> None:
    events = Events()
    with caplog.at_level(logging.DEBUG, "portal_gateway"):
        events.decided("success", access)
    assert events.counts == {(event, "success", access.reason): 1}
    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert lines == ([("WARNING", "portal success: no access decision (vendor_busy)")] if warns else [])


def test_a_failure_of_our_own_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    events = Events()
    with caplog.at_level(logging.ERROR, "portal_gateway"):
        try:
            raise ZeroDivisionError
        except ZeroDivisionError as error:
            events.failed(error, "template", "success")
    [record] = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError
    assert record.getMessage() == "internal error in template success"
    assert events.counts == {("internal_error", "success", "template"): 1}
