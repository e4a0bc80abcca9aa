"""Stores to test, and what tests do with them."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from portal_gateway.observe.events import Events
from portal_gateway.settings.cache import parse_redis_url
from portal_gateway.store.base import StoreUnavailable
from portal_gateway.store.redis import RedisStore

# Longer than any pause of a machine that is busy with other tests: time-outs are tested with shorter ones.
PATIENCE_S = 10.0


def redis_store(
    url: str,
    *,
    events: Events | None = None,
    timeout_s: float = PATIENCE_S,
    prefix: str | None = None,
    ca_file: Path | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> RedisStore:
    """A store whose keys are its own, unless it is given a prefix."""
    return RedisStore(
        parse_redis_url(url),
        ca_file=ca_file,
        prefix=prefix or f"test-{uuid.uuid4().hex}:",
        timeout_s=timeout_s,
        events=events or Events(),
        clock=clock,
    )


async def why_unavailable(call: Awaitable[object]) -> str:
    """What a call that fails says."""
    with pytest.raises(StoreUnavailable) as caught:
        await call
    return str(caught.value)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Ear:
    """Listens, and lets a test wait for what it hears."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.misses = 0
        self._changed = asyncio.Event()

    def heard(self, message: bytes) -> None:
        self.messages.append(message)
        self._changed.set()

    def missed(self) -> None:
        self.misses += 1
        self._changed.set()

    async def until(self, condition: Callable[[Ear], bool]) -> None:
        async with asyncio.timeout(30):
            while not condition(self):
                self._changed.clear()
                await self._changed.wait()
