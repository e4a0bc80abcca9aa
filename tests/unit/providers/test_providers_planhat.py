from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

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
from portal_gateway.providers import planhat as module
from portal_gateway.providers.planhat import PlanhatProvider
from portal_gateway.providers.refusals import ENOUGH

JANE = EndUser("42", "Jane+x@vance.com", company_id="c1")
ACCESS = "/shareabletokens/access/extid-42"
MINT = "/shareabletokens/extid-42"
LINK = "https://share-eu5.planhat.com/redirect/tok-123"

MakePlanhat = Callable[..., PlanhatProvider]


def end_user(_id: str = "5f00", **more: Any) -> dict[str, Any]:
    return {"_id": _id, "email": "jane+x@vance.com", "companyId": "c1", **more}


# --- access ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("body", "access"), [(True, Access.grant("vendor_yes")), (False, Access.deny("vendor_no"))])
async def test_an_explicit_answer(body: bool, access: Access, vendor: Any, planhat: MakePlanhat) -> None:
    vendor.answer(ACCESS, body)
    assert await planhat().check_access(JANE) == access
    assert vendor.calls[0].headers["authorization"].startswith("Bearer planhat-token")


@pytest.mark.parametrize(("status", "reason"), [(403, "vendor_forbidden"), (404, "vendor_not_found")])
async def test_403_and_404_are_a_no(status: int, reason: str, vendor: Any, planhat: MakePlanhat) -> None:
    vendor.answer(ACCESS, b"<html>anything</html>", status=status)
    assert await planhat().check_access(JANE) == Access.deny(reason)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, VendorRefusedUs),
        (429, VendorBusy),
        (500, VendorUnavailable),
        (504, VendorUnavailable),
        (204, VendorError),
        (206, VendorError),
        (302, VendorError),
        (400, VendorError),
    ],
)
async def test_trouble_is_never_a_denial_nor_a_yes(
    status: int, error: type[VendorError], vendor: Any, planhat: MakePlanhat
) -> None:
    body = b"" if status == 204 else b"true"
    vendor.answer(ACCESS, body, status=status)
    vendor.answer(MINT, LINK.encode(), status=status)
    provider = planhat()
    with pytest.raises(error):
        await provider.check_access(JANE)


@pytest.mark.parametrize("status", [400, 401, 429, 500, 206, 302])
async def test_trouble_never_signs(status: int, vendor: Any, planhat: MakePlanhat) -> None:
    vendor.answer(MINT, LINK.encode(), status=status)
    with pytest.raises(VendorError):
        await planhat().mint(JANE, "link")
    assert len(vendor.calls) == 1  # a mint is not tried again


