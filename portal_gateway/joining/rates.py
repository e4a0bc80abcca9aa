"""How often somebody may ask, counted in the store: by all replicas together that share one."""

from __future__ import annotations

from typing import Literal

from portal_gateway.errors import RequestRefused
from portal_gateway.joining.keyring import Keyring
from portal_gateway.store.base import Store

Whose = Literal["address", "client", "sender", "portal"]


class Rates:
    """Budgets of calls per hour. Raises StoreUnavailable throughout."""

    def __init__(self, store: Store, keyring: Keyring) -> None:
        self._store = store
        self._keyring = keyring

    async def allows(self, portal: str, whose: Whose, who: str, per_hour: int) -> bool:
        """Whether one more is within the budget, of which it is then taken."""
        key = f"join:rate:{portal}:{whose}:{self._keyring.mark(who)}"
        return await self._store.spend(key, per_hour / 60, per_hour, 0.0) <= 0.0

    async def require(self, portal: str, whose: Whose, who: str, per_hour: int) -> None:
        """Raises RequestRefused."""
        if not await self.allows(portal, whose, who, per_hour):
            raise RequestRefused(429, "too_many_requests", "too many requests; try again later")
