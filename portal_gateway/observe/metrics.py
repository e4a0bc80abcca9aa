"""Every metric by its name: what there is to see at `/metrics`, and how events become samples.

No label holds what a request says about itself but its status, so that the number of series is bounded and nothing
personal gets in.
"""

from __future__ import annotations

from collections.abc import Mapping

from portal_gateway.observe.events import Series
from portal_gateway.observe.exposition import Family, Samples, labels

_PREFIX = "portal_gateway_"

FAMILIES: Mapping[str, Family] = {
    _PREFIX + name: family
    for name, family in {
        "info": Family("gauge", "1; the version is a label."),
        "requests_total": Family(
            "counter",
            "Requests by kind (app, portal, websocket) and class of the status; none: nobody was left to answer.",
        ),
        "requests_refused_total": Family(
            "counter",
            "Requests answered before they were requests to anybody, by status: malformed, too long, too late.",
        ),
        "request_seconds": Family("histogram", "From a request to the end of its response, websockets left out."),
        "requests_in_flight": Family("gauge", "Requests and websockets under way, by kind."),
        "injections_total": Family("counter", "Snippets put into pages, by portal and mode."),
        "left_alone_total": Family("counter", "Whole responses left alone, by reason."),
        "placements_empty_total": Family(
            "counter", "Places in eligible pages that stayed empty, by portal and reason."
        ),
        "decisions_total": Family("counter", "What vendors said when asked for access, by portal, verdict and reason."),
        "vendor_calls_total": Family("counter", "Calls to vendors, by portal and outcome."),
        "vendor_alerts_total": Family("counter", "Trouble with a vendor that needs somebody, by portal and condition."),
        "vendor_conditions": Family(
            "gauge", "Workers in which the condition lasts, by portal; breaker_open: the vendor is left alone."
        ),
        "links_signed_total": Family("counter", "Signed links handed out, by portal and purpose."),
        "refusals_total": Family("counter", "Portal routes that did not lead into the portal, by portal and reason."),
        "hook_calls_total": Family("counter", "Calls of portals' hooks, by portal and outcome."),
        "joining_total": Family("counter", "What happened at the doors by which people join, by portal and outcome."),
        "mails_total": Family("counter", "Mails, by kind and what became of them."),
        "shared_lookups_total": Family("counter", "Looks for another replica's answer, by portal and outcome."),
        "store_failures_total": Family("counter", "Calls to the shared cache that failed, by reason."),
        "internal_errors_total": Family("counter", "Failures of the gateway's own code, by portal and place."),
        "events_total": Family("counter", "All other events."),
        "upstream_failures_total": Family("counter", "Requests that an app behind did not answer, by app and code."),
        "upstream_connections": Family("gauge", "Connections to the apps behind, by app and state."),
        "log_lines_lost_total": Family("counter", "Lines of the access log that its reader did not take in time."),
        "reloads_total": Family("counter", "Configurations loaded while running, by outcome."),
        "worker_cpu_seconds_total": Family("counter", "User and system time of each worker."),
        "worker_memory_bytes": Family("gauge", "Resident memory of each worker; forked workers share a part of it."),
        "workers": Family("gauge", "Worker processes that serve."),
    }.items()
}

# Event: the metric, and what the two parts of a series beside the event's name are.
_EVENTS = {
    "injected": ("injections_total", "portal", "mode"),
    "not_injected": ("left_alone_total", "", "reason"),
    "placement_empty": ("placements_empty_total", "portal", "reason"),
    "vendor_call": ("vendor_calls_total", "portal", "outcome"),
    "vendor_alert": ("vendor_alerts_total", "portal", "condition"),
    "minted": ("links_signed_total", "portal", "purpose"),
    "refused": ("refusals_total", "portal", "reason"),
    "hook": ("hook_calls_total", "portal", "outcome"),
    "joining": ("joining_total", "portal", "outcome"),
    "mail": ("mails_total", "kind", "outcome"),
    "shared_level": ("shared_lookups_total", "portal", "outcome"),
    "store_failed": ("store_failures_total", "", "reason"),
    "internal_error": ("internal_errors_total", "portal", "place"),
}
_VERDICT = "access_"


def event_samples(counts: Mapping[Series, int]) -> Samples:
    """The samples of what `Events` counted."""
    samples: Samples = {}
    for (event, subject, reason), count in counts.items():
        if event.startswith(_VERDICT):
            family, written = (
                "decisions_total",
                labels(portal=subject, verdict=event.removeprefix(_VERDICT), reason=reason),
            )
        elif event in _EVENTS:
            family, first, second = _EVENTS[event]
            written = labels(**({first: subject} if first else {}), **{second: reason})
        else:
            family, written = "events_total", labels(event=event, subject=subject, outcome=reason)
        samples.setdefault(_PREFIX + family, {})[written] = count
    return samples


def samples_of(name: str, label: str, values: Mapping[str, float]) -> Samples:
    """The samples of a family with one label, by its values."""
    return {_PREFIX + name: {labels(**{label: key}): value for key, value in values.items()}}
