from __future__ import annotations

import inspect

import pytest
from prometheus_text import Metrics

from portal_gateway.models import Access
from portal_gateway.observe.events import Events, Tally
from portal_gateway.observe.exposition import exposition
from portal_gateway.observe.metrics import FAMILIES, event_samples, samples_of


def counted(events: Events) -> Metrics:
    return Metrics(exposition(event_samples(events.counts), FAMILIES))


def test_decisions_have_their_verdict_as_a_label() -> None:
    events = Events()
    events.decided("success", Access.grant("vendor_yes"))
    events.decided("success", Access.deny("vendor_no"))
    events.decided("success", Access.deny("vendor_no"))
    found = counted(events)
    name = "portal_gateway_decisions_total"
    assert found.value(name, portal="success", verdict="granted", reason="vendor_yes") == 1
    assert found.value(name, portal="success", verdict="denied", reason="vendor_no") == 2


@pytest.mark.parametrize(
    ("event", "name", "labels"),
    [
        ("injected", "injections_total", {"portal": "first", "mode": "second"}),
        ("vendor_called", "vendor_calls_total", {"portal": "first", "outcome": "second"}),
        ("alerted", "vendor_alerts_total", {"portal": "first", "condition": "second"}),
        ("minted", "links_signed_total", {"portal": "first", "purpose": "second"}),
        ("refused", "refusals_total", {"portal": "first", "reason": "second"}),
        ("joining", "joining_total", {"portal": "first", "outcome": "second"}),
        ("mailed", "mails_total", {"kind": "first", "outcome": "second"}),
    ],
)
def test_an_event_is_a_sample_of_its_metric(event: str, name: str, labels: dict[str, str]) -> None:
    events = Events()
    getattr(events, event)("first", "second")
    getattr(events, event)("first", "second")
    assert counted(events).value(f"portal_gateway_{name}", **labels) == 2


def test_an_event_without_a_metric_of_its_own_is_seen_all_the_same() -> None:
    events = Events()
    events.counts["new", "first", "second"] += 2
    labels = {"event": "new", "subject": "first", "outcome": "second"}
    assert counted(events).value("portal_gateway_events_total", **labels) == 2


def test_every_event_becomes_a_sample_of_a_known_metric() -> None:
    events = Events()
    for name, method in inspect.getmembers(events, callable):
        if name.startswith("_") or name == "recovered":
            continue
        given: dict[str, object] = {"access": Access.unknown("vendor_busy"), "error": ValueError("x"), "happened": ()}
        given |= {"series": ("injected", "success", "decided"), "counting": Tally()}
        method(*[given.get(parameter, parameter) for parameter in inspect.signature(method).parameters])
    assert len(events.counts) >= 14
    samples = event_samples(events.counts)
    assert sum(len(found) for found in samples.values()) == len(events.counts)
    assert samples.keys() <= FAMILIES.keys()


def test_counters_are_called_as_prometheus_wants_it() -> None:
    for name, family in FAMILIES.items():
        assert name.startswith("portal_gateway_")
        assert name.endswith("_total") is (family.kind == "counter")
        assert family.help.endswith(".")
        assert "\n" not in family.help


def test_samples_of_one_label() -> None:
    assert samples_of("reloads_total", "outcome", {"done": 2}) == {
        "portal_gateway_reloads_total": {'{outcome="done"}': 2}
    }
