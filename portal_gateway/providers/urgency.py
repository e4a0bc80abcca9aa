"""Who waits for a call to a vendor: it decides which call goes next when the rate limit makes some of them wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from enum import IntEnum


class Urgency(IntEnum):
    """The lower, the sooner."""

    LAUNCH = 0
    """A person has clicked."""

    PAGE = 1
    """A page is being shown, and goes out without the answer if that is late."""

    REFRESH = 2
    """Nobody waits."""


class Hurry:
    """How urgent a question is by now: a person who clicks may join one that was begun while nobody waited."""

    def __init__(self, urgency: Urgency) -> None:
        self.urgency = urgency
        self._watchers: set[Callable[[], None]] = set()

    def grow(self, urgency: Urgency) -> None:
        """Somebody who is so urgent waits too."""
        if urgency < self.urgency:
            self.urgency = urgency
            for watcher in list(self._watchers):
                watcher()

    @contextmanager
    def watched(self, watcher: Callable[[], None]) -> Iterator[None]:
        """Within the block, call `watcher` whenever it has grown."""
        self._watchers.add(watcher)
        try:
            yield
        finally:
            self._watchers.discard(watcher)

    async def sleep(self, seconds: float) -> None:
        """Sleep so long, or until it grows."""
        grown = asyncio.Event()
        with self.watched(grown.set), suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await grown.wait()


hurry: ContextVar[Hurry] = ContextVar("hurry", default=Hurry(Urgency.LAUNCH))  # noqa: B039 (it cannot grow)
"""That of the calls a task makes. The tasks that it starts share it, so theirs grows too."""


class _Current:
    """The urgency of the calls that are made now."""

    def get(self) -> Urgency:
        return hurry.get().urgency

    def set(self, urgency: Urgency) -> None:
        hurry.set(Hurry(urgency))


urgency = _Current()
