from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest

from portal_gateway.errors import (
    AccessDenied,
    ChoiceNeeded,
    IncompleteIdentity,
    VendorBusy,
    VendorError,
    VendorRefusedUs,
    VendorUnavailable,
    VendorUnreadable,
)
from portal_gateway.models import Access, Choice, EndUser
from portal_gateway.observe.events import Events
from portal_gateway.providers import rocketlane_projects
from portal_gateway.providers.refusals import ENOUGH
from portal_gateway.providers.rocketlane import RocketlaneProvider
from portal_gateway.providers.urgency import Urgency, urgency

LIST = "/api/1.0/projects"
JANE = EndUser("42", "Jane@Vance.com", company_id="301")

MakeRocketlane = Callable[..., RocketlaneProvider]


def project(project_id: int = 5, company_id: Any = 301, *emails: str, **more: Any) -> dict[str, Any]:
    return {
        "projectId": project_id,
        "projectName": f"Project {project_id}",
        "archived": False,
        "customer": None if company_id is None else {"companyId": company_id},
        "teamMembers": {
            "members": [{"emailId": "pm@vendor.com"}],
            "customers": [{"emailId": email} for email in emails or ("jane@VANCE.com",)],
        },
        **more,
    }


STRANGERS = ("someone@vance.com",)


def page(*projects: dict[str, Any], following: str | None = None) -> dict[str, Any]:
    return {
        "data": list(projects),
        "pagination": {"hasMore": following is not None, "nextPageToken": following},
    }


def serve(vendor: Any, *projects: dict[str, Any]) -> None:
    """A vendor that has these projects, listed and one by one."""
    vendor.answer(LIST, page(*projects))
    for each in projects:
        vendor.answer(f"{LIST}/{each['projectId']}", each)


def claims_of(url: str) -> dict[str, Any]:
    base, _, token = url.partition("?token=")
    assert base == "https://acme.rocketlane.com/cp/embed"
    return jwt.decode(token, b"shared-secret-of-rocketlane-0123456789", ["HS256"], options={"verify_exp": False})


async def denial(provider: RocketlaneProvider, user: EndUser, choice: str | None = None) -> str:
    with pytest.raises(AccessDenied) as caught:
        await provider.mint(user, "link", choice)
    return caught.value.reason


# --- access ---------------------------------------------------------------------------------------


async def test_a_member_of_the_companys_project(vendor: Any, rocketlane: MakeRocketlane) -> None:
    serve(vendor, project())
    assert await rocketlane().check_access(JANE) == Access.grant("member")
    [call] = vendor.calls
    assert call.headers["api-key"] == "rocketlane-key-9b7d"


async def test_the_filter_is_the_documented_one_not_that_of_the_help_article(
    vendor: Any, rocketlane: MakeRocketlane
) -> None:
    serve(vendor, project())
    await rocketlane().check_access(JANE)
    assert parse_qs(vendor.targets[0].partition("?")[2]) == {
        "companyId.eq": ["301"],
        "includeArchive.eq": ["false"],
        "pageSize": ["100"],
    }


async def test_the_customer_champion_is_a_member(vendor: Any, rocketlane: MakeRocketlane) -> None:
    team = {"customers": [], "customerChampion": {"emailId": "JANE@vance.com"}}
    serve(vendor, project(teamMembers=team))
    assert await rocketlane().check_access(JANE) == Access.grant("member")


async def test_the_vendors_own_people_are_no_customers(vendor: Any, rocketlane: MakeRocketlane) -> None:
    serve(vendor, project())
    assert await rocketlane().check_access(EndUser("1", "pm@vendor.com", company_id="301")) == Access.deny(
        "not_a_member"
    )


