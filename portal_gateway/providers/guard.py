"""What stands between us and a vendor's API: the rate limits, the circuit breaker, and the second try.

Rules of this file
- While the breaker is open nothing is sent and nothing is waited for, except that a person's click gets the answer of a
  call that left before.
- Only what the vendor may be asked twice is asked twice, once more, and only after a failure that came quickly; a mint
  only if the vendor surely has not got it. A second try takes a turn of its own, and is dropped if that means waiting.
- An answer of any status but 5xx shows that the vendor is there: a refusal of one user, or of us, opens nothing.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import TypeVar

from portal_gateway.errors import BreakerOpen, GatewayError, VendorBusy, VendorUnavailable, VendorUnreadable
from portal_gateway.providers.alerts import Alerts
from portal_gateway.providers.breaker import Breaker, Passage
from portal_gateway.providers.limiter import MAX_WAIT_S, Limiter, loop_time
from portal_gateway.providers.pause import Pause
from portal_gateway.providers.urgency import Hurry, Urgency, hurry
from portal_gateway.store.base import Store
from portal_gateway.store.memory import MemoryStore

# Long enough for a proxy of the vendor to have chosen another machine.
RETRY_PAUSE_S = (0.05, 0.25)
# What a second try may wait for its turn.
NO_WAIT_S = dict.fromkeys(Urgency, 0.0)
# The window of a rate limit.
BUSY_FOR_S = 60.0

Result = TypeVar("Result")


class Kind(Enum):
    """What a call is to the vendor."""

    READ = "read"
    LIST = "list"
    """Vendors limit lists more than other reads."""

    MINT = "mint"
    """Makes something: may not be made twice."""


class Guard:
    """Guards the calls of one portal."""

    def __init__(
        self,
        portal: str,
        alerts: Alerts,
        *,
        timeout_s: float,
        per_minute: int,
        lists_per_minute: int | None = None,
        store: Store | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`timeout_s` bounds a call with its second try, from when it first leaves. Those who share the `store` keep
        the limits together. `clock` tells epoch seconds.
        """
        store = MemoryStore(clock=loop_time) if store is None else store
        self._alerts = alerts
        self._timeout_s = timeout_s
        self._breaker = Breaker()
        self._busy_until = 0.0
        self._under_way: dict[asyncio.Timeout, Hurry] = {}
        self._pause = Pause(portal, store, clock)
        everything = Limiter(portal, per_minute, self._pause, store)
        # The scarcer first, so that whoever gets no turn has used up none of the other.
        lists = [Limiter(f"{portal}:lists", lists_per_minute, self._pause, store)] if lists_per_minute else []
        self._limiters = {Kind.READ: [everything], Kind.MINT: [everything], Kind.LIST: [*lists, everything]}

    async def run(self, call: Callable[[], Awaitable[Result]], kind: Kind = Kind.READ) -> Result:
        """The result of `call`, which asks the vendor once and reads the answer. Raises VendorError and what it raises.

        How long it may wait for its turn depends on `hurry`.
        """
        if self._breaker.refuses(loop_time()):
            raise BreakerOpen
        await self._first_turn(kind)
        deadline = loop_time() + self._timeout_s
        try:
            return await self._attempt(call, deadline)
        except VendorUnavailable as error:
            quick = loop_time() < deadline - self._timeout_s / 2
            repeatable = kind is not Kind.MINT or not error.sent
            if not (quick and repeatable and self._breaker.closed):
                raise
            failure = error
        await asyncio.sleep(random.uniform(*RETRY_PAUSE_S))  # noqa: S311
        try:
            await self._turn(kind, NO_WAIT_S)
        except VendorBusy:
            raise failure from None
        return await self._attempt(call, deadline)

    async def aclose(self) -> None:
        """Whoever waits for a turn is cancelled."""
        for limiter in self._limiters[Kind.LIST]:
            await limiter.aclose()

    async def _first_turn(self, kind: Kind) -> None:
        try:
            await self._turn(kind, MAX_WAIT_S)
        except VendorBusy:
            self._noticed_busy("our own rate limit leaves no room for all calls: some are not made")
            raise
        if loop_time() > self._busy_until:
            self._alerts.cleared("rate_limit")

    async def _turn(self, kind: Kind, max_wait_s: Mapping[Urgency, float]) -> None:
        for limiter in self._limiters[kind]:
            await limiter.turn(hurry.get(), max_wait_s)

    async def _attempt(self, call: Callable[[], Awaitable[Result]], deadline: float) -> Result:
        passage = self._breaker.enter(loop_time())
        if passage is None:
            raise BreakerOpen
        limit = asyncio.timeout_at(deadline)
        try:
            result = await self._called(call, limit)
        except TimeoutError:
            if limit.when() != deadline:
                raise BreakerOpen from None  # not this call's own failure
            self._failed(passage)
            raise VendorUnavailable(f"the vendor did not answer within {self._timeout_s:g} s") from None
        except (VendorUnavailable, VendorUnreadable):
            self._failed(passage)
            raise
        except VendorBusy as busy:
            self._answered(passage)
            self._noticed_busy("the vendor's rate limit is reached (429): do others use it up?")
            await self._pause.begin(busy.retry_after_s)
            raise
        except GatewayError:
            self._answered(passage)
            raise
        except BaseException:
            self._breaker.abandoned(passage)
            raise
        self._answered(passage)
        return result

    async def _called(self, call: Callable[[], Awaitable[Result]], limit: asyncio.Timeout) -> Result:
        self._under_way[limit] = hurry.get()
        try:
            async with limit:
                return await call()
        finally:
            del self._under_way[limit]  # a limit that is over cannot be brought forward

    def _answered(self, passage: Passage) -> None:
        self._breaker.succeeded(passage, loop_time())
        if self._breaker.closed:
            self._alerts.cleared("breaker_open")

    def _failed(self, passage: Passage) -> None:
        self._breaker.failed(passage, loop_time())
        if not self._breaker.closed:
            self._leave_alone()
            self._alerts.raised(
                "breaker_open", "the vendor fails and is left alone; single calls try whether it is back"
            )

    def _leave_alone(self) -> None:
        """Let nobody wait for what the vendor is not asked now, or has not answered yet."""
        for limiter in self._limiters[Kind.LIST]:
            limiter.dismiss(BreakerOpen)
        for limit, waiting in self._under_way.items():
            if waiting.urgency is not Urgency.LAUNCH and not limit.expired():
                limit.reschedule(loop_time())

    def _noticed_busy(self, message: str) -> None:
        # Calls that get through in between do not end it.
        self._busy_until = loop_time() + BUSY_FOR_S
        self._alerts.raised("rate_limit", message)