async def test_an_answer_of_unknown_form_is_counted_and_logged_once(
    vendor: Any, planhat: MakePlanhat, events: Events, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.answer(ACCESS, {"portals": ["jane's"]})
    provider = planhat()
    for _ in range(3):
        with pytest.raises(VendorError, match="could not be understood"):
            await provider.check_access(JANE)
    assert events.counts["vendor_alert", "success", "access_answer_unknown"] == 3
    assert len(caplog.records) == 1
    assert "jane" not in caplog.text


async def test_the_operator_can_adapt_to_another_form(vendor: Any, planhat: MakePlanhat) -> None:
    vendor.answer(ACCESS, {"status": "shared"})
    provider = planhat(access_keys=["status"], access_yes=["shared"], access_no=["none"])
    assert (await provider.check_access(JANE)).granted


async def test_a_40_mb_answer_is_an_error(vendor: Any, planhat: MakePlanhat) -> None:
    vendor.answer(ACCESS, b" " * (module.MAX_ANSWER_BYTES + 1) + b"true")
    with pytest.raises(VendorError, match="larger"):
        await planhat().check_access(JANE)


async def test_a_404_for_everybody_is_an_alert(
    vendor: Any, planhat: MakePlanhat, caplog: pytest.LogCaptureFixture
) -> None:
    path = "/shareabletokens/access/extid-{}"
    provider = planhat()
    for number in range(ENOUGH):
        assert caplog.records == []
        vendor.answer(path.format(number), status=404)
        await provider.check_access(EndUser(str(number)))
    [record] = caplog.records
    assert "cluster" in record.getMessage()

    await provider.check_access(EndUser("1"))
    assert len(caplog.records) == 1


async def test_one_real_answer_in_between_is_no_alert(
    vendor: Any, planhat: MakePlanhat, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.answer("/shareabletokens/access/extid-1", status=404)
    vendor.answer("/shareabletokens/access/extid-2", False)
    provider = planhat(limits={"per_minute": 1000})
    for number in range(3 * ENOUGH):
        await provider.check_access(EndUser("2" if number % 10 == 9 else "1"))
    assert caplog.records == []


# --- mint -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("purpose", ["link", "embed"])
@pytest.mark.parametrize("body", [LINK.encode(), LINK, {"url": LINK}])
async def test_a_link(purpose: Any, body: Any, vendor: Any, planhat: MakePlanhat) -> None:
    vendor.answer(MINT, body)
    assert await planhat().mint(JANE, purpose) == LINK


async def test_every_mint_asks_again(vendor: Any, planhat: MakePlanhat) -> None:
    vendor.answer(MINT, LINK + "1")
    vendor.answer(MINT, LINK + "2")
    provider = planhat()
    assert [await provider.mint(JANE, "link") for _ in range(2)] == [LINK + "1", LINK + "2"]


@pytest.mark.parametrize(("status", "reason"), [(403, "vendor_forbidden"), (404, "vendor_not_found")])
async def test_the_two_calls_can_disagree(status: int, reason: str, vendor: Any, planhat: MakePlanhat) -> None:
    vendor.answer(ACCESS, True)
    vendor.answer(MINT, status=status)
    provider = planhat()
    assert (await provider.check_access(JANE)).granted
    with pytest.raises(AccessDenied) as caught:
        await provider.mint(JANE, "link")
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "body",
    [
        b"http://evil.example/redirect/x",
        b"https://share.planhat.com/redirect/x",
        b"https://share-eu5.planhat.com/login",
        b"<!doctype html><title>Maintenance</title>",
        b"",
    ],
)
async def test_an_evil_or_broken_link_is_an_error_never_a_redirect(
    body: bytes, vendor: Any, planhat: MakePlanhat, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.answer(MINT, body, content_type="text/html")
    with pytest.raises(VendorError) as caught:
        await planhat().mint(JANE, "link")
    assert "evil" not in caught.value.message
    assert "evil" not in caplog.text


async def test_a_choice_is_refused_where_nothing_is_to_choose(vendor: Any, planhat: MakePlanhat) -> None:
    with pytest.raises(AccessDenied) as caught:
        await planhat().mint(JANE, "link", choice="5f01")
    assert caught.value.reason == "choice_not_open"
    assert vendor.calls == []


# --- ids ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "user_id", "segment"),
    [
        ("extid-{id}", "42", "extid-42"),
        ("srcid-{id}", "42", "srcid-42"),
        ("{id}", "5f00c0ffee", "5f00c0ffee"),
        ("extid-{id}", "a/b", "extid-a%2Fb"),
        ("extid-{id}", "../endusers", "extid-..%2Fendusers"),
        ("{id}", "../endusers", "..%2Fendusers"),
        ("extid-{id}", "a?b=c#d", "extid-a%3Fb%3Dc%23d"),
        ("extid-{id}", "50%25", "extid-50%2525"),
        ("extid-{id}", "a b", "extid-a%20b"),
        ("extid-{id}", "jürgen", "extid-j%C3%BCrgen"),
        ("extid-{id}", "x\r\nHost: evil", "extid-x%0D%0AHost%3A%20evil"),
        ("extid-{email}", "42", "extid-Jane%2Bx%40vance.com"),
        ("extid-{company_id}-{id}", "42", "extid-c1-42"),
    ],
)
async def test_an_id_is_exactly_one_path_segment(
    template: str, user_id: str, segment: str, vendor: Any, planhat: MakePlanhat
) -> None:
    vendor.answer(f"/shareabletokens/access/{segment}", True)
    vendor.answer(f"/shareabletokens/{segment}", LINK)
    provider = planhat(enduser_id=template)
    user = EndUser(user_id, JANE.email, company_id="c1")
    assert (await provider.check_access(user)).granted
    assert await provider.mint(user, "link") == LINK
    assert vendor.targets == [f"/shareabletokens/access/{segment}", f"/shareabletokens/{segment}"]


@pytest.mark.parametrize(
    ("template", "user"),
    [
        pytest.param("{id}", EndUser("."), id="dot"),
        pytest.param("{id}", EndUser(".."), id="dots"),
        pytest.param("{id}", EndUser("a\ud800"), id="not encodable"),
        pytest.param("extid-{company_id}", EndUser("1"), id="missing field"),
        pytest.param("extid-{company_id}", EndUser("1", company_id=""), id="empty field"),
        pytest.param("extid-{company_id}", EndUser("1", company_id=" \t"), id="blank field"),
        pytest.param("{attributes.ph}", EndUser("1", attributes={"ph": True}), id="a boolean"),
    ],
)
async def test_an_empty_or_unusable_id_never_reaches_the_vendor(
    template: str, user: EndUser, vendor: Any, planhat: MakePlanhat
) -> None:
    provider = planhat(enduser_id=template)
    with pytest.raises(IncompleteIdentity):
        provider.subject(user)
    with pytest.raises(IncompleteIdentity):
        await provider.check_access(user)
    with pytest.raises(IncompleteIdentity):
        await provider.mint(user, "link")
    assert vendor.calls == []


def test_hosts_follow_the_cluster() -> None:
    from portal_gateway.settings.portals import PlanhatPortal
    from portal_gateway.settings.secrets import Secret

    def hosts(**options: Any) -> tuple[str, str]:
        portal = PlanhatPortal(provider="planhat", api_token=Secret(b"t", "env T"), **options)
        return portal.api_base, portal.portal_base

    assert hosts() == ("https://api.planhat.com", "https://share.planhat.com")
    assert hosts(cluster="eu5") == ("https://api-eu5.planhat.com", "https://share-eu5.planhat.com")
    assert hosts(cluster="eu5", api_url="https://ws.planhat.com") == (
        "https://ws.planhat.com",
        "https://share-eu5.planhat.com",
    )


# --- resolve: email -------------------------------------------------------------------------------


async def test_an_email_is_resolved_once_and_remembered_for_an_hour(
    vendor: Any, planhat: MakePlanhat, timer: Any
) -> None:
    vendor.answer("/endusers", [end_user()])
    vendor.answer("/shareabletokens/access/5f00", True)
    vendor.answer("/shareabletokens/5f00", LINK)
    provider = planhat(resolve="email")
    assert (await provider.check_access(JANE)).granted
    assert await provider.mint(JANE, "link") == LINK
    assert [call.target.partition("?")[0] for call in vendor.calls] == [
        "/endusers",
        "/shareabletokens/access/5f00",
        "/shareabletokens/5f00",
    ]
    assert vendor.targets[0].startswith("/endusers?email=Jane%2Bx%40vance.com&")

    timer.now += module.ID_TTL_S + 1
    await provider.check_access(JANE)
    assert vendor.targets[3].startswith("/endusers?")


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        pytest.param([], "unknown_end_user", id="nobody"),
        pytest.param([end_user(archived=True)], "unknown_end_user", id="archived"),
        pytest.param([end_user("1"), end_user("2")], "ambiguous_end_user", id="twins"),
        pytest.param([end_user(email="boss@vance.com")], "unknown_end_user", id="ignored filter"),
    ],
)
async def test_an_email_that_is_not_exactly_one_end_user(
    rows: list[Any], reason: str, vendor: Any, planhat: MakePlanhat
) -> None:
    vendor.answer("/endusers", rows)
    provider = planhat(resolve="email")
    assert await provider.check_access(JANE) == Access.deny(reason)
    with pytest.raises(AccessDenied) as caught:
        await provider.mint(JANE, "link")
    assert caught.value.reason == reason
    assert all(target.startswith("/endusers?") for target in vendor.targets)


