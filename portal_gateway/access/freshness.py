"""How long an answer of the vendor may be used. Pure: the clock and the dice are arguments.

An explicit yes or no holds for its own TTL. In the last fifth of it, at a time that differs between users and
replicas, it is asked about again in the background, so that pages in use never wait. An old yes may still *show* a
link while the vendor cannot be asked, for a bounded time; it never signs anything. No answer at all is not a denial:
it only spares the vendor the next question for a few seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from math import inf

from portal_gateway.models import Access, Verdict

# Long enough that a vendor in trouble is not asked at each page view, short enough that nobody waits for recovery.
UNKNOWN_HOLD_S = 5.0
MAX_UNKNOWN_HOLD_S = 60.0
# The part of a TTL, at its end, over which background questions spread.
REFRESH_SHARE = 0.2


class Phase(Enum):
    """What an entry is good for at a time."""

    FRESH = "fresh"
    """Used as it is."""

    DUE = "due"
    """Used as it is, and asked about in the background."""

    STALE = "stale"
    """An old yes while the vendor is away: shown, and asked about in the background. Not for launches."""

    EXPIRED = "expired"
    """Asked about before anything is shown. What is left of an old yes counts only if there is no answer."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Seconds a granted and a denied decision hold, and seconds a granted one stays usable after that."""

    granted_s: float
    denied_s: float
    stale_s: float

    def of(self, access: Access) -> float:
        """Seconds that an explicit answer holds."""
        return self.granted_s if access.granted else self.denied_s

    def usable_s(self, access: Access) -> float:
        """Seconds after which an explicit answer is of no use to anybody."""
        return self.granted_s + self.stale_s if access.granted else self.denied_s


@dataclass(frozen=True, slots=True)
class Entry:
    """A decision with the times (of one monotonic clock, in seconds) at which it stops being of use.

    `answered` tells an explicit answer of the vendor within its TTL from what merely stands in for one.
    """

    access: Access
    made_at: float
    refresh_at: float
    fresh_until: float
    usable_until: float
    answered: bool = True


def entry_for(access: Access, lifetimes: Lifetimes, made_at: float, *, dice: float = 0.0) -> Entry:
    """The entry for an explicit answer given at `made_at`. `dice`, from 0 to 1, sets when it is due, 0 the latest."""
    ttl_s = lifetimes.of(access)
    fresh_until = made_at + ttl_s
    refresh_at = fresh_until - ttl_s * REFRESH_SHARE * dice
    return Entry(access, made_at, refresh_at, fresh_until, made_at + lifetimes.usable_s(access))


def unanswered_entry(access: Access, old: Entry | None, now: float, hold_s: float | None = None) -> Entry:
    """The entry to keep when the vendor gave no answer: UNKNOWN, or an `old` yes that is as old as it is.

    `hold_s` is how long the vendor asked us to wait with the next question.
    """
    again_at = now + (UNKNOWN_HOLD_S if hold_s is None else min(max(hold_s, 0.0), MAX_UNKNOWN_HOLD_S))
    if old is None or not is_usable_yes(old, now):
        return Entry(access, now, again_at, again_at, again_at, answered=False)
    if old.answered and now < old.fresh_until:
        return replace(old, refresh_at=min(again_at, old.fresh_until))
    stale = Access.grant("stale_yes", old.access.choices)
    fresh_until = min(again_at, old.usable_until)
    return Entry(stale, old.made_at, fresh_until, fresh_until, old.usable_until, answered=False)


def doubted(entry: Entry) -> Entry:
    """`entry` when it may have been dropped elsewhere: a yes still shows, like that of a vendor that is away."""
    return replace(entry, refresh_at=-inf, fresh_until=-inf, answered=False)


def is_usable_yes(entry: Entry, now: float) -> bool:
    """Whether `entry` may still show a link when the vendor does not answer."""
    return entry.access.verdict is Verdict.GRANTED and now < entry.usable_until


def phase(entry: Entry, now: float) -> Phase:
    """What `entry` is good for at `now`."""
    if now < entry.refresh_at:
        return Phase.FRESH
    if entry.answered:
        return Phase.DUE if now < entry.fresh_until else Phase.EXPIRED
    return Phase.STALE if is_usable_yes(entry, now) else Phase.EXPIRED
