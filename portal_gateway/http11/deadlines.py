"""Time-outs of all connections by one timer.

A look at each of them a few times a second costs less than a timer that is set and cancelled with every request.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

TICK_S: Final = 0.25


class Expiring(Protocol):
    """What has deadlines of its own."""

    def check(self, now: float) -> None:
        """Act on deadlines that have passed at `now`, the event loop's time."""


class Deadlines:
    """Calls `check` of each member a few times a second. Belongs to one event loop; rests while it has no members."""

    def __init__(self) -> None:
        self._members: set[Expiring] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, member: Expiring) -> None:
        self._members.add(member)
        if self._timer is None:
            self._start()

    def discard(self, member: Expiring) -> None:
        self._members.discard(member)

    def _tick(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for member in tuple(self._members):
            member.check(now)
        if self._members:
            self._start()

    def _start(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)
