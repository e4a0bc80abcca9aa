from __future__ import annotations

import pytest
from access_fakes import NO, YES, Clock, Vendor

from portal_gateway.access.directory import Directory, Portal
from portal_gateway.access.service import AccessService
from portal_gateway.errors import (
    AccessDenied,
    ChoiceNeeded,
    GatewayError,
    IncompleteIdentity,
    UnknownPortal,
    VendorBusy,
    VendorError,
    VendorUnavailable,
)
from portal_gateway.models import Access, EndUser
from portal_gateway.observe.events import Events


@pytest.fixture
def portal(vendor: Vendor) -> Portal:
    return Portal("success", "Customer portal", vendor, "strict-origin")


@pytest.fixture
def directory(portal: Portal, service: AccessService, events: Events) -> Directory:
    return Directory({"success": portal}, service, events)


def test_portals_are_found_by_name(directory: Directory, portal: Portal) -> None:
    assert directory.portals == (portal,)
    assert directory.find("success") is portal
    with pytest.raises(UnknownPortal) as caught:
        directory.find("<script>")
    assert "<script>" not in caught.value.message


async def test_decide_and_peek(directory: Directory, portal: Portal, jane: EndUser) -> None:
    assert directory.peek("success", jane) is None
    assert (await directory.decide(portal, jane)).access is YES
    assert directory.peek("success", jane) is YES


async def test_require_gives_the_decision(directory: Directory, portal: Portal, jane: EndUser) -> None:
    assert (await directory.require(portal, jane)).access is YES


async def test_require_raises_a_denial_with_its_reason(
    directory: Directory, portal: Portal, vendor: Vendor, jane: EndUser
) -> None:
    vendor.answer = Access.deny("not_a_member")
    with pytest.raises(AccessDenied) as caught:
        await directory.require(portal, jane)
    assert caught.value.reason == "not_a_member"


async def test_require_tells_trouble_at_the_vendor_from_a_denial(
    directory: Directory, portal: Portal, vendor: Vendor, jane: EndUser
) -> None:
    vendor.answer = ZeroDivisionError()
    with pytest.raises(VendorUnavailable):
        await directory.require(portal, jane)


async def test_require_names_what_the_user_lacks(directory: Directory, portal: Portal, vendor: Vendor) -> None:
    with pytest.raises(IncompleteIdentity) as caught:
        await directory.require(portal, EndUser("7"))
    assert caught.value.field == "email"
    assert vendor.asked == []


async def test_require_does_not_accept_an_old_yes(
    directory: Directory, portal: Portal, vendor: Vendor, clock: Clock, jane: EndUser
) -> None:
    await directory.require(portal, jane)
    clock.now += 301
    vendor.answer = VendorUnavailable("away")
    assert (await directory.decide(portal, jane)).access.granted
    with pytest.raises(VendorUnavailable):
        await directory.require(portal, jane)
    with pytest.raises(VendorUnavailable):
        await directory.mint(portal, jane, "link")
    assert vendor.minted == []


async def test_every_mint_is_a_link_of_its_own(
    directory: Directory, portal: Portal, vendor: Vendor, events: Events, jane: EndUser
) -> None:
    for purpose in ("link", "embed", "link"):
        assert await directory.mint(portal, jane, purpose, "4") == "https://vendor.example/signed"
    assert vendor.minted == [("7", "link", "4"), ("7", "embed", "4"), ("7", "link", "4")]
    assert len(vendor.asked) == 1
    assert events.counts["minted", "success", "link"] == 2
    assert events.counts["minted", "success", "embed"] == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(NO, AccessDenied, id="denied"),
        pytest.param(VendorBusy("429", 30.0), VendorBusy, id="busy"),
        pytest.param(VendorUnavailable("away"), VendorUnavailable, id="unknown"),
    ],
)
async def test_nothing_is_minted_without_a_yes(
    directory: Directory,
    portal: Portal,
    vendor: Vendor,
    jane: EndUser,
    answer: Access | Exception,
    error: type[Exception],
) -> None:
    vendor.answer = answer
    with pytest.raises(error):
        await directory.mint(portal, jane, "link")
    assert vendor.minted == []


@pytest.mark.parametrize(
    "error", [AccessDenied("gone", "vendor_not_found"), VendorError("bad origin")], ids=["denied", "unusable"]
)
async def test_a_decision_that_proves_wrong_is_dropped(
    directory: Directory, portal: Portal, vendor: Vendor, events: Events, jane: EndUser, error: GatewayError
) -> None:
    vendor.link = error
    with pytest.raises(type(error)):
        await directory.mint(portal, jane, "link")
    assert directory.peek("success", jane) is None
    assert events.counts["refused", "success", f"mint_{error.code}"] == 1
    assert events.counts["minted", "success", "link"] == 0


async def test_a_choice_that_is_missing_proves_nothing_wrong(
    directory: Directory, portal: Portal, vendor: Vendor, events: Events, jane: EndUser
) -> None:
    vendor.link = ChoiceNeeded("which?")
    with pytest.raises(ChoiceNeeded):
        await directory.mint(portal, jane, "link")
    assert directory.peek("success", jane) is YES
    assert not [series for series in events.counts if series[0] == "refused"]


async def test_forget(directory: Directory, portal: Portal, jane: EndUser) -> None:
    await directory.decide(portal, jane)
    assert directory.forget(portal, "8") == 0
    assert directory.forget(portal, "7") == 1
    assert directory.peek("success", jane) is None


async def test_a_busy_vendor_s_own_waiting_time_is_passed_on(
    directory: Directory, portal: Portal, vendor: Vendor, jane: EndUser
) -> None:
    vendor.answer = VendorBusy("429", 30.0)
    with pytest.raises(VendorBusy) as caught:
        await directory.require(portal, jane)
    assert caught.value.retry_after_s == pytest.approx(30.0, abs=1.0)


@pytest.mark.parametrize("trouble", [VendorBusy("429"), VendorUnavailable("away")], ids=["busy", "away"])
async def test_a_vendor_in_trouble_at_the_mint_takes_no_access_back(
    directory: Directory, portal: Portal, vendor: Vendor, jane: EndUser, trouble: Exception
) -> None:
    vendor.link = trouble
    with pytest.raises(type(trouble)):
        await directory.mint(portal, jane, "link")
    assert directory.peek("success", jane) is not None
