"""The connection that calls go over: made when one is needed, made anew after it was lost, given up for a while when
the server stays away."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import Any

from portal_gateway.settings.cache import RedisAddress
from portal_gateway.store.base import StoreUnavailable
from portal_gateway.store.redis_connection import ConnectionLost, Heard, RedisConnection, Refused, connect
from portal_gateway.store.redis_trouble import Trouble

# Answers of a server that became a replica, or has not read its data yet: by now its name may stand for another one.
_WRONG_SERVER = frozenset({"READONLY", "LOADING", "MASTERDOWN"})


@dataclass(frozen=True)
class Dialer:
    """How to get a connection."""

    address: RedisAddress
    tls: ssl.SSLContext | None
    timeout_s: float

    async def __call__(self, heard: Heard | None = None) -> RedisConnection:
        return await connect(self.address, self.tls, timeout_s=self.timeout_s, heard=heard)


class RedisLink:
    """Calls take `dial.timeout_s` at most, connecting included."""

    def __init__(self, dial: Dialer, trouble: Trouble) -> None:
        self._dial = dial
        self._trouble = trouble
        self._connection: RedisConnection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._closed = False

    async def call(self, name: str, *command: str | bytes | int) -> Any:
        """The answer to `command`, which is logged as `name`. Raises StoreUnavailable."""
        if self._trouble.present and not self._trouble.admits():
            raise StoreUnavailable("away")
        timeout_s = self._dial.timeout_s
        connection = self._connection
        if connection is None or not connection.usable:
            loop = asyncio.get_running_loop()
            deadline = loop.time() + timeout_s
            connection = await self._connected()
            timeout_s = deadline - loop.time()
        try:
            answer = await connection.call(*command, timeout_s=timeout_s)
        except ConnectionLost as lost:
            if self._connection is connection:  # the first of those who waited on it
                self._connection = None
                self._trouble.lost(lost)
            raise StoreUnavailable(str(lost)) from None
        except Refused as refused:
            self._trouble.refused(name, refused.code)
            if refused.code in _WRONG_SERVER:
                connection.abort(ConnectionLost("closed", str(refused)))
            raise StoreUnavailable(str(refused)) from None
        if self._trouble.present:
            self._trouble.over(name)
        return answer

    async def aclose(self) -> None:
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.aclose()

    async def _connected(self) -> RedisConnection:
        if self._closed:
            raise StoreUnavailable("closed")
        if self._connecting is None:
            # A task of its own: a caller that is cancelled takes nobody else's connection away.
            self._connecting = asyncio.create_task(self._connect())
        await asyncio.wait([self._connecting])
        if self._connection is None:
            raise StoreUnavailable("away")
        return self._connection

    async def _connect(self) -> None:
        self._connection = None
        try:
            self._connection = await self._dial()
        except ConnectionLost as lost:
            self._trouble.lost(lost)
        finally:
            self._connecting = None
