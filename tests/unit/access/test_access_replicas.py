"""Several services with one store: one of them asks, all know, and all forget."""

from __future__ import annotations

import asyncio
import json

import pytest
from access_fakes import NO, YES, Clock, SharedStore, Vendor, replica, settle

from portal_gateway.access.report import Held, Report
from portal_gateway.access.service import AccessService
from portal_gateway.errors import VendorUnavailable
from portal_gateway.models import Access, Choice, EndUser
from portal_gateway.store.base import StoreUnavailable

AWAY = VendorUnavailable("no answer")


@pytest.fixture(autouse=True)
def _no_last_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal_gateway.access.notices.LAST_CHANCE_S", 0.0)


@pytest.fixture
def store() -> SharedStore:
    return SharedStore()


@pytest.fixture
def first(vendor: Vendor, store: SharedStore, clock: Clock) -> AccessService:
    return replica(vendor, store, clock)


@pytest.fixture
def second(vendor: Vendor, store: SharedStore, clock: Clock) -> AccessService:
    return replica(vendor, store, clock)


# Sharing


async def test_what_one_was_told_all_know(
    first: AccessService, second: AccessService, vendor: Vendor, clock: Clock, jane: EndUser
) -> None:
    vendor.answer = Access.grant("member", (Choice("1", "Roll-out"),))
    decision = await first.decide("success", jane)
    clock.now += 100
    shared = await second.decide("success", jane, for_launch=True)
    assert shared.access == decision.access
    assert shared.expires_in_s == pytest.approx(200)
    assert second.peek("success", jane) == decision.access
    clock.now += 200
    assert second.peek("success", jane) is None
    assert len(vendor.asked) == 1


async def test_a_denial_is_shared_for_its_own_time(
    first: AccessService, second: AccessService, vendor: Vendor, clock: Clock, jane: EndUser
) -> None:
    vendor.answer = NO
    await first.decide("success", jane)
    clock.now += 59
    assert (await second.decide("success", jane)).access == NO
    assert len(vendor.asked) == 1
    clock.now += 1
    await second.decide("success", jane)
    assert len(vendor.asked) == 2


async def test_first_views_everywhere_at_once_are_one_question(
    vendor: Vendor, store: SharedStore, clock: Clock
) -> None:
    services = [replica(vendor, store, clock) for _ in range(4)]
    users = [EndUser(str(number), f"u{number}@vance.com") for number in range(50)]
    vendor.open.clear()
    waiting = [asyncio.create_task(service.decide("success", user)) for service in services for user in users]
    await settle()
    vendor.open.set()
    assert {decision.access for decision in await asyncio.gather(*waiting)} == {YES}
    assert sorted(user.id for user in vendor.asked) == sorted(user.id for user in users)


