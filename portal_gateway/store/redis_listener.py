"""Hearing what other replicas publish, over a connection of its own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from portal_gateway.store.redis_connection import ConnectionLost, Heard, RedisConnection, Refused
from portal_gateway.store.redis_link import Dialer
from portal_gateway.store.redis_trouble import Trouble

# A connection whose other end is gone without a word looks like one on which nothing is published: so it is asked.
PING_EVERY_S = 1.0
PING_TIMEOUT_S = 1.0
# Between attempts to connect: after the first that failed, and never longer than.
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0


class Listener:
    """Subscribes to `channel`, and does so again whenever the connection is lost."""

    def __init__(self, dial: Dialer, channel: str, trouble: Trouble) -> None:
        self._dial = dial
        self._channel = channel
        self._trouble = trouble
        self._listeners: list[tuple[Heard, Callable[[], None]]] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, heard: Heard, missed: Callable[[], None]) -> None:
        self._listeners.append((heard, missed))

    def start(self) -> None:
        """Start, if there is anybody to listen for and it has not been done."""
        if self._task is None and self._listeners:
            self._task = asyncio.create_task(self._run())

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                connection = await self._dial(self._heard)
                try:
                    await self._subscribe(connection)
                    pause_s = FIRST_PAUSE_S
                    await self._watch(connection)
                finally:
                    await connection.aclose()
            except ConnectionLost as lost:
                self._trouble.lost(lost)
            except Refused as refused:
                self._trouble.refused("listen", refused.code)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 (not all replicas at once)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _subscribe(self, connection: RedisConnection) -> None:
        await connection.call("SUBSCRIBE", self._channel, timeout_s=self._dial.timeout_s)
        self._trouble.over("listen")
        for _, missed in self._listeners:
            missed()

    async def _watch(self, connection: RedisConnection) -> None:
        """Returns never: the connection is lost one day."""
        while True:
            await asyncio.wait([connection.closed], timeout=PING_EVERY_S)
            await connection.call("PING", timeout_s=PING_TIMEOUT_S)

    def _heard(self, message: bytes) -> None:
        for heard, _ in self._listeners:
            heard(message)
