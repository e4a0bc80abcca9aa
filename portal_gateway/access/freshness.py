"""How long an answer of the vendor may be used. Pure: the clock is an argument.

An explicit yes or no holds for its own TTL. An old yes may still *show* a link while the vendor cannot be asked, for
a bounded time; it never signs anything. No answer at all is not a denial: it only spares the vendor the next
question for a few seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from portal_gateway.models import Access, Verdict

# Long enough that a vendor in trouble is not asked at each page view, short enough that nobody waits for recovery.
UNKNOWN_HOLD_S = 5.0
MAX_UNKNOWN_HOLD_S = 60.0


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Seconds a granted and a denied decision hold, and seconds a granted one stays usable after that."""

    granted_s: float
    denied_s: float
    stale_s: float


@dataclass(frozen=True, slots=True)
class Entry:
    """A decision with the times (of one monotonic clock, in seconds) at which it stops being of use.

    `answered` tells an explicit answer of the vendor within its TTL from what merely stands in for one.
    """

    access: Access
    fresh_until: float
    usable_until: float
    answered: bool = True


def entry_for(access: Access, lifetimes: Lifetimes, now: float, hold_s: float | None = None) -> Entry:
    """The entry to keep for a decision made at `now`. `hold_s` is how long the vendor asked us to wait."""
    if access.verdict is Verdict.GRANTED:
        fresh_until = now + lifetimes.granted_s
        return Entry(access, fresh_until, fresh_until + lifetimes.stale_s)
    if access.verdict is Verdict.DENIED:
        return Entry(access, now + lifetimes.denied_s, now + lifetimes.denied_s)
    hold = UNKNOWN_HOLD_S if hold_s is None else min(max(hold_s, 0.0), MAX_UNKNOWN_HOLD_S)
    return Entry(access, now + hold, now + hold, answered=False)


def stale_entry(old_yes: Entry, unanswered: Entry) -> Entry:
    """An old yes that stands in while the vendor does not answer: as old as it is, asked about again as soon."""
    fresh_until = min(unanswered.fresh_until, old_yes.usable_until)
    access = Access.grant("stale_yes", old_yes.access.choices)
    return Entry(access, fresh_until, old_yes.usable_until, answered=False)


def is_usable_yes(entry: Entry, now: float) -> bool:
    """Whether `entry` may still show a link when the vendor does not answer."""
    return entry.access.verdict is Verdict.GRANTED and now < entry.usable_until