@pytest.mark.parametrize(
    ("projects", "reason"),
    [
        pytest.param([], "no_project", id="none"),
        pytest.param([project(archived=True)], "no_project", id="archived although filtered"),
        pytest.param([project(5, 302)], "no_project", id="another company"),
        pytest.param([project(5, None)], "no_project", id="no company"),
        pytest.param([project(5, 301, *STRANGERS)], "not_a_member", id="not a member"),
    ],
)
async def test_no_project_is_open(projects: list[Any], reason: str, vendor: Any, rocketlane: MakeRocketlane) -> None:
    serve(vendor, *projects)
    provider = rocketlane()
    assert await provider.check_access(JANE) == Access.deny(reason)
    assert await denial(provider, JANE) == reason


async def test_several_projects_are_choices_by_name(vendor: Any, rocketlane: MakeRocketlane) -> None:
    serve(
        vendor,
        project(9, projectName="b"),
        project(5, projectName="A"),
        project(6, 301, *STRANGERS, projectName="0 not hers"),
    )
    access = await rocketlane().check_access(JANE)
    assert access == Access.grant("member", (Choice("5", "A"), Choice("9", "b")))


# --- another company's projects -------------------------------------------------------------------


async def test_an_ignored_filter_never_opens_another_companys_project(
    vendor: Any, rocketlane: MakeRocketlane, events: Events, caplog: pytest.LogCaptureFixture
) -> None:
    serve(vendor, project(1, 999), project(2, None), project(5), project(3, 998))
    provider = rocketlane()
    assert await provider.check_access(JANE) == Access.grant("member")
    assert claims_of(await provider.mint(JANE, "link"))["config"]["projectId"] == 5
    assert await denial(provider, JANE, "1") == "choice_not_open"
    assert events.counts["vendor_alert", "onboarding", "filter_ignored"] == 1
    assert len(caplog.records) == 1

    assert await provider.check_access(EndUser("1", JANE.email, company_id="777")) == Access.deny("no_project")
    assert events.counts["vendor_alert", "onboarding", "filter_ignored"] == 2
    assert len(caplog.records) == 1


async def test_a_project_that_moved_to_another_company_is_not_signed(vendor: Any, rocketlane: MakeRocketlane) -> None:
    vendor.answer(LIST, page(project(5, 301)))
    vendor.answer(f"{LIST}/5", project(5, 302))
    provider = rocketlane()
    assert (await provider.check_access(JANE)).granted
    assert await denial(provider, JANE) == "other_company"


async def test_an_answer_about_another_project_than_asked_for(vendor: Any, rocketlane: MakeRocketlane) -> None:
    vendor.answer(LIST, page(project(5)))
    vendor.answer(f"{LIST}/5", project(6))
    with pytest.raises(VendorError, match="another project"):
        await rocketlane().mint(JANE, "link")


# --- mint -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("purpose", ["link", "embed"])
async def test_a_token_for_the_one_project(purpose: Any, vendor: Any, rocketlane: MakeRocketlane) -> None:
    serve(vendor, project())
    url = await rocketlane().mint(JANE, purpose)
    assert claims_of(url) == {
        "user": {"emailId": "jane@VANCE.com"},
        "config": {"projectId": 5},
        "exp": 1_700_000_060,
    }


async def test_the_token_alone(vendor: Any, rocketlane: MakeRocketlane) -> None:
    serve(vendor, project())
    token = await rocketlane().mint(JANE, "token")
    assert jwt.decode(token, options={"verify_signature": False})["config"] == {"projectId": 5}


