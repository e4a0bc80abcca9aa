from __future__ import annotations

import asyncio
import logging

import pytest
from access_fakes import NO, YES, Clock, Vendor, settle

from portal_gateway.access.service import AccessService
from portal_gateway.errors import (
    AccessDenied,
    IncompleteIdentity,
    VendorBusy,
    VendorError,
    VendorRefusedUs,
    VendorUnavailable,
)
from portal_gateway.models import Access, EndUser
from portal_gateway.observe.events import Events

AWAY = VendorUnavailable("no answer")


# How long answers hold


@pytest.mark.parametrize(
    ("answer", "holds_s"),
    [
        pytest.param(YES, 300, id="granted"),
        pytest.param(NO, 60, id="denied"),
        pytest.param(AWAY, 5, id="unknown"),
        pytest.param(VendorBusy("429", 30), 30, id="as-long-as-the-vendor-says"),
        pytest.param(VendorBusy("429"), 5, id="busy-without-a-time"),
    ],
)
async def test_the_vendor_is_asked_again_when_the_answer_has_run_out(
    service: AccessService, vendor: Vendor, clock: Clock, jane: EndUser, answer: Access | Exception, holds_s: float
) -> None:
    vendor.answer = answer
    first = await service.decide("success", jane)
    assert first.expires_in_s == holds_s
    clock.now += holds_s - 0.5
    assert (await service.decide("success", jane)) == type(first)(first.access, 0.5)
    assert len(vendor.asked) == 1
    clock.now += 0.5
    assert (await service.decide("success", jane)).expires_in_s == holds_s
    assert len(vendor.asked) == 2


async def test_the_time_the_vendor_took_is_not_added(
    service: AccessService, vendor: Vendor, clock: Clock, jane: EndUser
) -> None:
    vendor.open.clear()
    first, second = (asyncio.create_task(service.decide("success", jane)) for _ in range(2))
    await settle()
    clock.now += 4
    vendor.open.set()
    assert (await first).expires_in_s == (await second).expires_in_s == 300


async def test_a_thousand_calls_within_the_ttl_are_one_question(
    service: AccessService, vendor: Vendor, clock: Clock, jane: EndUser
) -> None:
    for _ in range(1000):
        assert (await service.decide("success", jane, for_launch=True)).access is YES
        clock.now += 0.29
    assert len(vendor.asked) == 1


async def test_fifty_first_views_at_once_are_one_question(
    service: AccessService, vendor: Vendor, jane: EndUser
) -> None:
    vendor.open.clear()
    waiting = [asyncio.create_task(service.decide("success", jane, for_launch=n % 2 == 0)) for n in range(50)]
    await settle()
    vendor.open.set()
    assert {decision.access for decision in await asyncio.gather(*waiting)} == {YES}
    assert len(vendor.asked) == 1


async def test_a_closed_tab_cancels_only_its_own_waiting(service: AccessService, vendor: Vendor, jane: EndUser) -> None:
    vendor.open.clear()
    first, second = (asyncio.create_task(service.decide("success", jane)) for _ in range(2))
    await settle()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert first.cancelled()
    vendor.open.set()
    assert (await second).access is YES
    assert service.peek("success", jane) is YES


# What counts as which answer


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(VendorError("bad shape"), "vendor_error", id="shape"),
        pytest.param(VendorRefusedUs("401"), "vendor_refused_us", id="401"),
        pytest.param(VendorBusy("429", 3), "vendor_busy", id="429"),
        pytest.param(AWAY, "vendor_unavailable", id="time-out"),
        pytest.param(IncompleteIdentity("company_id"), "incomplete_identity", id="identity"),
        pytest.param(AccessDenied("no", "not_a_member"), "internal_error", id="a-denial-that-was-raised"),
        pytest.param(KeyError("x"), "internal_error", id="bug"),
        pytest.param(TimeoutError(), "internal_error", id="time-out-of-another-kind"),
        pytest.param(RecursionError(), "internal_error", id="recursion"),
    ],
)
@pytest.mark.parametrize("for_launch", [False, True])
async def test_trouble_is_unknown_and_never_raised(
    service: AccessService, vendor: Vendor, jane: EndUser, error: Exception, reason: str, for_launch: bool
) -> None:
    vendor.answer = error
    decision = await service.decide("success", jane, for_launch=for_launch)
    assert decision.access == Access.unknown(reason)