async def test_twins_are_told_apart_by_company_and_remembered_apart(vendor: Any, planhat: MakePlanhat) -> None:
    vendor.answer("/endusers", [end_user("1", companyId="c1"), end_user("2", companyId="c2")])
    vendor.answer("/shareabletokens/access/1", False)
    vendor.answer("/shareabletokens/access/2", True)
    provider = planhat(resolve="email")
    assert not (await provider.check_access(JANE)).granted
    assert (await provider.check_access(EndUser("43", JANE.email, company_id="c2"))).granted


async def test_a_list_that_may_be_cut_off_decides_nothing(vendor: Any, planhat: MakePlanhat, events: Events) -> None:
    strangers = [end_user(str(number), email=f"{number}@x.com") for number in range(module.MAX_NAMESAKES - 1)]
    vendor.answer("/endusers", [end_user(), *strangers])
    provider = planhat(resolve="email")
    with pytest.raises(VendorError):
        await provider.check_access(JANE)
    assert events.counts["vendor_alert", "success", "filter_ignored"] == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"<html>", 200), ({"data": []}, 200), ([None], 200), ([end_user(_id=5)], 200), ([], 403), ([], 404), ([], 500)],
)
async def test_a_lookup_without_an_answer_is_never_a_denial(
    body: Any, status: int, vendor: Any, planhat: MakePlanhat
) -> None:
    vendor.answer("/endusers", body, status=status)
    with pytest.raises(VendorError):
        await planhat(resolve="email").check_access(JANE)