async def test_every_mint_reads_the_project_afresh(vendor: Any, rocketlane: MakeRocketlane) -> None:
    serve(vendor, project())
    provider = rocketlane()
    await provider.check_access(JANE)
    for _ in range(2):
        await provider.mint(JANE, "link")
    assert [target.partition("?")[0] for target in vendor.targets] == [LIST, f"{LIST}/5", f"{LIST}/5"]


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        pytest.param(project(5, 301, archived=True), "project_archived", id="archived"),
        pytest.param(project(5, 301, *STRANGERS), "not_a_member", id="no longer a member"),
        pytest.param(project(5, None), "other_company", id="no company any more"),
        pytest.param(None, "no_project", id="deleted"),
    ],
)
async def test_what_changed_since_the_list_was_read_counts(
    now: Any, reason: str, vendor: Any, rocketlane: MakeRocketlane
) -> None:
    vendor.answer(LIST, page(project()))
    vendor.answer(LIST, page())
    vendor.answer(f"{LIST}/5", now or {}, status=200 if now else 404)
    provider = rocketlane()
    assert (await provider.check_access(JANE)).granted
    assert await denial(provider, JANE) == reason
    # What was remembered of the company was wrong, and is read again.
    assert await provider.check_access(JANE) == Access.deny("no_project")


async def test_a_single_project_that_does_not_tell_its_customers(vendor: Any, rocketlane: MakeRocketlane) -> None:
    vendor.answer(LIST, page(project()))
    vendor.answer(f"{LIST}/5", project(teamMembers=None))
    with pytest.raises(VendorError):
        await rocketlane().mint(JANE, "link")


# --- choices --------------------------------------------------------------------------------------


async def test_one_of_several_must_be_named(vendor: Any, rocketlane: MakeRocketlane) -> None:
    serve(vendor, project(5), project(9))
    provider = rocketlane()
    with pytest.raises(ChoiceNeeded):
        await provider.mint(JANE, "link")
    assert claims_of(await provider.mint(JANE, "link", "9"))["config"] == {"projectId": 9}


@pytest.mark.parametrize(
    "choice", ["6", "7", "", " 5", "05", "5.0", "+5", "٥", "5/../6", "5?x", "null", "-5", "5,9", "9" * 500]
)
async def test_a_choice_that_is_not_open(choice: str, vendor: Any, rocketlane: MakeRocketlane) -> None:
    serve(vendor, project(5), project(9), project(6, 302), project(7, 301, *STRANGERS))
    assert await denial(rocketlane(), JANE, choice) == "choice_not_open"
    assert len(vendor.calls) == 1  # what a request names is never asked of the vendor


async def test_naming_the_only_one(vendor: Any, rocketlane: MakeRocketlane) -> None:
    serve(vendor, project(5))
    assert claims_of(await rocketlane().mint(JANE, "link", "5"))["config"] == {"projectId": 5}


# --- a fixed project ------------------------------------------------------------------------------


async def test_a_fixed_project(vendor: Any, rocketlane: MakeRocketlane) -> None:
    vendor.answer(f"{LIST}/5", project())
    provider = rocketlane(project={"id": 5})
    assert await provider.check_access(JANE) == Access.grant("member")
    assert claims_of(await provider.mint(JANE, "link"))["config"] == {"projectId": 5}
    assert await denial(provider, JANE, "6") == "choice_not_open"
    assert set(vendor.targets) == {f"{LIST}/5"}  # no list calls, which are scarce


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (project(5, 302), "other_company"),
        (project(5, None), "other_company"),
        (project(archived=True), "project_archived"),
        (project(5, 301, *STRANGERS), "not_a_member"),
        (None, "no_project"),
    ],
)
async def test_a_fixed_project_that_is_not_open(
    told: Any, reason: str, vendor: Any, rocketlane: MakeRocketlane
) -> None:
    vendor.answer(f"{LIST}/5", told or {}, status=200 if told else 404)
    provider = rocketlane(project={"id": 5})
    assert await provider.check_access(JANE) == Access.deny(reason)
    assert await denial(provider, JANE) == reason


# --- invitations ----------------------------------------------------------------------------------

VERIFIED = EndUser("42", "Jane@Vance.com", email_verified=True, company_id="301")


async def test_nobody_is_invited_by_default(vendor: Any, rocketlane: MakeRocketlane) -> None:
    serve(vendor, project(5, 301, *STRANGERS))
    provider = rocketlane()
    assert await provider.check_access(VERIFIED) == Access.deny("not_a_member")
    assert await denial(provider, VERIFIED) == "not_a_member"


