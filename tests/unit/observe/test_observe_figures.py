from __future__ import annotations

import pytest
from prometheus_text import Metrics

from portal_gateway.observe.exposition import exposition
from portal_gateway.observe.figures import BUCKETS_S, RequestFigures
from portal_gateway.observe.metrics import FAMILIES

REQUESTS, SECONDS, IN_FLIGHT = (
    f"portal_gateway_{name}" for name in ("requests_total", "request_seconds", "requests_in_flight")
)


def metrics(figures: RequestFigures) -> Metrics:
    return Metrics(exposition(figures.samples(), FAMILIES))


def test_requests_by_class_of_their_status() -> None:
    figures = RequestFigures("app")
    for status in (200, 204, 304, 404, 502, 0):
        figures.in_flight += 1
        figures.ended(status, 0.001)
    found = metrics(figures)
    classes = {name: found.value(REQUESTS, kind="app", status=name) for name in ("2xx", "3xx", "4xx", "5xx", "none")}
    assert classes == {"2xx": 2, "3xx": 1, "4xx": 1, "5xx": 1, "none": 1}
    assert found.value(IN_FLIGHT, kind="app") == 0


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.0011, 0.3, 10.0, 11.0])
def test_a_duration_is_in_all_buckets_that_it_is_not_above(seconds: float) -> None:
    figures = RequestFigures("app")
    figures.ended(200, seconds)
    found = metrics(figures)
    for bound in BUCKETS_S:
        assert found.value(f"{SECONDS}_bucket", le=str(bound)) == (seconds <= bound)
    assert found.value(f"{SECONDS}_bucket", le="+Inf") == 1
    assert found.value(f"{SECONDS}_sum") == seconds


def test_websockets_are_counted_and_not_timed() -> None:
    figures = RequestFigures("websocket", timed=False)
    figures.in_flight += 2
    figures.ended(101, 3600.0)
    found = metrics(figures)
    assert found.value(REQUESTS, kind="websocket", status="1xx") == 1
    assert found.value(IN_FLIGHT, kind="websocket") == 1
    assert SECONDS not in found.kinds
