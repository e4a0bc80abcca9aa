from __future__ import annotations

import pytest
from joining_fakes import Clock

from portal_gateway.errors import RequestRefused
from portal_gateway.joining.keyring import Keyring
from portal_gateway.joining.rates import Rates
from portal_gateway.store.memory import MemoryStore


@pytest.fixture
def rates(store: MemoryStore, keyring: Keyring) -> Rates:
    return Rates(store, keyring)


async def test_so_many_an_hour_and_they_may_come_at_once(rates: Rates, clock: Clock) -> None:
    assert [await rates.allows("p", "address", "jane", 3) for _ in range(5)] == [True] * 3 + [False] * 2
    clock.now += 1199
    assert not await rates.allows("p", "address", "jane", 3)
    clock.now += 2
    assert [await rates.allows("p", "address", "jane", 3) for _ in range(2)] == [True, False]


async def test_each_budget_is_one_s_own(rates: Rates) -> None:
    for portal, whose, who in (
        ("p", "address", "jane"),
        ("p", "address", "omar"),
        ("p", "sender", "jane"),
        ("q", "address", "jane"),
    ):
        assert await rates.allows(portal, whose, who, 1)  # type: ignore[arg-type]
        with pytest.raises(RequestRefused) as refused:
            await rates.require(portal, whose, who, 1)  # type: ignore[arg-type]
        assert (refused.value.status, refused.value.code) == (429, "too_many_requests")


async def test_nobody_s_name_is_a_key(rates: Rates, store: MemoryStore) -> None:
    await rates.allows("p", "address", "jane@vance.example", 1)
    assert "jane" not in str(vars(store))
