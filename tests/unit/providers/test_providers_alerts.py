from __future__ import annotations

import logging

import pytest

from portal_gateway.observe.events import Events
from portal_gateway.providers.alerts import Alerts


def test_an_alert_is_counted_each_time_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    events = Events()
    alerts = Alerts("success", events)
    for _ in range(3):
        alerts.raised("filter_ignored", "look here")
    assert events.counts["vendor_alert", "success", "filter_ignored"] == 3
    assert [(r.name, r.levelno, r.getMessage()) for r in caplog.records] == [
        ("portal_gateway.vendor", logging.WARNING, "portal success: look here")
    ]


def test_an_alert_that_ended_is_logged_when_it_begins_again(caplog: pytest.LogCaptureFixture) -> None:
    alerts = Alerts("success", Events())
    alerts.raised("refused", "no", logging.ERROR)
    alerts.cleared("refused")
    alerts.cleared("never raised")
    alerts.raised("refused", "no", logging.ERROR)
    assert len(caplog.records) == 2


def test_alerts_are_independent_of_each_other(caplog: pytest.LogCaptureFixture) -> None:
    alerts = Alerts("success", Events())
    alerts.raised("one", "1")
    alerts.raised("two", "2")
    assert len(caplog.records) == 2
