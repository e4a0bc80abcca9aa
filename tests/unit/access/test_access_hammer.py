"""Many users, several services, one store that comes and goes: nobody gets another's decision, or one from before."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest
from access_fakes import TTL, Clock, SharedStore, Vendor, replica, settle

from portal_gateway.access.service import AccessService
from portal_gateway.errors import VendorUnavailable
from portal_gateway.models import Access, EndUser

USERS = [EndUser(str(number), f"u{number % 7}@vance.com", company_id=str(number % 3)) for number in range(40)]


class SlowStore(SharedStore):
    """Lets others go first, a random number of times."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__()
        self._dice = dice

    def expire_leases(self) -> None:
        """Those that could not be given back."""
        for key in [key for key in self._entries if key.startswith("lease:")]:
            del self._entries[key]

    async def _called(self, name: str, *keys: str) -> None:
        for _ in range(self._dice.randrange(4)):
            await asyncio.sleep(0)
        await super()._called(name, *keys)


class Hammer:
    """The truth about each user has a number, which the vendor's answer carries."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.clock = Clock()
        self.store = SlowStore(self.dice)
        self.vendor = Vendor()
        self.vendor.answer = self.answer
        self.services = [replica(self.vendor, self.store, self.clock, dice=self.dice.random) for _ in range(3)]
        self.history = {user.id: [(self.clock.now - 1e6, 0)] for user in USERS}
        # By service and user: no answer from before may be shown, or entered by.
        self.oldest = {(service, user.id): 0 for service in self.services for user in USERS}
        self.oldest_to_enter = dict(self.oldest)
        self.checked = 0
        self.vendor_is_away = False

    def answer(self, user: EndUser) -> Access:
        if self.vendor_is_away or self.dice.random() < 0.05:
            raise VendorUnavailable("no answer")
        reason = f"{user.id}:{self.truth(user)}"
        return Access.grant(reason) if self.dice.random() < 0.8 else Access.deny(reason)

    def truth(self, user: EndUser) -> int:
        return self.history[user.id][-1][1]

    def truth_at(self, user: EndUser, time: float) -> int:
        return max(number for since, number in self.history[user.id] if since <= time)

    async def ask(self, service: AccessService, user: EndUser, for_launch: bool) -> None:
        oldest = (self.oldest_to_enter if for_launch else self.oldest)[service, user.id]
        started_at = self.clock.now
        decision = await service.decide("success", user, for_launch=for_launch)
        self.check(decision.access, user, oldest, started_at, for_launch=for_launch)

    def peek(self, service: AccessService, user: EndUser) -> None:
        access = service.peek("success", user)
        if access is not None:
            self.check(access, user, self.oldest[service, user.id], self.clock.now, for_launch=False)

    def check(self, access: Access, user: EndUser, oldest: int, now: float, *, for_launch: bool) -> None:
        self.checked += 1
        if ":" not in access.reason:
            assert access.reason in ("vendor_unavailable", "stale_yes")
            assert not (for_launch and access.reason == "stale_yes")
            return
        whose, _, number = access.reason.partition(":")
        assert whose == user.id
        assert int(number) >= oldest
        lifetime_s = TTL.of(access) if for_launch else TTL.usable_s(access)
        assert int(number) >= self.truth_at(user, now - lifetime_s)

    async def change(
        self, service: AccessService, user: EndUser, forget: Callable[[AccessService, EndUser], object]
    ) -> None:
        """The truth changes, and one service is told so: it knows at once, the others if messages get through."""
        number = self.truth(user) + 1
        self.history[user.id].append((self.clock.now, number))
        forget(service, user)
        known = [service]
        if not self.store.away:
            await settle()
            known = self.services
        for told in known:
            self.oldest_to_enter[told, user.id] = number
            if forget is not forget_portal:
                self.oldest[told, user.id] = number


def forget_portal(service: AccessService, _user: EndUser) -> None:
    service.forget_portal("success")


FORGETS: list[Callable[[AccessService, EndUser], object]] = [
    lambda service, user: service.drop("success", user),
    lambda service, user: service.forget("success", user.id),
    forget_portal,
]


@pytest.mark.parametrize("seed", range(6))
async def test_no_wrong_answer_under_any_interleaving(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal_gateway.access.notices.FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr("portal_gateway.access.notices.LONGEST_PAUSE_S", 0.0)
    monkeypatch.setattr("portal_gateway.access.shared.FIRST_PAUSE_S", 0.0)
    hammer = Hammer(seed)
    dice = hammer.dice
    for _ in range(150):
        asking = [
            asyncio.create_task(hammer.ask(dice.choice(hammer.services), dice.choice(USERS), dice.random() < 0.3))
            for _ in range(dice.randrange(30))
        ]
        for task in dice.sample(asking, len(asking) // 5):
            asyncio.get_running_loop().call_soon(task.cancel)
        for _ in range(20):
            hammer.peek(dice.choice(hammer.services), dice.choice(USERS))
        if dice.random() < 0.4:
            await hammer.change(dice.choice(hammer.services), dice.choice(USERS), dice.choice(FORGETS))
        results = await asyncio.gather(*asking, return_exceptions=True)
        assert not [result for result in results if isinstance(result, Exception)]
        event = dice.random()
        if event < 0.05 and not hammer.store.away:
            hammer.store.away = True
        elif event < 0.25 and hammer.store.away:
            hammer.store.away = False
            hammer.store.expire_leases()
            await settle()
            for missed in hammer.store.missed:
                missed()
        elif event < 0.3:
            hammer.vendor_is_away = not hammer.vendor_is_away
        elif event < 0.5:
            hammer.clock.now += dice.choice([1, 30, 250, 400])
    assert hammer.checked > 2000
    hammer.store.away = False
    for service in hammer.services:
        await service.aclose()
