"""Hearing what other replicas publish, over a connection of its own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from portal_gateway.store.redis_connection import ConnectionLost, RedisConnection, Refused
from portal_gateway.store.redis_trouble import Trouble

Heard = Callable[[bytes], None]

# A connection whose other end is gone without a word looks like one on which nothing is published: so it is asked
# after so much silence, and given up after as much again.
SILENCE_S = 1.0
# Between attempts to connect: after the first that failed, and never longer than.
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0


class Listener:
    """Subscribes to `channel`, and does so again whenever the connection is lost."""

    def __init__(self, connection: RedisConnection, channel: str, timeout_s: float, trouble: Trouble) -> None:
        self._connection = connection
        self._channel = channel
        self._timeout_s = timeout_s
        self._trouble = trouble
        self._listeners: list[tuple[Heard, Callable[[], None]]] = []
        self._task: asyncio.Task[None] | None = None
        self._pause_s = FIRST_PAUSE_S

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
        while True:
            try:
                await self._subscribe()
                await self._listen()
            except ConnectionLost as lost:
                self._trouble.lost(lost)
            except Refused as refused:
                self._trouble.refused("listen", refused.code)
            finally:
                await self._connection.aclose()
            await asyncio.sleep(self._pause_s * random.uniform(0.5, 1.0))  # noqa: S311 (not all replicas at once)
            self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)

    async def _subscribe(self) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._connection.open()
                await self._connection.send(("SUBSCRIBE", self._channel))
                await self._connection.answer()
        except TimeoutError:
            raise ConnectionLost("timeout", "no answer in time") from None
        self._pause_s = FIRST_PAUSE_S
        self._trouble.over("listen")
        for _, missed in self._listeners:
            missed()

    async def _listen(self) -> None:
        """Returns never: the connection is lost one day."""
        asked = False
        while True:
            message = await self._connection.answer(wait_s=SILENCE_S)
            if message is None:
                if asked:
                    raise ConnectionLost("timeout", "no answer in time")
                await self._connection.send(("PING",))
            elif message[0] == b"message":
                for heard, _ in self._listeners:
                    heard(message[2])
            asked = message is None
