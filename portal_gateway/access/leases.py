"""The right to ask the vendor about one user: one replica has it at a time."""

from __future__ import annotations

from contextlib import suppress
from secrets import token_hex

from portal_gateway.store.base import Store, StoreUnavailable

# Longer than a question lasts, up to 20 seconds of waiting for a turn included. One that is left behind, by a replica
# that died or could not reach the store, makes others wait for an answer that does not come.
LEASE_S = 30.0


class Lease:
    """A lease on a name of the store, given back at the end of the `async with` block, also when that is cancelled."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self._token = token_hex(16).encode()
        self._may_hold = False
        self.held = False

    async def take(self) -> bool:
        """Whether it is ours now. Raises StoreUnavailable."""
        # An attempt that fails may still have reached the store.
        self._may_hold = True
        self.held = self._may_hold = await self._store.add(self._name, self._token, LEASE_S)
        return self.held

    async def put(self, key: str, value: bytes, ttl_s: float) -> bool:
        """Put `key` if the lease is still ours; whether it was. Raises StoreUnavailable."""
        return await self._store.put_if(self._name, self._token, key, value, ttl_s)

    async def __aenter__(self) -> Lease:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._may_hold:
            with suppress(StoreUnavailable):
                await self._store.drop_if(self._name, self._token)
