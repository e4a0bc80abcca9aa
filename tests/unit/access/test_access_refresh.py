"""What pages use does not run out: it is asked about in the background, early, also while a vendor is away."""

from __future__ import annotations

import asyncio

import pytest
from access_fakes import NO, TTL, YES, Clock, Vendor, settle

from portal_gateway.access.asking import Source
from portal_gateway.access.memory import MemoryLevel
from portal_gateway.access.service import BUSY_FLIGHTS, AccessService
from portal_gateway.errors import VendorBusy, VendorUnavailable
from portal_gateway.models import Access, EndUser
from portal_gateway.observe.events import Events
from portal_gateway.providers.urgency import Urgency

AWAY = VendorUnavailable("no answer")


@pytest.fixture
def service(vendor: Vendor, clock: Clock, events: Events) -> AccessService:
    """Its dice put the background question at the earliest, 240 s after a yes."""
    return AccessService({"success": Source(vendor, TTL)}, MemoryLevel(1000), events, clock=clock, dice=lambda: 1.0)


@pytest.mark.parametrize("by_peeking", [True, False], ids=["peek", "decide"])
async def test_a_page_near_the_end_of_the_ttl_gets_the_old_answer_and_the_next_one_the_new(
    service: AccessService, vendor: Vendor, clock: Clock, jane: EndUser, by_peeking: bool
) -> None:
    async def view() -> Access | None:
        return service.peek("success", jane) if by_peeking else (await service.decide("success", jane)).access

    await service.decide("success", jane)
    clock.now += 239
    assert await view() is YES
    await settle()
    assert len(vendor.asked) == 1
    clock.now += 1
    vendor.answer = NO
    assert [await view() for _ in range(10)] == [YES] * 10
    await settle()
    assert await view() is NO
    assert vendor.asked_for == [Urgency.PAGE, Urgency.REFRESH]


async def test_a_page_in_use_never_waits(service: AccessService, vendor: Vendor, clock: Clock, jane: EndUser) -> None:
    await service.decide("success", jane)
    for _ in range(200):
        clock.now += 10
        assert service.peek("success", jane) is YES
        await settle()
    assert len(vendor.asked) == 1 + 2000 // 240


async def test_a_background_question_without_answer_takes_nothing_away(
    service: AccessService, vendor: Vendor, clock: Clock, jane: EndUser
) -> None:
    await service.decide("success", jane)
    vendor.answer = AWAY
    clock.now += 240
    for _ in range(10):
        assert service.peek("success", jane) is YES
        await settle()
        assert (await service.decide("success", jane, for_launch=True)).access is YES
    assert len(vendor.asked) == 2
    clock.now += 5
    service.peek("success", jane)
    await settle()
    assert len(vendor.asked) == 3


async def test_while_the_vendor_is_away_no_page_waits_and_it_is_asked_every_few_seconds(
    service: AccessService, vendor: Vendor, clock: Clock, jane: EndUser
) -> None:
    await service.decide("success", jane)
    vendor.answer = AWAY
    clock.now += 301
    assert (await service.decide("success", jane)).access == Access.grant("stale_yes")
    for _ in range(100):
        clock.now += 1
        assert service.peek("success", jane) == Access.grant("stale_yes")
        await settle()
    assert len(vendor.asked) == 2 + 100 // 5
    vendor.answer = YES
    clock.now += 5
    service.peek("success", jane)
    await settle()
    assert service.peek("success", jane) is YES


async def test_a_background_question_that_hangs_holds_up_nobody(
    service: AccessService, vendor: Vendor, clock: Clock, jane: EndUser
) -> None:
    await service.decide("success", jane)
    vendor.open.clear()
    clock.now += 240
    assert service.peek("success", jane) is YES
    await settle()
    assert (await service.decide("success", jane, for_launch=True)).access is YES
    await service.aclose()


async def test_one_answer_of_a_busy_vendor_is_no_answer_to_who_is_in_more_of_a_hurry(
    service: AccessService, vendor: Vendor, clock: Clock, jane: EndUser
) -> None:
    """The limiter refuses a background question before it refuses a launch."""
    await service.decide("success", jane)
    clock.now += 301
    vendor.answer = AWAY
    await service.decide("success", jane)
    clock.now += 5
    vendor.open.clear()
    vendor.answer = VendorBusy("no room", 3)
    service.peek("success", jane)
    await settle()
    vendor.answer = YES
    waiting = asyncio.create_task(service.decide("success", jane, for_launch=True))
    await settle()
    vendor.open.set()
    assert (await waiting).access is YES
    assert vendor.asked_for[-2:] == [Urgency.REFRESH, Urgency.LAUNCH]


async def test_a_launch_that_the_vendor_has_no_room_for_is_not_asked_twice(
    service: AccessService, vendor: Vendor, jane: EndUser
) -> None:
    vendor.answer = VendorBusy("no room", 3)
    decision = await service.decide("success", jane, for_launch=True)
    assert decision.access == Access.unknown("vendor_busy")
    assert len(vendor.asked) == 1


async def test_background_questions_wait_while_many_are_under_way(
    service: AccessService, vendor: Vendor, clock: Clock, jane: EndUser
) -> None:
    await service.decide("success", jane)
    clock.now += 240
    vendor.open.clear()
    crowd = [EndUser(f"c{number}", f"c{number}@vance.com") for number in range(BUSY_FLIGHTS)]
    waiting = [asyncio.create_task(service.decide("success", user)) for user in crowd]
    await settle()
    assert service.peek("success", jane) is YES
    await settle()
    assert len(vendor.asked) == 1 + BUSY_FLIGHTS
    vendor.open.set()
    await asyncio.gather(*waiting)
    service.peek("success", jane)
    await settle()
    assert len(vendor.asked) == 2 + BUSY_FLIGHTS