async def test_an_absent_user_with_a_verified_address_is_invited(vendor: Any, rocketlane: MakeRocketlane) -> None:
    serve(vendor, project(5, 301, *STRANGERS))
    provider = rocketlane(invite_if_absent=True)
    assert await provider.check_access(VERIFIED) == Access.grant("will_be_invited")
    claims = claims_of(await provider.mint(VERIFIED, "link"))
    assert claims["user"] == {"emailId": "Jane@Vance.com"}
    assert claims["config"] == {"projectId": 5, "inviteIfAbsent": True}


async def test_an_unverified_address_is_never_invited(vendor: Any, rocketlane: MakeRocketlane) -> None:
    serve(vendor, project(5, 301, *STRANGERS))
    provider = rocketlane(invite_if_absent=True)
    assert await provider.check_access(JANE) == Access.deny("email_not_verified")
    assert await denial(provider, JANE) == "email_not_verified"


@pytest.mark.parametrize("user", [JANE, VERIFIED])
async def test_a_member_needs_no_invitation(user: EndUser, vendor: Any, rocketlane: MakeRocketlane) -> None:
    serve(vendor, project())
    url = await rocketlane(invite_if_absent=True).mint(user, "link")
    assert claims_of(url)["config"] == {"projectId": 5}


async def test_an_invitation_does_not_reach_other_companies(vendor: Any, rocketlane: MakeRocketlane) -> None:
    serve(vendor, project(5, 302, *STRANGERS), project(6, 301, *STRANGERS, archived=True))
    assert await rocketlane(invite_if_absent=True).check_access(VERIFIED) == Access.deny("no_project")


# --- who may at all -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "email", ["jane@evil.com", "jane@mail.vance.com", "jane@vance.com.evil.com", "jane@xvance.com"]
)
async def test_an_email_domain_that_is_not_allowed(email: str, vendor: Any, rocketlane: MakeRocketlane) -> None:
    serve(vendor, project(5, 301, email))
    provider = rocketlane(allowed_domains=["vance.com"], invite_if_absent=True)
    user = EndUser("1", email, email_verified=True, company_id="301")
    assert await provider.check_access(user) == Access.deny("domain_not_allowed")
    assert await denial(provider, user) == "domain_not_allowed"
    fixed = rocketlane(allowed_domains=["vance.com"], project={"id": 5})
    assert await fixed.check_access(user) == Access.deny("domain_not_allowed")
    assert await denial(fixed, user) == "domain_not_allowed"
    assert vendor.calls == []


async def test_an_email_domain_that_is_allowed(vendor: Any, rocketlane: MakeRocketlane) -> None:
    serve(vendor, project(5, 301, "jane@vance.com", "j@bücher.de"))
    provider = rocketlane(allowed_domains=["@Vance.COM", "bücher.de"])
    assert (await provider.check_access(JANE)).granted
    assert (await provider.check_access(EndUser("2", "j@BÜCHER.de".replace("Ü", "ü"), company_id="301"))).granted


