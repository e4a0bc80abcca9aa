"""Access decisions for every portal: cached, asked once at a time, dropped when they prove wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from portal_gateway.access.freshness import Entry, Lifetimes, entry_for, is_usable_yes, stale_entry
from portal_gateway.access.memory import DecisionKey, MemoryStore
from portal_gateway.errors import IncompleteIdentity, VendorBusy, VendorError
from portal_gateway.models import Access, EndUser, Verdict
from portal_gateway.observe.events import Events
from portal_gateway.providers.base import Provider
from portal_gateway.single_flight import SingleFlight

INCOMPLETE = Access.unknown("incomplete_identity")
BROKEN = Access.unknown("internal_error")
CLOSED = Access.unknown("shutting_down")


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


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the vendor said just now, and what is kept of it: perhaps an old yes, which never signs anything."""

    access: Access
    entry: Entry


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
        # An answer asked for before something was dropped may be the very one to be dropped: it is not kept, and
        # nobody who comes later joins that flight.
        self._generation = 0
        self._flights: SingleFlight[tuple[int, DecisionKey], _Answer] = SingleFlight()

    def peek(self, portal: str, user: EndUser) -> Access | None:
        """The decision if it is at hand and fresh, without waiting."""
        try:
            entry = self._store.get(self._key(portal, user))
        except IncompleteIdentity:
            return INCOMPLETE
        except Exception:
            return None  # `decide` says what is wrong
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
        except Exception as error:
            self._events.failed(error, "access", portal)
            return Decision(BROKEN, 0.0)
        now = self._clock()
        entry = self._store.get(key)
        if entry is not None and now < entry.fresh_until and (entry.answered or not for_launch):
            return Decision(entry.access, entry.fresh_until - now)
        generation = self._generation
        try:
            answer = await self._flights.run((generation, key), lambda: self._ask(key, user, generation))
        except asyncio.CancelledError:
            waiter = asyncio.current_task()
            if waiter is None or waiter.cancelling():
                raise
            return Decision(CLOSED, 0.0)  # the question was cancelled, not the one who asked
        access = answer.access if for_launch else answer.entry.access
        return Decision(access, max(0.0, answer.entry.fresh_until - self._clock()))

    def drop(self, portal: str, user: EndUser) -> None:
        """Drop the decision for exactly this user, because acting on it failed."""
        self._generation += 1
        self._store.drop(self._key(portal, user))

    def forget(self, portal: str, user_id: str) -> int:
        """Drop all decisions about a user id; the number dropped."""
        self._generation += 1
        self._sources[portal].provider.forget()
        return self._store.forget(portal, user_id)

    async def aclose(self) -> None:
        await self._flights.aclose()

    def _key(self, portal: str, user: EndUser) -> DecisionKey:
        return DecisionKey(portal, user.id, self._sources[portal].provider.subject(user))

    async def _ask(self, key: DecisionKey, user: EndUser, generation: int) -> _Answer:
        source = self._sources[key.portal]
        hold_s = None
        try:
            access = await source.provider.check_access(user)
        except VendorError as error:
            hold_s = error.retry_after_s if isinstance(error, VendorBusy) else None
            access = Access.unknown(error.code)
        except IncompleteIdentity:
            access = INCOMPLETE
        except Exception as error:
            self._events.failed(error, "access", key.portal)
            access = BROKEN
        self._events.decided(key.portal, access)
        now = self._clock()
        entry = entry_for(access, source.lifetimes, now, hold_s)
        if generation != self._generation:
            return _Answer(access, entry)
        old = self._store.get(key)
        if access.verdict is Verdict.UNKNOWN and old is not None and is_usable_yes(old, now):
            entry = stale_entry(old, entry)
        self._store.put(key, entry)
        return _Answer(access, entry)
