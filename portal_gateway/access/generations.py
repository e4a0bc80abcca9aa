"""Dropping all decisions of a portal at once, without knowing them: each carries the portal's generation.

A generation is a random word in the store. Whoever replaces it has made every decision of before worthless. If it is
lost, the next one that looks makes a new one: a lost word costs questions, never a wrong answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from secrets import token_hex

from portal_gateway.store.base import Store

TTL_S = 30 * 86_400.0
# How long a process goes by what it has read; it hears of a new word at once, unless the message is lost.
TRUST_S = 60.0


class Generations:
    """The generations of portals, as this process knows them. Every method raises StoreUnavailable."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[str, tuple[str, float]] = {}
        self._doubts = 0

    async def current(self, portal: str) -> str:
        """The generation of the portal with that mark."""
        known = self._known.get(portal)
        if known is not None and self._clock() < known[1]:
            return known[0]
        doubts, trusted_until = self._doubts, self._clock() + TRUST_S
        word = await self._read(_key(portal))
        if doubts == self._doubts:  # else it may be from before
            self._known[portal] = word, trusted_until
        return word

    async def replace(self, portal: str) -> None:
        """Begin a new one."""
        await self._store.put(_key(portal), token_hex(8).encode(), TTL_S)
        self.doubt(portal)

    def doubt(self, portal: str | None = None) -> None:
        """Read the word again before it is next used: of one portal, or of all."""
        self._doubts += 1
        if portal is None:
            self._known.clear()
        else:
            self._known.pop(portal, None)

    async def _read(self, key: str) -> str:
        word = await self._store.get(key)
        if word is None:
            made = token_hex(8).encode()
            word = made if await self._store.add(key, made, TTL_S) else await self._store.get(key) or made
        return word.decode("ascii", "replace")


def _key(portal: str) -> str:
    return f"generation:{portal}"