@pytest.mark.parametrize(
    "user",
    [
        pytest.param(EndUser("1", None, company_id="301"), id="no e-mail"),
        pytest.param(EndUser("1", " ", company_id="301"), id="blank e-mail"),
        pytest.param(EndUser("1", "a@evil.com@vance.com", company_id="301"), id="two at signs"),
        pytest.param(EndUser("1", "jane@vance.com"), id="no company"),
        pytest.param(EndUser("1", "jane@vance.com", company_id=""), id="empty company"),
        pytest.param(EndUser("1", "jane@vance.com", company_id="acme"), id="company is no number"),
        pytest.param(EndUser("1", "jane@vance.com", company_id="301,302"), id="two companies"),
        pytest.param(EndUser("1", "jane@vance.com", company_id="0301"), id="leading zero"),
        pytest.param(EndUser("1", "jane@vance.com", company_id="٣٠١"), id="digits of another script"),
        pytest.param(EndUser("1", "jane@vance.com", company_id="-301"), id="negative"),
        pytest.param(EndUser("1", "jane@vance.com", company_id="3e2"), id="exponent"),
        pytest.param(EndUser("1", "jane@vance.com", company_id="9" * 30), id="too large"),
    ],
)
async def test_who_is_not_known_well_enough_is_never_asked_about(
    user: EndUser, vendor: Any, rocketlane: MakeRocketlane
) -> None:
    provider = rocketlane()
    with pytest.raises(IncompleteIdentity):
        provider.subject(user)
    with pytest.raises(IncompleteIdentity):
        await provider.check_access(user)
    with pytest.raises(IncompleteIdentity):
        await provider.mint(user, "link")
    assert vendor.calls == []


async def test_a_company_id_from_an_attribute(vendor: Any, rocketlane: MakeRocketlane) -> None:
    serve(vendor, project())
    provider = rocketlane(project={"company_id": "{attributes.rl}"})
    assert (await provider.check_access(EndUser("1", JANE.email, attributes={"rl": 301}))).granted


def test_the_subject_is_what_the_decision_depends_on(rocketlane: MakeRocketlane) -> None:
    provider = rocketlane()
    assert provider.subject(JANE) == "jane@vance.com|301"
    assert provider.subject(VERIFIED) == provider.subject(JANE)
    inviting = rocketlane(invite_if_absent=True)
    assert inviting.subject(VERIFIED) != inviting.subject(JANE)


# --- trouble --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, VendorError),
        (401, VendorRefusedUs),
        (403, VendorError),
        (404, VendorError),
        (429, VendorBusy),
        (500, VendorUnavailable),
        (301, VendorError),
        (206, VendorError),
    ],
)
async def test_trouble_with_the_list_is_never_a_denial(
    status: int, error: type[VendorError], vendor: Any, rocketlane: MakeRocketlane
) -> None:
    vendor.answer(LIST, page(), status=status, headers={"Retry-After": "60"})
    provider = rocketlane()
    with pytest.raises(error):
        await provider.check_access(JANE)
    with pytest.raises(error):
        await provider.mint(JANE, "link")


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
async def test_trouble_with_the_project_signs_nothing(status: int, vendor: Any, rocketlane: MakeRocketlane) -> None:
    vendor.answer(LIST, page(project()))
    vendor.answer(f"{LIST}/5", project(), status=status)
    provider = rocketlane()
    assert (await provider.check_access(JANE)).granted
    with pytest.raises(VendorError):
        await provider.mint(JANE, "link")


async def test_a_429_carries_rocketlanes_epoch_milliseconds(vendor: Any, rocketlane: MakeRocketlane) -> None:
    import time

    resumes = int((time.time() + 40) * 1000)
    vendor.answer(LIST, {}, status=429, headers={"X-Retry-After": str(resumes)})
    with pytest.raises(VendorBusy) as caught:
        await rocketlane().check_access(JANE)
    assert 30 < (caught.value.retry_after_s or 0) <= 40


# --- paging ---------------------------------------------------------------------------------------


async def test_all_pages_are_read(vendor: Any, rocketlane: MakeRocketlane) -> None:
    vendor.answer(LIST, page(project(1), following="t/2"))
    vendor.answer(LIST, page(project(1), project(2), following="t3"))
    vendor.answer(LIST, page(project(3)))
    access = await rocketlane().check_access(JANE)
    assert [choice.id for choice in access.choices] == ["1", "2", "3"]
    queries = [parse_qs(target.partition("?")[2]) for target in vendor.targets]
    assert [query.get("pageToken") for query in queries] == [None, ["t/2"], ["t3"]]
    assert all(query["companyId.eq"] == ["301"] for query in queries)


