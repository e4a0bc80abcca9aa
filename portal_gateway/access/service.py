"""Access decisions for every portal: cached, asked once at a time, dropped when they prove wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from portal_gateway.access.freshness import Entry, Freshness, Lifetimes, entry_for, freshness, stale_entry
from portal_gateway.access.memory import DecisionKey, MemoryStore
from portal_gateway.single_flight import SingleFlight
from portal_gateway.errors import IncompleteIdentity, VendorBusy, VendorError
from portal_gateway.models import Access, EndUser, Verdict
from portal_gateway.observe.events import Events
from portal_gateway.providers.base import Provider

INCOMPLETE = Access.unknown("incomplete_identity")


@dataclass(frozen=True, slots=True)
class Decision:
    """An access decision and how many seconds it still holds."""

    access: Access
    expires_in_s: float


@dataclass(frozen=True, slots=True)
class Source:
    """Where the decisions of one portal come from, and how long they hold."""

    provider: Provider
    lifetimes: Lifetimes


class AccessService:
    """Answers "has this user access to this portal?" for pages (any usable answer) and launches (a fresh one)."""

    def __init__(
        self,
        sources: Mapping[str, Source],
        store: MemoryStore,
        events: Events,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sources = dict(sources)
        self._store = store
        self._events = events
        self._clock = clock
        self._flights: SingleFlight[DecisionKey, Entry] = SingleFlight()
        # An answer asked for before something was dropped may be the very one to be dropped: it is not kept.
        self._generation = 0

    def peek(self, portal: str, user: EndUser) -> Access | None:
        """The decision if it is at hand and fresh, without waiting."""
        try:
            entry = self._store.get(self._key(portal, user))
        except IncompleteIdentity:
            return INCOMPLETE
        if entry is None or self._clock() >= entry.fresh_until:
            return None
        return entry.access

    async def decide(self, portal: str, user: EndUser, *, for_launch: bool = False) -> Decision:
        """The decision, asking the vendor if need be. Never raises: trouble is a decision of UNKNOWN.

        `for_launch` neither takes an old yes for an answer nor lets an earlier failure to answer stand.
        """
        try:
            key = self._key(portal, user)
        except IncompleteIdentity:
            return Decision(INCOMPLETE, 0.0)
        now = self._clock()
        entry = self._store.get(key)
        state = Freshness.EXPIRED if entry is None else freshness(entry, now)
        if entry is None or state is not Freshness.FRESH or (for_launch and not entry.answered):
            old_yes = entry if state is Freshness.STALE and not for_launch else None
            entry = await self._flights.run(key, lambda: self._ask(key, user, old_yes))
        return Decision(entry.access, max(0.0, entry.fresh_until - now))

    def drop(self, portal: str, user: EndUser) -> None:
        """Drop the decision for exactly this user, because acting on it failed."""
        self._generation += 1
        self._store.drop(self._key(portal, user))

    def forget(self, portal: str, user_id: str) -> int:
        """Drop all decisions about a user id; the number dropped."""
        self._generation += 1
        return self._store.forget(portal, user_id)

    async def aclose(self) -> None:
        await self._flights.aclose()

    def _key(self, portal: str, user: EndUser) -> DecisionKey:
        return DecisionKey(portal, user.id, self._sources[portal].provider.subject(user))

    async def _ask(self, key: DecisionKey, user: EndUser, old_yes: Entry | None) -> Entry:
        source = self._sources[key.portal]
        generation = self._generation
        hold_s = None
        try:
            access = await source.provider.check_access(user)
        except VendorError as error:
            hold_s = error.retry_after_s if isinstance(error, VendorBusy) else None
            access = Access.unknown(error.code)
        except IncompleteIdentity:
            access = INCOMPLETE
        except Exception:
            self._events.failed("access", key.portal)
            access = Access.unknown("internal_error")
        self._events.decided(key.portal, access)
        entry = entry_for(access, source.lifetimes, self._clock(), hold_s)
        if access.verdict is Verdict.UNKNOWN and old_yes is not None:
            entry = stale_entry(old_yes, entry)
        if generation == self._generation:
            self._store.put(key, entry)
        return entry
