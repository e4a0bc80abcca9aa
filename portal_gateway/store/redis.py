"""The store in Redis or Valkey, shared by workers and replicas.

Rules of these files (redis*.py)
- The server has the time-out to answer, connecting included; a call that comes while others are under way waits for
  these first, at most as long again. While the server is away most calls take no time at all.
- Whatever goes wrong is StoreUnavailable. What was to be written may be there nonetheless.
- Nothing is connected to before the first call.
"""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from portal_gateway.observe.events import Events
from portal_gateway.settings.cache import RedisAddress
from portal_gateway.store.redis_connection import RedisConnection
from portal_gateway.store.redis_link import RedisLink
from portal_gateway.store.redis_listener import Listener
from portal_gateway.store.redis_scripts import DROP_IF, PUT_IF, SPEND, Script
from portal_gateway.store.redis_trouble import Trouble

# Part of every key: values of a version that means something else are not found.
VERSION = 1


class RedisStore:
    """One connection for all calls, and one for listening if somebody does."""

    shared = True

    def __init__(
        self,
        address: RedisAddress,
        *,
        ca_file: Path | None,
        prefix: str,
        timeout_s: float,
        events: Events,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` tells seconds that never go back."""
        tls = ssl.create_default_context(cafile=ca_file) if address.tls else None
        trouble = Trouble(str(address), events, clock)
        self._prefix = f"{prefix}{VERSION}:"
        self._channel = f"{self._prefix}messages"
        self._link = RedisLink(RedisConnection(address, tls), timeout_s, trouble)
        self._listener = Listener(RedisConnection(address, tls), self._channel, timeout_s, trouble)

    async def get(self, key: str) -> bytes | None:
        value: bytes | None = await self._call("get", "GET", self._prefix + key)
        return value

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        await self._call("put", "SET", self._prefix + key, value, "PX", _ms(ttl_s))

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        return await self._call("add", "SET", self._prefix + key, value, "NX", "PX", _ms(ttl_s)) is not None

    async def put_if(self, guard: str, expected: bytes, key: str, value: bytes, ttl_s: float) -> bool:
        return bool(await self._run(PUT_IF, (guard, key), expected, value, _ms(ttl_s)))

    async def take(self, key: str) -> bytes | None:
        value: bytes | None = await self._call("take", "GETDEL", self._prefix + key)
        return value

    async def drop(self, *keys: str) -> None:
        if keys:
            await self._call("drop", "DEL", *(self._prefix + key for key in keys))

    async def drop_if(self, key: str, expected: bytes) -> bool:
        return bool(await self._run(DROP_IF, (key,), expected))

    async def spend(self, key: str, per_minute: float, burst: int, max_wait_s: float) -> float:
        interval_us = round(60e6 / per_minute)
        tolerance_us = (burst - 1) * interval_us
        wait_us: int = await self._run(SPEND, (key,), interval_us, tolerance_us, round(max_wait_s * 1e6))
        return wait_us / 1e6

    async def publish(self, message: bytes) -> None:
        await self._call("publish", "PUBLISH", self._channel, message)

    def listen(self, heard: Callable[[bytes], None], missed: Callable[[], None]) -> None:
        self._listener.add(heard, missed)

    async def aclose(self) -> None:
        await self._listener.aclose()
        await self._link.aclose()

    async def _run(self, script: Script, keys: tuple[str, ...], *arguments: bytes | int) -> Any:
        full_keys = (self._prefix + key for key in keys)
        return await self._call(script.name, "EVAL", script.code, len(keys), *full_keys, *arguments)

    async def _call(self, name: str, *command: str | bytes | int) -> Any:
        self._listener.start()
        return await self._link.call(name, *command)


def _ms(ttl_s: float) -> int:
    return max(1, math.ceil(ttl_s * 1000))