async def test_a_list_that_goes_round_in_circles_is_given_up_at_once(vendor: Any, rocketlane: MakeRocketlane) -> None:
    vendor.answer(LIST, page(project(), following="a"))
    with pytest.raises(VendorError, match="circles"):
        await rocketlane().check_access(JANE)
    assert len(vendor.calls) == 2


@pytest.mark.parametrize(
    "pages",
    [
        pytest.param([page(project(), following="a"), {}], id="second page broken"),
        pytest.param([{"data": [project()]}], id="no word about more pages"),
        pytest.param([page(project(), {"projectId": 6})], id="one project misshapen"),
    ],
)
async def test_a_list_that_is_not_whole_opens_nothing(
    pages: list[Any], vendor: Any, rocketlane: MakeRocketlane
) -> None:
    for each in pages:
        vendor.answer(LIST, each)
    with pytest.raises(VendorError):
        await rocketlane().check_access(JANE)


async def test_a_list_without_end_is_given_up(vendor: Any, rocketlane: MakeRocketlane) -> None:
    for number in range(rocketlane_projects.MAX_PAGES + 5):
        vendor.answer(LIST, page(project(), following=str(number)))
    with pytest.raises(VendorError, match="pages"):
        await rocketlane(limits={"lists_per_minute": 1000}).check_access(JANE)
    assert len(vendor.calls) == rocketlane_projects.MAX_PAGES


# --- lists that do not tell the customers ---------------------------------------------------------


async def test_projects_whose_customers_the_list_does_not_tell_are_read_one_by_one(
    vendor: Any, rocketlane: MakeRocketlane
) -> None:
    vendor.answer(LIST, page(*(project(i, teamMembers=None) for i in (5, 6, 7, 8)), project(9, 302, teamMembers=None)))
    vendor.answer(f"{LIST}/5", project(5))
    vendor.answer(f"{LIST}/6", project(6, 301, *STRANGERS))
    vendor.answer(f"{LIST}/7", project(7, 302))
    vendor.answer(f"{LIST}/8", {}, status=404)
    assert await rocketlane().check_access(JANE) == Access.grant("member")
    assert f"{LIST}/9" not in vendor.targets


async def test_too_many_projects_to_read_one_by_one(vendor: Any, rocketlane: MakeRocketlane) -> None:
    count = rocketlane_projects.MAX_SINGLE_READS + 1
    vendor.answer(LIST, page(*(project(i, teamMembers=None) for i in range(1, count + 1))))
    with pytest.raises(VendorError):
        await rocketlane().check_access(JANE)
    assert len(vendor.calls) == 1


# --- the list is remembered -----------------------------------------------------------------------


async def test_colleagues_share_one_list_call(vendor: Any, rocketlane: MakeRocketlane) -> None:
    serve(vendor, project())
    provider = rocketlane()
    colleagues = [EndUser(str(n), f"{n}@vance.com", company_id="301") for n in range(50)]
    answers = await asyncio.gather(*map(provider.check_access, [*colleagues, JANE]))
    assert answers == [Access.deny("not_a_member")] * 50 + [Access.grant("member")]
    assert len(vendor.calls) == 1

    await provider.check_access(EndUser("1", JANE.email, company_id="302"))
    assert len(vendor.calls) == 2


async def test_a_list_is_read_again_after_its_time(vendor: Any, timer: Any) -> None:
    from portal_gateway.providers.alerts import Alerts
    from portal_gateway.providers.client import VendorClient
    from portal_gateway.providers.guard import Guard

    alerts = Alerts("o", Events())
    client = VendorClient(f"{vendor.url}/api/1.0", {}, alerts, timeout_s=5, max_bytes=100_000)
    guard = Guard("o", alerts, timeout_s=5, per_minute=400)
    reader = rocketlane_projects.ProjectReader(client, guard, alerts, timer)
    serve(vendor, project())
    await reader.of_company(301)
    await reader.of_company(301)
    timer.now += rocketlane_projects.LIST_TTL_S + 1
    await reader.of_company(301)
    await client.aclose()
    assert len(vendor.calls) == 2


