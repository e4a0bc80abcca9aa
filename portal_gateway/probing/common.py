"""What goes wrong with any vendor in the same way."""

from __future__ import annotations

from collections.abc import Iterator

from portal_gateway.probing.calls import Told
from portal_gateway.probing.findings import Finding

# Tokens live a minute by default, and a vendor's clock is no better than ours.
MAX_SKEW_S = 20.0


def trouble(what: str, told: Told, remedy: str) -> Finding | None:
    """The problem if the call was not answered with 200. `remedy` says which settings decide host and credentials."""
    match told.status:
        case 200:
            return None
        case 0:
            meaning = f"is it reachable from here? {remedy}"
        case 401:
            meaning = f"our credentials are not accepted: {remedy}"
        case 403:
            meaning = f"our credentials are not allowed to do this: give the token the permission, or {remedy}"
        case 404:
            meaning = f"there is nothing at this address: {remedy}"
        case 429:
            meaning = "the vendor's limit is reached: other integrations share it; try again in a minute"
        case status if status >= 500:
            meaning = "the vendor has trouble of its own: try again later"
        case status if 300 <= status < 400:
            meaning = f"it leads elsewhere, where no credentials are sent: {remedy}"
        case _:
            meaning = remedy
    return Finding("problem", what, str(told), meaning)


def clock_finding(told: Told, consequence: str, *, decides: bool) -> Iterator[Finding]:
    """A finding if this machine's clock and the vendor's differ; `decides`: whether that breaks anything."""
    skew_s = told.clock_skew_s()
    if skew_s is not None and abs(skew_s) > MAX_SKEW_S:
        direction = "ahead of" if skew_s > 0 else "behind"
        what = f"the clock here is {abs(skew_s):.0f} s {direction} the vendor's"
        yield Finding("problem" if decides else "note", what, meaning=consequence)
