"""A person who clicks does not wait with those who are in no hurry, also where their question is asked already."""

from __future__ import annotations

import asyncio

import pytest
from access_fakes import TTL, YES, Clock, SharedStore, Vendor, replica, settle

from portal_gateway.access.asking import Source
from portal_gateway.access.memory import MemoryLevel
from portal_gateway.access.service import AccessService
from portal_gateway.models import Access, EndUser
from portal_gateway.observe.events import Events
from portal_gateway.providers.alerts import Alerts
from portal_gateway.providers.guard import Guard
from portal_gateway.providers.urgency import Urgency

CROWD = [EndUser(str(number), f"u{number}@vance.com") for number in range(100, 110)]


class LimitedVendor(Vendor):
    """Of its 60 calls a minute 6 may leave at once, 4 of them for pages, 3 in the background."""

    def __init__(self) -> None:
        super().__init__()
        self.guard = Guard("success", Alerts("success", Events()), timeout_s=5.0, per_minute=60)

    async def check_access(self, user: EndUser) -> Access:
        return await self.guard.run(lambda: super(LimitedVendor, self).check_access(user))

    async def aclose(self) -> None:
        await self.guard.aclose()


@pytest.fixture
def vendor() -> LimitedVendor:
    return LimitedVendor()


@pytest.fixture(params=["alone", "with replicas"])
def service(request: pytest.FixtureRequest, vendor: LimitedVendor, clock: Clock, events: Events) -> AccessService:
    """A yes holds for 300 s, and is asked about in the background after 240."""
    if request.param == "with replicas":
        return replica(vendor, SharedStore(), clock, dice=earliest)
    return AccessService({"success": Source(vendor, TTL)}, MemoryLevel(100), events, clock=clock, dice=earliest)


def earliest() -> float:
    return 1.0


async def launched(service: AccessService, user: EndUser) -> Access | None:
    """What a launch is told before any time has passed."""
    launch = asyncio.create_task(service.decide("success", user, for_launch=True))
    await settle()
    if not launch.done():
        launch.cancel()
        return None
    return launch.result().access


@pytest.mark.parametrize("begun", ["before", "at the same time"])
async def test_a_launch_that_joins_a_refresh_takes_it_out_of_the_queue(
    service: AccessService, vendor: LimitedVendor, clock: Clock, jane: EndUser, begun: str
) -> None:
    for user in [jane, *CROWD[:3]]:
        await service.decide("success", user)
    clock.now += 299
    for user in [CROWD[0], jane]:
        assert service.peek("success", user) == YES
    if begun == "before":
        await settle()
    clock.now += 2
    assert await launched(service, jane) == YES
    assert vendor.asked[4:] == [jane]
    assert vendor.asked_for[4:] == [Urgency.LAUNCH]
    await service.aclose()
    await vendor.aclose()


async def test_a_launch_that_joins_a_page_takes_it_out_of_the_queue(
    service: AccessService, vendor: LimitedVendor, jane: EndUser
) -> None:
    pages = [asyncio.create_task(service.decide("success", user)) for user in [*CROWD, jane]]
    await settle()
    assert len(vendor.asked) == 4
    assert await launched(service, jane) == YES
    assert pages[-1].done()
    assert vendor.asked[4:] == [jane]
    await service.aclose()
    assert {page.result().access.reason for page in pages[4:-1]} <= {"shutting_down"}
    await vendor.aclose()


async def test_a_question_that_has_ended_hurries_no_later_one(
    service: AccessService, vendor: LimitedVendor, clock: Clock, jane: EndUser
) -> None:
    assert await launched(service, jane) == YES
    clock.now += 240
    service.peek("success", jane)
    await settle()
    assert vendor.asked_for == [Urgency.LAUNCH, Urgency.REFRESH]
    assert service._questions == {}


async def test_a_launch_that_joins_waits_no_longer_for_another_replica_than_a_launch_does(
    clock: Clock, jane: EndUser
) -> None:
    store, slow, quick = SharedStore(), Vendor(), Vendor()
    other = replica(slow, store, clock)
    service = replica(quick, store, clock, launch_wait_s=0.0)
    slow.open.clear()
    asking = asyncio.create_task(other.decide("success", jane))
    await settle()
    page = asyncio.create_task(service.decide("success", jane))
    await settle()
    assert quick.asked == []
    assert await launched(service, jane) == YES
    assert (await page).access == YES
    assert quick.asked_for == [Urgency.LAUNCH]
    slow.open.set()
    await asking