@pytest.mark.parametrize("_id", ["..", "."])
async def test_an_id_from_the_vendor_is_encoded_too(_id: str, vendor: Any, planhat: MakePlanhat) -> None:
    vendor.answer("/endusers", [end_user(_id)])
    with pytest.raises(VendorError, match="unusable id"):
        await planhat(resolve="email").check_access(JANE)


@pytest.mark.parametrize("by", ["check", "mint"])
async def test_a_404_forgets_the_resolved_id(by: str, vendor: Any, planhat: MakePlanhat) -> None:
    vendor.answer("/endusers", [end_user("old")])
    vendor.answer("/endusers", [end_user("new")])
    vendor.answer("/shareabletokens/access/old", status=404)
    vendor.answer("/shareabletokens/old", status=404)
    vendor.answer("/shareabletokens/access/new", True)
    provider = planhat(resolve="email")
    if by == "check":
        assert not (await provider.check_access(JANE)).granted
    else:
        with pytest.raises(AccessDenied):
            await provider.mint(JANE, "link")
    assert (await provider.check_access(JANE)).granted


@pytest.mark.parametrize("email", [None, "", "  ", "jane", "a@b@c"])
async def test_a_lookup_needs_an_email_address(email: str | None, vendor: Any, planhat: MakePlanhat) -> None:
    with pytest.raises(IncompleteIdentity):
        await planhat(resolve="email").check_access(EndUser("1", email))
    assert vendor.calls == []


# --- subject --------------------------------------------------------------------------------------


def test_the_subject_is_what_the_decision_depends_on(planhat: MakePlanhat) -> None:
    assert planhat().subject(JANE) == "extid-42"
    by_email = planhat(resolve="email")
    assert by_email.subject(JANE) == by_email.subject(EndUser("other", "JANE+X@vance.com", company_id="c1"))
    assert by_email.subject(JANE) != by_email.subject(EndUser("42", JANE.email, company_id="c2"))
    assert by_email.subject(JANE) != by_email.subject(EndUser("42", "jane@vance.com", company_id="c1"))


async def test_no_secret_is_in_what_can_be_printed(
    vendor: Any, planhat: MakePlanhat, secrets: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    vendor.answer(ACCESS, status=401)
    vendor.answer(MINT, b"garbage " + secrets[0].encode())
    provider = planhat()
    shown = [repr(provider), str(provider), repr(provider._settings)]
    for call in (provider.check_access(JANE), provider.mint(JANE, "link")):
        with pytest.raises(VendorError) as caught:
            await call
        shown += [str(caught.value), repr(caught.value)]
    shown.append(caplog.text)
    assert not [secret for secret in secrets for text in shown if secret in text]
    assert "vance.com" not in caplog.text
