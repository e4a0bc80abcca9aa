"""Access decisions for every portal: at hand where they are known, asked once at a time, dropped when they prove wrong.

Three levels are looked at in turn: this process, what replicas share, the vendor. What each level may be used for is
told by `freshness`; the other replicas are behind `replicas`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any, TypeAlias

from portal_gateway.access.asking import BROKEN, INCOMPLETE, Question, Source
from portal_gateway.access.freshness import Entry, Phase, entry_for, phase, unanswered_entry
from portal_gateway.access.keys import DecisionKey
from portal_gateway.access.memory import MemoryLevel
from portal_gateway.access.notices import Kind
from portal_gateway.access.replicas import Replicas
from portal_gateway.access.report import Held, Report
from portal_gateway.access.shared import Answer
from portal_gateway.errors import IncompleteIdentity, VendorBusy
from portal_gateway.models import Access, EndUser, Verdict
from portal_gateway.observe.events import Events
from portal_gateway.providers.urgency import Urgency
from portal_gateway.single_flight import SingleFlight
from portal_gateway.store.base import StoreUnavailable

# How long a question goes on when nobody waits for it any more: as long as a page's waits for its turn and then for the
# vendor, who counts a call whether its answer is heard or not.
GRACE_S = 15.0
CLOSED = Access.unknown("shutting_down")
# With so many questions under way, none is asked in the background; the next page view tries again.
BUSY_FLIGHTS = 100


@dataclass(frozen=True, slots=True)
class Decision:
    """An access decision and how many seconds it still holds."""

    access: Access
    expires_in_s: float


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What was said just now, what is kept of it (perhaps an old yes, which signs nothing), and for whom first."""

    access: Access
    entry: Entry
    asked_for: Urgency


_Flight: TypeAlias = Coroutine[Any, Any, _Outcome]


