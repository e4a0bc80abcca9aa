from __future__ import annotations

import logging

import pytest

from portal_gateway.observe.events import Events
from portal_gateway.providers.alerts import Alerts
from portal_gateway.providers.refusals import ENOUGH, SLUG, Refusals


def seen(statuses: list[int]) -> int:
    """How many of the answers met with an alert."""
    events = Events()
    watch = Refusals(Alerts("success", events))
    for status in statuses:
        watch.saw(status)
    return events.counts["vendor_alert", "success", SLUG]


@pytest.mark.parametrize(
    ("statuses", "alerted"),
    [
        pytest.param([404] * (ENOUGH - 1), False, id="too few to tell"),
        pytest.param([404] * ENOUGH, True, id="all not found"),
        pytest.param([403] * ENOUGH, True, id="all forbidden"),
        pytest.param([403, 404] * ENOUGH, True, id="both"),
        pytest.param([200] + [404] * (ENOUGH - 1), True, id="all but one"),
        pytest.param([200] * 100, False, id="none"),
        pytest.param(([404] * 9 + [200]) * 20, False, id="nine of ten users have no access"),
        pytest.param([200] * 100 + [404] * 50, True, id="since something was changed"),
        pytest.param([400] * 50, False, id="no refusal"),
    ],
)
def test_an_unusual_share_is_an_alert(statuses: list[int], alerted: bool) -> None:
    assert (seen(statuses) > 0) is alerted


def test_it_is_logged_once_and_again_after_it_was_over(caplog: pytest.LogCaptureFixture) -> None:
    watch = Refusals(Alerts("success", Events()))

    def answers(status: int, count: int) -> int:
        for _ in range(count):
            watch.saw(status)
        return len(caplog.records)

    assert answers(404, 200) == 1
    assert answers(200, 10) == 1, "still most of them"
    assert answers(404, 50) == 1
    assert answers(200, 50) == 1
    assert answers(404, 50) == 2
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert "the cluster, the form of the ids and the token's permissions" in caplog.text