async def test_a_failure_is_not_remembered(vendor: Any, rocketlane: MakeRocketlane) -> None:
    vendor.answer(LIST, {"data": "none"})
    vendor.answer(LIST, page(project()))
    provider = rocketlane()
    with pytest.raises(VendorUnreadable):
        await provider.check_access(JANE)
    assert (await provider.check_access(JANE)).granted


async def test_one_who_leaves_does_not_take_the_list_from_the_others(vendor: Any, rocketlane: MakeRocketlane) -> None:
    gate = asyncio.Event()

    async def slow(writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        writer.write(b'HTTP/1.1 200 OK\r\n\r\n{"data": [], "pagination": {"hasMore": false}}')
        await writer.drain()

    vendor.script(LIST, slow)
    provider = rocketlane()
    first, second = (asyncio.create_task(provider.check_access(JANE)) for _ in range(2))
    while not vendor.calls:
        await asyncio.sleep(0)
    first.cancel()
    gate.set()
    assert await second == Access.deny("no_project")
    assert first.cancelled()


async def test_a_click_does_not_wait_for_a_list_that_waits_for_its_turn(
    vendor: Any, rocketlane: MakeRocketlane
) -> None:
    serve(vendor, project())
    provider = rocketlane(limits={"lists_per_minute": 40})  # of which 4 may be used at once, 2 by nobody in a hurry

    def asking(company_id: str, who: Urgency) -> asyncio.Task[Access]:
        context = copy_context()
        context.run(urgency.set, who)
        user = EndUser("42", JANE.email, company_id=company_id)
        return asyncio.create_task(provider.check_access(user), context=context)

    refreshes = [asking(company_id, Urgency.REFRESH) for company_id in ("1", "2", "301", "301")]
    await asyncio.wait(refreshes[:2])
    assert await asking("301", Urgency.LAUNCH) == Access.grant("member")
    assert not any(refresh.done() for refresh in refreshes[2:])
    assert len(vendor.calls) == 3


async def test_closing_while_a_list_is_being_read(vendor: Any, rocketlane: MakeRocketlane) -> None:
    async def hang(writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    vendor.script(LIST, hang)
    provider = rocketlane()
    waiting = asyncio.create_task(provider.check_access(JANE))
    while not vendor.calls:
        await asyncio.sleep(0)
    await provider.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiting


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [403, 404])
async def test_a_refusal_for_everybody_is_an_alert(
    status: int, vendor: Any, rocketlane: MakeRocketlane, events: Events, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.answer(f"{LIST}/5", status=status)
    provider = rocketlane(project={"id": 5}, limits={"per_minute": 1000})
    for _ in range(ENOUGH):
        assert caplog.records == []
        with suppress(VendorError):
            await provider.check_access(JANE)
    assert events.counts["vendor_alert", "onboarding", "everyone_refused"] == 1
    assert "permissions" in caplog.text


# --- secrets --------------------------------------------------------------------------------------


async def test_no_secret_token_or_address_is_in_what_can_be_printed(
    vendor: Any, rocketlane: MakeRocketlane, secrets: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    serve(vendor, project(), project(6, 999))
    provider = rocketlane()
    token = (await provider.mint(JANE, "link")).partition("token=")[2]
    vendor.replace(f"{LIST}/5", {"errors": [{"errorMessage": secrets[1]}]}, status=401)
    shown = [repr(provider), repr(provider._settings), repr(provider._signer)]
    with pytest.raises(VendorRefusedUs) as caught:
        await provider.mint(JANE, "link")
    shown += [repr(caught.value), str(caught.value), caplog.text]
    forbidden = [*secrets, token]
    assert not [word for word in forbidden for text in shown if word in text]
    assert "vance" not in caplog.text.lower()
