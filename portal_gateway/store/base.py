"""What every store can do. Keys hold no personal data: whoever makes one hashes what is personal first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class StoreUnavailable(Exception):
    """The store did not answer in time. Whether that is a miss or a refusal, the caller knows."""


class Store(Protocol):
    """Values by key, each with a time to live in seconds, more than 0.

    Each call is atomic, also among replicas, and raises StoreUnavailable and nothing else.
    """

    @property
    def shared(self) -> bool:
        """Whether other processes see what is put here."""
        ...

    async def get(self, key: str) -> bytes | None: ...

    async def put(self, key: str, value: bytes, ttl_s: float) -> None: ...

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        """Put unless there is a value; whether it was put. A lease, or the mark of a token that was used."""
        ...

    async def put_if(self, guard: str, expected: bytes, key: str, value: bytes, ttl_s: float) -> bool:
        """Put `key` if `guard` holds `expected`; whether it was put."""
        ...

    async def take(self, key: str) -> bytes | None:
        """Get and drop: of many who take at once, one gets the value."""
        ...

    async def drop(self, *keys: str) -> None: ...

    async def drop_if(self, key: str, expected: bytes) -> bool:
        """Drop `key` if it holds `expected`: a lease is given back only by its holder."""
        ...

    async def spend(self, key: str, per_minute: float, burst: int, max_wait_s: float) -> float:
        """Book one call of a budget of `per_minute` calls, of which `burst` may come at once (GCRA).

        How many seconds to wait before that call. If that would be more than `max_wait_s`, nothing is booked.
        """
        ...

    async def publish(self, message: bytes) -> None:
        """Send to all who listen now, in this process and others; nobody may be there."""
        ...

    def listen(self, heard: Callable[[bytes], None], missed: Callable[[], None]) -> None:
        """Call `heard` with each message from the first call of the store on, until it is closed, and `missed` when
        messages may have been lost: a shared store does so each time it begins to listen. Neither may raise."""
        ...

    async def aclose(self) -> None: ...