async def test_an_answer_that_is_written_between_looking_and_asking_is_found(
    first: AccessService,
    second: AccessService,
    vendor: Vendor,
    store: SharedStore,
    jane: EndUser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add = store.add

    async def overtaken(key: str, value: bytes, ttl_s: float) -> bool:
        if key.startswith("lease:"):
            monkeypatch.setattr(store, "add", add)
            await first.decide("success", jane)
        return await add(key, value, ttl_s)

    monkeypatch.setattr(store, "add", overtaken)
    assert (await second.decide("success", jane)).access == YES
    assert len(vendor.asked) == 1


async def test_that_one_got_no_answer_is_no_reason_for_another_not_to_ask(
    first: AccessService, second: AccessService, vendor: Vendor, jane: EndUser
) -> None:
    vendor.answer = AWAY
    assert (await first.decide("success", jane)).access == Access.unknown("vendor_unavailable")
    vendor.answer = YES
    assert (await second.decide("success", jane)).access is YES


async def test_who_waits_takes_over_when_the_other_got_no_answer(
    first: AccessService, second: AccessService, vendor: Vendor, jane: EndUser
) -> None:
    vendor.open.clear()
    vendor.answer = AWAY
    unlucky = asyncio.create_task(first.decide("success", jane))
    await settle()
    lucky = asyncio.create_task(second.decide("success", jane))
    await settle()
    vendor.answer = YES
    vendor.open.set()
    assert not (await unlucky).access.granted
    assert (await lucky).access is YES


async def test_only_a_launch_that_waits_too_long_asks_alone(
    vendor: Vendor, store: SharedStore, clock: Clock, jane: EndUser
) -> None:
    """The other one may be dead, and its lease outlives it. A page is not worth a second call."""
    first, second, third = (replica(vendor, store, clock, launch_wait_s=0.0) for _ in range(3))
    vendor.open.clear()
    stuck = asyncio.create_task(first.decide("success", jane))
    await settle()
    alone = asyncio.create_task(second.decide("success", jane, for_launch=True))
    patient = asyncio.create_task(third.decide("success", jane))
    await settle()
    assert len(vendor.asked) == 2
    vendor.open.set()
    assert (await stuck).access is (await alone).access is YES
    assert (await patient).access == YES
    assert len(vendor.asked) == 2


async def test_a_lease_is_given_back_however_the_question_ends(
    first: AccessService, store: SharedStore, vendor: Vendor, jane: EndUser
) -> None:
    vendor.answer = ZeroDivisionError()
    await first.decide("success", jane)
    assert not [key for key in store.values() if key.startswith("lease:")]
    vendor.open.clear()
    waiting = asyncio.create_task(first.decide("success", jane, for_launch=True))
    await settle()
    assert [key for key in store.values() if key.startswith("lease:")]
    await first.aclose()
    await waiting
    assert not [key for key in store.values() if key.startswith("lease:")]


async def test_one_background_question_serves_all(
    vendor: Vendor, store: SharedStore, clock: Clock, jane: EndUser
) -> None:
    services = [replica(vendor, store, clock, dice=lambda: 1.0) for _ in range(3)]
    for service in services:
        await service.decide("success", jane)
    clock.now += 250
    vendor.answer = Access.grant("still")
    for service in services:
        assert service.peek("success", jane) == YES
        await settle()
    assert [service.peek("success", jane) for service in services] == [Access.grant("still")] * 3
    assert len(vendor.asked) == 2


async def test_an_old_yes_of_another_replica_stands_in_while_the_vendor_is_away(
    first: AccessService, second: AccessService, vendor: Vendor, clock: Clock, jane: EndUser
) -> None:
    await first.decide("success", jane)
    clock.now += 400
    vendor.answer = AWAY
    assert (await second.decide("success", jane)).access == Access.grant("stale_yes")
    assert (await second.decide("success", jane, for_launch=True)).access == Access.unknown("vendor_unavailable")
    clock.now += 3400
    assert (await second.decide("success", jane)).access.granted
    clock.now += 100
    assert not (await second.decide("success", jane)).access.granted


async def test_an_old_yes_is_found_also_by_who_knew_nothing_while_the_store_was_away(
    first: AccessService, second: AccessService, vendor: Vendor, store: SharedStore, clock: Clock, jane: EndUser
) -> None:
    await first.decide("success", jane)
    clock.now += 400
    vendor.answer = AWAY
    store.away = True
    assert not (await second.decide("success", jane)).access.granted
    store.away = False
    clock.now += 5
    assert (await second.decide("success", jane)).access == Access.grant("stale_yes")


async def test_an_explicit_no_is_stronger_than_another_replica_s_old_yes(
    first: AccessService, second: AccessService, vendor: Vendor, store: SharedStore, clock: Clock, jane: EndUser
) -> None:
    await first.decide("success", jane)
    store.away = True
    vendor.answer = NO
    await second.decide("success", jane)
    store.away = False
    clock.now += 400
    vendor.answer = AWAY
    assert (await second.decide("success", jane)).access == Access.unknown("vendor_unavailable")


# Whose decision it is


async def test_other_rules_another_tenant_or_address_is_another_decision(
    first: AccessService, vendor: Vendor, store: SharedStore, clock: Clock, jane: EndUser
) -> None:
    await first.decide("success", jane)
    vendor.answer = NO
    moved = EndUser(jane.id, "other@vance.com")
    assert (await replica(vendor, store, clock).decide("success", moved)).access is NO
    vendor.answer = YES
    await replica(vendor, store, clock).decide("success", jane)
    vendor.answer = NO
    for other in (replica(vendor, store, clock, rules="stricter"), replica(vendor, store, clock, secret=b"another")):
        assert (await other.decide("success", jane)).access is NO


async def test_nothing_in_the_store_says_who_is_meant(first: AccessService, store: SharedStore, jane: EndUser) -> None:
    seen: list[bytes] = []
    store.listen(seen.append, lambda: None)
    await first.decide("success", EndUser("user-0815", "jane@vance.com", name="Jane Doe", company_id="company-4711"))
    first.forget("success", "user-0815")
    await settle()
    texts = [*store.values(), *(value.decode() for value in store.values().values()), *map(bytes.decode, seen)]
    assert seen
    assert not [text for text in texts for part in ("0815", "jane", "Jane", "vance", "4711") if part in text]


# Forgetting


@pytest.mark.parametrize("how", ["drop", "forget"])
async def test_what_one_drops_all_drop(
    first: AccessService, second: AccessService, vendor: Vendor, store: SharedStore, jane: EndUser, how: str
) -> None:
    noah = EndUser("8", "noah@vance.com")
    for service in (first, second):
        for user in (jane, noah):
            await service.decide("success", user)
    drop(first, how, jane)
    assert first.peek("success", jane) is None
    await settle()
    assert second.peek("success", jane) is None
    assert second.peek("success", noah) == YES
    assert vendor.forgotten == (0 if how == "drop" else 2)
    vendor.answer = NO
    assert (await second.decide("success", jane)).access is NO
    assert (await first.decide("success", jane)).access == NO
    asked = len(vendor.asked)
    assert (await replica(vendor, store, Clock()).decide("success", jane)).access == NO
    assert len(vendor.asked) == asked


async def test_after_a_portal_was_forgotten_a_yes_shows_until_it_is_asked_about_and_a_no_does_not(
    first: AccessService, second: AccessService, vendor: Vendor, store: SharedStore, jane: EndUser
) -> None:
    noah = EndUser("8", "noah@vance.com")
    vendor.answer = lambda user: YES if user is jane else NO
    for service in (first, second):
        for user in (jane, noah):
            await service.decide("success", user)
    first.forget_portal("success")
    await settle()
    assert vendor.forgotten == 2
    vendor.answer = lambda user: NO if user is jane else YES
    for service in (first, second):
        assert service.peek("success", jane) == YES
        assert service.peek("success", noah) is None
        assert (await service.decide("success", noah)).access == YES
    await settle()
    for service in (first, second, replica(vendor, store, Clock())):
        assert service.peek("success", jane) in (NO, None)
        assert (await service.decide("success", jane)).access == NO
    assert len(vendor.asked) == 4


@pytest.mark.parametrize("vendor_is_away", [False, True])
async def test_after_a_portal_was_forgotten_nobody_enters_unasked(
    first: AccessService, second: AccessService, vendor: Vendor, jane: EndUser, vendor_is_away: bool
) -> None:
    for service in (first, second):
        await service.decide("success", jane)
    first.forget_portal("success")
    await settle()
    vendor.answer = AWAY if vendor_is_away else NO
    for service in (first, second):
        launch = await service.decide("success", jane, for_launch=True)
        assert launch.access == (Access.unknown("vendor_unavailable") if vendor_is_away else NO)
        assert service.peek("success", jane) == (Access.grant("stale_yes") if vendor_is_away else NO)


@pytest.mark.parametrize("how", ["drop", "forget", "forget_portal"])
@pytest.mark.parametrize("asker", ["same", "other"])
async def test_what_was_asked_before_reaches_nobody_who_comes_later(
    first: AccessService, second: AccessService, vendor: Vendor, store: SharedStore, jane: EndUser, how: str, asker: str
) -> None:
    vendor.open.clear()
    before = asyncio.create_task((first if asker == "same" else second).decide("success", jane))
    await settle()
    drop(first, how, jane)
    await settle()
    vendor.answer = NO
    vendor.open.set()
    assert (await before).access is YES
    for service in (first, second, replica(vendor, store, Clock())):
        assert (await service.decide("success", jane)).access == NO
    assert len(vendor.asked) == 2


async def test_forgetting_reaches_who_did_not_hear_of_it_in_time(
    first: AccessService, second: AccessService, vendor: Vendor, store: SharedStore, jane: EndUser
) -> None:
    """Its lease is gone, so what it was told is not written, and it does not keep it."""
    vendor.open.clear()
    before = asyncio.create_task(second.decide("success", jane))
    await settle()
    store._listeners.clear()
    first.forget("success", jane.id)
    await settle()
    vendor.open.set()
    await before
    assert second.peek("success", jane) is None
    assert not [key for key in store.values() if key.startswith("decision:")]


async def test_another_portal_or_tenant_forgets_nothing(
    first: AccessService, vendor: Vendor, store: SharedStore, clock: Clock, jane: EndUser
) -> None:
    stranger = replica(vendor, store, clock, secret=b"another")
    await first.decide("success", jane)
    stranger.forget("success", jane.id)
    stranger.forget_portal("success")
    await settle()
    assert first.peek("success", jane) is YES


async def test_forgetting_while_the_store_is_away_is_made_up_for(
    first: AccessService,
    second: AccessService,
    vendor: Vendor,
    store: SharedStore,
    jane: EndUser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("portal_gateway.access.notices.FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr("portal_gateway.access.notices.LONGEST_PAUSE_S", 0.0)
    await first.decide("success", jane)
    await second.decide("success", jane)
    store.away = True
    first.forget("success", jane.id)
    vendor.answer = NO
    assert (await first.decide("success", jane)).access is NO
    store.away = False
    await settle()
    assert second.peek("success", jane) is None
    assert (await second.decide("success", jane)).access is NO


async def test_a_store_that_is_back_is_not_believed_before_it_was_told(
    first: AccessService, vendor: Vendor, store: SharedStore, jane: EndUser
) -> None:
    await first.decide("success", jane)
    store.away = True
    first.forget("success", jane.id)
    await settle()
    store.away = False
    vendor.answer = NO
    assert (await first.decide("success", jane)).access is NO
    await first.aclose()


async def test_after_lost_messages_a_yes_is_shown_but_not_entered_by(
    first: AccessService, second: AccessService, vendor: Vendor, store: SharedStore, jane: EndUser
) -> None:
    await first.decide("success", jane)
    await second.decide("success", jane)
    store.away = True
    first.forget("success", jane.id)
    await settle()
    for missed in store.missed:
        missed()
    vendor.answer = AWAY
    assert second.peek("success", jane) == YES
    launch = await second.decide("success", jane, for_launch=True)
    assert launch.access == Access.unknown("vendor_unavailable")
    vendor.answer = NO
    assert (await second.decide("success", jane, for_launch=True)).access is NO
    assert second.peek("success", jane) is NO
    await first.aclose()


async def test_after_lost_messages_the_store_tells_what_still_holds(
    first: AccessService, second: AccessService, vendor: Vendor, store: SharedStore, jane: EndUser
) -> None:
    await first.decide("success", jane)
    await second.decide("success", jane)
    for missed in store.missed:
        missed()
    assert second.peek("success", jane) == YES
    await settle()
    assert (await second.decide("success", jane, for_launch=True)).access == YES
    assert len(vendor.asked) == 1


# Trouble with the store


async def test_without_the_store_each_is_on_its_own(
    first: AccessService, second: AccessService, vendor: Vendor, store: SharedStore, jane: EndUser
) -> None:
    store.away = True
    for service in (first, second):
        assert (await service.decide("success", jane)).access is YES
        assert service.peek("success", jane) is YES
    assert len(vendor.asked) == 2


async def test_a_store_that_goes_away_meanwhile_costs_nothing_but_the_sharing(
    first: AccessService, second: AccessService, vendor: Vendor, store: SharedStore, jane: EndUser
) -> None:
    vendor.open.clear()
    waiting = asyncio.create_task(first.decide("success", jane))
    await settle()
    store.away = True
    vendor.open.set()
    assert (await waiting).access is YES
    assert first.peek("success", jane) is YES


async def test_what_is_written_is_readable_whatever_failed_before(
    first: AccessService,
    second: AccessService,
    vendor: Vendor,
    store: SharedStore,
    jane: EndUser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The store fails for a moment, just after the lease was got."""
    add, get = store.add, store.get

    async def then_failing(key: str, value: bytes, ttl_s: float) -> bool:
        added = await add(key, value, ttl_s)
        if key.startswith("lease:"):
            monkeypatch.setattr(store, "get", failing)
        return added

    async def failing(key: str) -> bytes | None:
        monkeypatch.setattr(store, "get", get)
        raise StoreUnavailable("no answer in time")

    monkeypatch.setattr(store, "add", then_failing)
    assert (await first.decide("success", jane)).access is YES
    assert first.peek("success", jane) is YES
    assert not [key for key in store.values() if not key.startswith("generation:")]


async def test_a_store_that_lost_everything_is_filled_again(
    first: AccessService, second: AccessService, vendor: Vendor, store: SharedStore, clock: Clock, jane: EndUser
) -> None:
    await first.decide("success", jane)
    store.forget_everything()
    await second.decide("success", jane)
    assert len(vendor.asked) == 2
    assert (await replica(vendor, store, clock).decide("success", jane)).access == YES
    assert len(vendor.asked) == 2


@pytest.mark.parametrize("garbage", [b"", b"\xff", b"{}", b'{"v":2}'])
async def test_garbage_is_a_miss_and_is_replaced(
    first: AccessService, second: AccessService, vendor: Vendor, store: SharedStore, jane: EndUser, garbage: bytes
) -> None:
    await first.decide("success", jane)
    [key] = [key for key in store.values() if key.startswith("decision:")]
    await store.put(key, garbage, 100)
    assert (await second.decide("success", jane)).access is YES
    assert len(vendor.asked) == 2
    assert json.loads(store.values()[key])["access"] == "granted"


# Telling what is held


async def test_the_report_tells_each_level_and_asks_nobody(
    first: AccessService, second: AccessService, vendor: Vendor, store: SharedStore, clock: Clock, jane: EndUser
) -> None:
    assert await first.report("success", jane) == Report(())
    await first.decide("success", jane)
    clock.now += 100
    in_process, shared = Held("process", YES, 100, 200), Held("shared", YES, 100, 200)
    assert await first.report("success", jane) == Report((in_process, shared))
    assert await second.report("success", jane) == Report((shared,))
    store.away = True
    assert await first.report("success", jane) == Report((in_process,), unavailable=("shared",))
    assert len(vendor.asked) == 1


def drop(service: AccessService, how: str, user: EndUser) -> None:
    if how == "drop":
        service.drop("success", user)
    elif how == "forget":
        service.forget("success", user.id)
    else:
        service.forget_portal("success")
