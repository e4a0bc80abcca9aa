from __future__ import annotations

import pytest
from prometheus_text import Metrics

from portal_gateway.observe.exposition import Family, Samples, added, exposition, labels, lasting

FAMILIES = {
    "requests_total": Family("counter", "Requests."),
    "open": Family("gauge", "Connections."),
    "never_total": Family("counter", "What did not happen."),
}


def test_a_page_of_metrics() -> None:
    samples: Samples = {
        "open": {"": 2.5},
        "requests_total": {'{kind="app"}': 12_345_678_901, '{kind="portal"}': 0},
    }
    assert exposition(samples, FAMILIES) == (
        "# HELP requests_total Requests.\n"
        "# TYPE requests_total counter\n"
        'requests_total{kind="app"} 12345678901\n'
        'requests_total{kind="portal"} 0\n'
        "# HELP open Connections.\n"
        "# TYPE open gauge\n"
        "open 2.5\n"
    )


def test_labels_are_escaped() -> None:
    written = labels(portal='a"b\\c\nd')
    assert written == r'{portal="a\"b\\c\nd"}'
    metrics = Metrics(exposition({"open": {written: 1}}, FAMILIES))
    assert metrics.value("open", portal=r"a\"b\\c\nd") == 1


def test_what_several_processes_counted_adds_up_and_leaves_each_as_it_was() -> None:
    one: Samples = {"requests_total": {"a": 1, "b": 2}}
    other: Samples = {"requests_total": {"b": 3}, "open": {"": 1}}
    assert added([one, other]) == {"requests_total": {"a": 1, "b": 5}, "open": {"": 1}}
    assert one == {"requests_total": {"a": 1, "b": 2}}
    assert added([]) == {}


def test_gauges_do_not_outlive_their_process() -> None:
    samples: Samples = {"requests_total": {"": 3}, "open": {"": 2}}
    assert lasting(samples, FAMILIES) == {"requests_total": {"": 3}}


@pytest.mark.parametrize(
    "text",
    [
        "a 1",
        "a 1\n",
        "# TYPE a gauge\na 1\n",
        "# HELP a A.\n# TYPE a gauge\na 1\na 1\n",
        "# HELP a A.\n# TYPE a gauge\nb 1\n",
        "# HELP a A.\n# TYPE a counter\na 1\n",
        '# HELP a A.\n# TYPE a gauge\na{b="c} 1\n',
        '# HELP a A.\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_count 1\na_sum 1\n',
        '# HELP a A.\n# TYPE a histogram\na_bucket{le="1"} 1\na_count 1\na_sum 1\n',
    ],
)
def test_the_reader_of_these_tests_refuses(text: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        Metrics(text)
