"""An old yes: it shows, it opens nothing, it ends."""

from __future__ import annotations

import asyncio

import pytest
from access_fakes import NO, YES, Clock, Vendor, settle

from portal_gateway.access.service import AccessService
from portal_gateway.errors import VendorUnavailable
from portal_gateway.models import Access, Choice, EndUser, Verdict

AWAY = VendorUnavailable("no answer")


async def test_an_old_yes_shows_while_the_vendor_is_away_but_opens_nothing(
    service: AccessService, vendor: Vendor, clock: Clock, jane: EndUser
) -> None:
    choices = (Choice("1", "Roll-out"),)
    vendor.answer = Access.grant("member", choices)
    await service.decide("success", jane)
    clock.now += 301
    vendor.answer = AWAY
    assert (await service.decide("success", jane)).access == Access.grant("stale_yes", choices)
    assert service.peek("success", jane) == Access.grant("stale_yes", choices)
    launch = await service.decide("success", jane, for_launch=True)
    assert launch.access == Access.unknown("vendor_unavailable")
    # The launch that failed has not taken the old yes away from the pages.
    assert (await service.decide("success", jane)).access.granted


async def test_an_old_yes_ends_when_its_time_is_over(
    service: AccessService, vendor: Vendor, clock: Clock, jane: EndUser
) -> None:
    await service.decide("success", jane)
    vendor.answer = AWAY
    for _ in range(100):
        clock.now += 38
        await service.decide("success", jane)
    assert (await service.decide("success", jane)).access.granted
    clock.now = 1000.0 + 300 + 3600
    assert (await service.decide("success", jane)).access == Access.unknown("vendor_unavailable")


async def test_an_old_yes_ends_with_an_explicit_no(
    service: AccessService, vendor: Vendor, clock: Clock, jane: EndUser
) -> None:
    await service.decide("success", jane)
    clock.now += 301
    vendor.answer = NO
    assert (await service.decide("success", jane)).access is NO
    clock.now += 61
    vendor.answer = AWAY
    assert (await service.decide("success", jane)).access == Access.unknown("vendor_unavailable")


@pytest.mark.parametrize("page_first", [True, False])
async def test_page_and_launch_in_one_flight_each_get_their_own(
    service: AccessService, vendor: Vendor, clock: Clock, jane: EndUser, page_first: bool
) -> None:
    await service.decide("success", jane)
    clock.now += 301
    vendor.answer = AWAY
    vendor.open.clear()
    order = [False, True] if page_first else [True, False]
    waiting = {}
    for for_launch in order:
        waiting[for_launch] = asyncio.create_task(service.decide("success", jane, for_launch=for_launch))
        await settle()
    vendor.open.set()
    assert (await waiting[False]).access == Access.grant("stale_yes")
    assert (await waiting[True]).access == Access.unknown("vendor_unavailable")
    assert len(vendor.asked) == 2


async def test_a_launch_does_not_let_an_earlier_failure_stand(
    service: AccessService, vendor: Vendor, jane: EndUser
) -> None:
    vendor.answer = AWAY
    await service.decide("success", jane)
    vendor.answer = YES
    assert (await service.decide("success", jane)).access.verdict is Verdict.UNKNOWN
    assert (await service.decide("success", jane, for_launch=True)).access is YES
    assert service.peek("success", jane) is YES