async def test_a_bug_is_logged_with_its_traceback_and_counted(
    service: AccessService, vendor: Vendor, jane: EndUser, events: Events, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.answer = ZeroDivisionError("bug")
    with caplog.at_level(logging.ERROR, "portal_gateway"):
        await service.decide("success", jane)
    assert [record.exc_info is not None for record in caplog.records] == [True]
    assert events.counts["internal_error", "success", "access"] == 1


async def test_each_question_is_counted_once(
    service: AccessService, vendor: Vendor, clock: Clock, jane: EndUser, events: Events
) -> None:
    for _ in range(3):
        await service.decide("success", jane)
    vendor.answer = NO
    clock.now += 300
    await service.decide("success", jane)
    assert events.counts == {
        ("access_granted", "success", "vendor_yes"): 1,
        ("access_denied", "success", "vendor_no"): 1,
    }


async def test_who_lacks_a_field_is_not_asked_about(service: AccessService, vendor: Vendor) -> None:
    nameless = EndUser("7")
    assert service.peek("success", nameless) == Access.unknown("incomplete_identity")
    decision = await service.decide("success", nameless)
    assert decision.access == Access.unknown("incomplete_identity")
    assert decision.expires_in_s == 0
    assert vendor.asked == []


async def test_a_provider_that_cannot_tell_whom_it_would_ask_about(
    service: AccessService, vendor: Vendor, jane: EndUser, monkeypatch: pytest.MonkeyPatch, events: Events
) -> None:
    monkeypatch.setattr(vendor, "subject", lambda _user: 1 // 0)
    assert service.peek("success", jane) is None
    assert (await service.decide("success", jane)).access == Access.unknown("internal_error")
    assert events.counts["internal_error", "success", "access"] == 1


async def test_a_no_follows_a_yes_and_a_yes_a_no(
    service: AccessService, vendor: Vendor, clock: Clock, jane: EndUser
) -> None:
    seen = []
    for answer in (YES, NO, YES):
        vendor.answer = answer
        seen.append((await service.decide("success", jane)).access)
        clock.now += 300
    assert seen == [YES, NO, YES]


# Peeking


async def test_peek_does_not_ask_and_gives_what_is_fresh(
    service: AccessService, vendor: Vendor, clock: Clock, jane: EndUser
) -> None:
    assert service.peek("success", jane) is None
    await service.decide("success", jane)
    assert service.peek("success", jane) is YES
    clock.now += 300
    assert service.peek("success", jane) is None
    assert len(vendor.asked) == 1


# Dropping


async def test_drop_takes_one_users_decision(service: AccessService, vendor: Vendor, jane: EndUser) -> None:
    noah = EndUser("8", "noah@vance.com")
    await service.decide("success", jane)
    await service.decide("success", noah)
    service.drop("success", jane)
    assert service.peek("success", jane) is None
    assert service.peek("success", noah) is YES


async def test_forget_takes_every_e_mail_address_of_a_user(
    service: AccessService, vendor: Vendor, jane: EndUser
) -> None:
    await service.decide("success", jane)
    await service.decide("success", EndUser("7", "jane@old.example"))
    assert service.forget("success", "7") == 2
    assert vendor.forgotten == 1
    assert service.peek("success", jane) is None
    assert service.forget("success", "7") == 0


@pytest.mark.parametrize("drop", [True, False], ids=["drop", "forget"])
async def test_what_was_asked_before_is_not_kept_nor_joined_afterwards(
    service: AccessService, vendor: Vendor, jane: EndUser, drop: bool
) -> None:
    vendor.open.clear()
    before = asyncio.create_task(service.decide("success", jane))
    await settle()
    if drop:
        service.drop("success", jane)
    else:
        service.forget("success", "7")
    vendor.answer = NO
    after = asyncio.create_task(service.decide("success", jane))
    await settle()
    vendor.open.set()
    assert (await before).access is YES
    assert (await after).access is NO
    assert service.peek("success", jane) is NO


async def test_an_old_yes_that_was_forgotten_meanwhile_does_not_come_back(
    service: AccessService, vendor: Vendor, clock: Clock, jane: EndUser
) -> None:
    await service.decide("success", jane)
    clock.now += 301
    vendor.answer = AWAY
    vendor.open.clear()
    waiting = asyncio.create_task(service.decide("success", jane))
    await settle()
    service.forget("success", "7")
    vendor.open.set()
    assert (await waiting).access == Access.unknown("vendor_unavailable")
    assert service.peek("success", jane) is None


async def test_closing_ends_the_questions_but_not_the_requests_that_wait_for_them(
    service: AccessService, vendor: Vendor, jane: EndUser
) -> None:
    vendor.open.clear()
    waiting = asyncio.create_task(service.decide("success", jane))
    await settle()
    await service.aclose()
    assert (await asyncio.wait_for(waiting, 1)).access == Access.unknown("shutting_down")
    assert service.peek("success", jane) is None
