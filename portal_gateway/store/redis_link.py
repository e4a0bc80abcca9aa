"""The connection that all calls share: made when one is needed, made anew after it was lost, given up for a while when
the server stays away.

Calls that come while others are under way are sent together as soon as those are answered. So one connection serves
any number of callers, and one that goes away leaves nothing behind but an answer that nobody takes.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from portal_gateway.store.base import StoreUnavailable
from portal_gateway.store.redis_connection import Command, ConnectionLost, RedisConnection, Refused
from portal_gateway.store.redis_trouble import Trouble

# Answers of a server that became a replica: by now its name may stand for another one. After LOADING, which may mean
# the same, redis-py closes.
_WRONG_SERVER = frozenset({"READONLY", "MASTERDOWN"})


class _Call(NamedTuple):
    command: Command
    answer: asyncio.Future[Any]


class RedisLink:
    """The server has `timeout_s` to answer what is sent together, connecting included."""

    def __init__(self, connection: RedisConnection, timeout_s: float, trouble: Trouble) -> None:
        self._connection = connection
        self._timeout_s = timeout_s
        self._trouble = trouble
        self._queue: list[_Call] = []
        self._under_way: list[_Call] = []
        self._sending: asyncio.Task[None] | None = None
        self._closed = False

    async def call(self, name: str, *command: str | bytes | int) -> Any:
        """The answer to `command`, which is logged as `name`. Raises StoreUnavailable."""
        if self._closed:
            raise StoreUnavailable("closed")
        if self._trouble.present and not self._trouble.admits():
            raise StoreUnavailable("away")
        try:
            answer = await self._queued(command)
        except ConnectionLost as lost:
            raise StoreUnavailable(str(lost)) from None
        except Refused as refused:
            self._trouble.refused(name, refused.code)
            raise StoreUnavailable(str(refused)) from None
        if self._trouble.present:
            self._trouble.over(name)
        return answer

    async def aclose(self) -> None:
        self._closed = True
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait([self._sending])
        self._fail_all(ConnectionLost("closed", "closed by us"))
        await self._connection.aclose()

    def _queued(self, command: Command) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        call = _Call(command, loop.create_future())
        self._queue.append(call)
        if self._sending is None:
            # A task of its own: a caller that is cancelled takes nobody else's answer away.
            self._sending = loop.create_task(self._send())
        return call.answer

    async def _send(self) -> None:
        while self._queue:
            self._under_way, self._queue = self._queue, []
            try:
                await self._in_time(self._under_way)
            except ConnectionLost as lost:
                self._trouble.lost(lost)
                self._fail_all(lost)
        self._sending = None

    async def _in_time(self, calls: list[_Call]) -> None:
        exchange = asyncio.create_task(self._exchange(calls))
        try:
            # When the loop was busy until the time was over, the answers and the time-out are due at once: this takes
            # the answers, while asyncio.timeout would cancel what has them already.
            await asyncio.wait([exchange], timeout=self._timeout_s)
            if not exchange.done():
                raise ConnectionLost("timeout", "no answer in time")
            exchange.result()
        finally:
            if not exchange.done():
                exchange.cancel()
                await asyncio.wait([exchange])

    async def _exchange(self, calls: list[_Call]) -> None:
        connection = self._connection
        await connection.open()
        await connection.send(*(call.command for call in calls))
        for call in calls:
            try:
                answer = await connection.answer()
            except Refused as refused:
                if refused.code in _WRONG_SERVER:
                    await connection.abort()
                if not connection.is_open:
                    _fail(calls, refused)
                    return
                _fail([call], refused)
            else:
                if not call.answer.done():  # its caller was cancelled
                    call.answer.set_result(answer)

    def _fail_all(self, lost: ConnectionLost) -> None:
        """Those who wait to be sent too: a server that does not answer shall not cost them its time-out once more."""
        waiting, self._queue = self._queue, []
        _fail([*self._under_way, *waiting], lost)


def _fail(calls: list[_Call], error: ConnectionLost | Refused) -> None:
    for call in calls:
        if not call.answer.done():
            call.answer.set_exception(error)