class AccessService:
    """Answers "has this user access to this portal?" for pages (any usable answer) and launches (a fresh one)."""

    def __init__(
        self,
        sources: Mapping[str, Source],
        memory: MemoryLevel,
        events: Events,
        replicas: Replicas | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        dice: Callable[[], float] = random.random,
    ) -> None:
        """`replicas` are those with whom decisions are shared; `dice` gives numbers from 0 to 1."""
        self._sources = dict(sources)
        self._memory = memory
        self._events = events
        self._replicas = replicas
        self._clock = clock
        self._dice = dice
        self._flights: SingleFlight[DecisionKey, _Outcome] = SingleFlight(GRACE_S)
        self._questions: dict[DecisionKey, Question] = {}  # of the flights
        if replicas is not None:
            replicas.listen(self._heard, self._doubt)

    def peek(self, portal: str, user: EndUser) -> Access | None:
        """The decision if it may be shown now, without waiting. If it is due, it is asked about in the background."""
        try:
            entry = self._memory.recall(portal, user)
            if entry is not None and self._clock() < entry.refresh_at:
                return entry.access
            key = self._key(portal, user)
            entry = self._memory.get(key)
            return entry.access if entry is not None and self._may_show(entry, key, user) else None
        except IncompleteIdentity:
            return INCOMPLETE
        except Exception:
            return None  # `decide` says what is wrong

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
        entry = self._memory.get(key)
        if entry is not None and (entry.answered or not for_launch) and self._may_show(entry, key, user):
            return Decision(entry.access, self._left_s(entry))
        try:
            outcome = await self._answered(key, user, Urgency.LAUNCH if for_launch else Urgency.PAGE)
        except asyncio.CancelledError:
            waiter = asyncio.current_task()
            if waiter is None or waiter.cancelling():
                raise
            return Decision(CLOSED, 0.0)  # the question was cancelled, not the one who asked
        return Decision(outcome.access if for_launch else outcome.entry.access, self._left_s(outcome.entry))

    def drop(self, portal: str, user: EndUser) -> None:
        """Drop the decisions about a user, in every replica, because acting on one failed."""
        self._tell("drop", portal, user.id)
        self._forget_here(portal, user.id)

    def forget(self, portal: str, user_id: str) -> int:
        """Drop all decisions about a user id, in every replica; the number dropped in this process."""
        self._tell("forget", portal, user_id)
        self._sources[portal].provider.forget()
        return self._forget_here(portal, user_id)

    def forget_portal(self, portal: str) -> None:
        """Let nobody enter by a portal's decisions unasked, in every replica; a yes shows while it is asked about."""
        self._tell("forget_portal", portal)
        self._forget_portal_here(portal)

    async def report(self, portal: str, user: EndUser) -> Report:
        """What each level holds about the user; the vendor is not asked. Raises IncompleteIdentity."""
        key = self._key(portal, user)
        levels = []
        entry = self._memory.get(key)
        if entry is not None:
            levels.append(Held("process", entry.access, self._clock() - entry.made_at, self._left_s(entry)))
        if self._replicas is None:
            return Report(tuple(levels))
        try:
            found = await self._replicas.read(key)
        except StoreUnavailable:
            return Report(tuple(levels), unavailable=("shared",))
        if found is not None:
            ttl_s = self._sources[portal].lifetimes.of(found.access)
            levels.append(Held("shared", found.access, found.age_s, max(0.0, ttl_s - found.age_s)))
        return Report(tuple(levels))

    async def aclose(self) -> None:
        await self._flights.aclose()
        if self._replicas is not None:
            await self._replicas.aclose()

    def _key(self, portal: str, user: EndUser) -> DecisionKey:
        mark = self._replicas.mark(portal, user.id) if self._replicas is not None else ""
        return DecisionKey(portal, user.id, self._sources[portal].provider.subject(user), mark)

    def _left_s(self, entry: Entry) -> float:
        return max(0.0, entry.fresh_until - self._clock())

    def _may_show(self, entry: Entry, key: DecisionKey, user: EndUser) -> bool:
        """Whether `entry` may be shown. If it is due, it is asked about in the background."""
        now = self._clock()
        current = phase(entry, now)
        if current in (Phase.DUE, Phase.STALE) and len(self._flights) < BUSY_FLIGHTS:
            # Another replica may have asked since.
            max_age_s = now - entry.made_at - 1.0 if current is Phase.DUE else inf
            self._flights.start(key, partial(self._depart, key, user, Urgency.REFRESH, max_age_s))
        return current is not Phase.EXPIRED

    async def _answered(self, key: DecisionKey, user: EndUser, asked_for: Urgency) -> _Outcome:
        outcome = await self._joined(key, user, asked_for)
        if outcome.access.reason == VendorBusy.code and asked_for < outcome.asked_for:
            outcome = await self._joined(key, user, asked_for)  # there may be room for one who is in more of a hurry
        return outcome

    async def _joined(self, key: DecisionKey, user: EndUser, asked_for: Urgency) -> _Outcome:
        if key in self._questions:
            self._questions[key].hurry.grow(asked_for)
        return await self._flights.run(key, partial(self._depart, key, user, asked_for))

    def _depart(self, key: DecisionKey, user: EndUser, asked_for: Urgency, max_age_s: float = inf) -> _Flight:
        """A flight, with a question that those who join can hurry from now on."""
        question = Question(key.portal, user, self._sources[key.portal], self._events, asked_for)
        self._questions[key] = question
        return self._ask(key, user, question, max_age_s)

    async def _ask(self, key: DecisionKey, user: EndUser, question: Question, max_age_s: float) -> _Outcome:
        """The flight: an answer of the other replicas or the vendor, and what is kept of it."""
        try:
            if self._replicas is not None:
                answer = await self._replicas.ask_once(key, max_age_s, question)
            else:
                answer = Answer(await question.ask())
        finally:
            if self._questions.get(key) is question:
                del self._questions[key]
        now = self._clock()
        # Asked before something was dropped, it may be the very answer to be dropped.
        is_kept = self._flights.is_current(key) and not answer.forgotten
        if answer.access.verdict is Verdict.UNKNOWN:
            old = self._old(key, answer, now) if is_kept else None
            entry = unanswered_entry(answer.access, old, now, question.hold_s)
        else:
            lifetimes = self._sources[key.portal].lifetimes
            entry = entry_for(answer.access, lifetimes, now - answer.age_s, dice=self._dice())
        if is_kept:
            self._memory.put(key, user, entry)
        return _Outcome(answer.access, entry, question.asked_for)

    def _old(self, key: DecisionKey, answer: Answer, now: float) -> Entry | None:
        """What may stand in for an answer: what this process holds, or else the other replicas."""
        held = self._memory.get(key)
        if answer.old is None or (held is not None and held.access.verdict is not Verdict.UNKNOWN):
            return held
        return entry_for(answer.old.access, self._sources[key.portal].lifetimes, now - answer.old.age_s)

    def _tell(self, kind: Kind, portal: str, user_id: str = "") -> None:
        if self._replicas is not None:
            self._replicas.tell(kind, portal, user_id)

    def _forget_here(self, portal: str, user_id: str) -> int:
        self._flights.part_from(lambda key: (key.portal, key.user_id) == (portal, user_id))
        return self._memory.forget(portal, user_id)

    def _forget_portal_here(self, portal: str) -> None:
        self._sources[portal].provider.forget()
        self._flights.part_from(lambda key: key.portal == portal)
        self._memory.doubt(portal)

    def _heard(self, kind: Kind, portal: str, mark: str) -> None:
        """Another replica has dropped something."""
        if kind == "forget_portal":
            self._forget_portal_here(portal)
            return
        if kind == "forget":
            self._sources[portal].provider.forget()
        self._flights.part_from(lambda key: key.mark == mark)
        self._memory.forget_mark(mark)

    def _doubt(self) -> None:
        """Other replicas may have dropped something without our hearing of it."""
        self._flights.part_from(lambda _key: True)
        self._memory.doubt()
