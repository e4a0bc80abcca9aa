"""A store whose answers are late now and then: nobody asks the vendor for that."""

from __future__ import annotations

import asyncio
import random

import pytest
from access_fakes import YES, Clock, SharedStore, Vendor, replica, settle

from portal_gateway.models import EndUser
from portal_gateway.store.base import StoreUnavailable
from portal_gateway.store.retrying import RetryingStore

USERS = [EndUser(str(number), f"u{number}@vance.com") for number in range(30)]


class LateStore(SharedStore):
    """Every fifth call fails, half of them after what was asked was done."""

    def __init__(self) -> None:
        super().__init__()
        self._dice = random.Random(1)

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        added = await super().add(key, value, ttl_s)
        self._perhaps_late()
        return added

    async def put_if(self, guard: str, expected: bytes, key: str, value: bytes, ttl_s: float) -> bool:
        put = await super().put_if(guard, expected, key, value, ttl_s)
        self._perhaps_late()
        return put

    async def _called(self, name: str, *keys: str) -> None:
        await super()._called(name, *keys)
        self._perhaps_late()

    def _perhaps_late(self) -> None:
        if self._dice.random() < 0.1:
            raise StoreUnavailable("no answer in time")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal_gateway.store.retrying.FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr("portal_gateway.access.shared.FIRST_PAUSE_S", 0.0)


async def test_first_views_everywhere_at_once_are_one_question(vendor: Vendor, clock: Clock) -> None:
    store = LateStore()
    services = [replica(vendor, RetryingStore(store), clock) for _ in range(4)]
    vendor.open.clear()
    waiting = [asyncio.create_task(service.decide("success", user)) for service in services for user in USERS]
    await settle()
    vendor.open.set()
    assert {decision.access for decision in await asyncio.gather(*waiting)} == {YES}
    assert sorted(user.id for user in vendor.asked) == sorted(user.id for user in USERS)
    assert not [key for key in store.values() if key.startswith("lease:")]
