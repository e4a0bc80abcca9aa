from __future__ import annotations

import pytest

from portal_gateway.mail.pace import Pace

PACE = Pace(first_retry_s=5, last_retry_s=600, first_reconnect_s=1, last_reconnect_s=60)


@pytest.mark.parametrize(
    ("waited_s", "expected_s"),
    [
        pytest.param(-3, 5, id="clocks-differ"),
        pytest.param(0, 5, id="at-first"),
        pytest.param(100, 50, id="half-the-time-waited"),
        pytest.param(86_400, 600, id="at-most"),
    ],
)
def test_a_mail_is_tried_less_and_less_often(waited_s: float, expected_s: float) -> None:
    assert 0.75 * expected_s <= PACE.retry_s(waited_s) <= 1.25 * expected_s


@pytest.mark.parametrize(("failures", "expected_s"), [(1, 1), (2, 2), (5, 16), (7, 60), (10_000, 60)])
def test_a_server_that_is_away_is_tried_less_and_less_often(failures: int, expected_s: float) -> None:
    assert 0.75 * expected_s <= PACE.reconnect_s(failures) <= 1.25 * expected_s


def test_replicas_do_not_come_back_together() -> None:
    assert len({PACE.retry_s(100) for _ in range(20)}) > 1
