from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from portal_gateway.admission.addresses import Address, parse_address
from portal_gateway.errors import AccessDenied, GatewayError, VendorError
from portal_gateway.models import EndUser
from portal_gateway.providers.admission import Admission, Admitting, JoinProject
from portal_gateway.providers.rocketlane import RocketlaneProvider

PROJECT = "/api/1.0/projects/5"
MakeRocketlane = Callable[..., RocketlaneProvider]


def address(text: str = "New@vance.com") -> Address:
    parsed = parse_address(text)
    assert parsed is not None
    return parsed


def project(**more: Any) -> dict[str, Any]:
    return {
        "projectId": 5,
        "projectName": "Vance onboarding",
        "archived": False,
        "customer": {"companyId": 301, "companyUrl": "https://www.vance.com"},
        "teamMembers": {"members": [], "customers": [{"emailId": "Jane@elsewhere.com"}]},
        **more,
    }


def admission_of(rocketlane: MakeRocketlane, join: dict[str, Any] | None = None, **options: Any) -> Admission:
    provider = rocketlane(join={"link": True, **(join or {})}, project={"company_id": "{company_id}"}, **options)
    assert isinstance(provider, Admitting)
    settings = provider._settings.join  # type: ignore[attr-defined]
    return provider.admission(settings)


def claims_of(url: str) -> dict[str, Any]:
    base, _, token = url.partition("?token=")
    assert base == "https://acme.rocketlane.com/cp/embed"
    return jwt.decode(token, b"shared-secret-of-rocketlane-0123456789", ["HS256"], options={"verify_exp": False})


async def test_a_colleague_is_let_in_and_becomes_a_customer(vendor: Any, rocketlane: MakeRocketlane) -> None:
    vendor.answer(PROJECT, project())
    admission = admission_of(rocketlane)
    assert await admission.joinable(address(), 5) == JoinProject(5, "Vance onboarding", 301)
    claims = claims_of(await admission.admit(address(), 5, 301))
    assert claims["user"]["emailId"] == "New@vance.com"
    assert claims["config"] == {"projectId": 5, "inviteIfAbsent": True}


async def test_a_customer_of_the_project_comes_back_whatever_the_policy_says(
    vendor: Any, rocketlane: MakeRocketlane
) -> None:
    vendor.answer(PROJECT, project())
    claims = claims_of(await admission_of(rocketlane).admit(address("jane@ELSEWHERE.com"), 5, 301))
    assert claims["user"]["emailId"] == "Jane@elsewhere.com", "the vendor's own spelling"
    assert not claims["config"].get("inviteIfAbsent")


@pytest.mark.parametrize(
    ("change", "options", "who", "reason"),
    [
        pytest.param({}, {}, "new@globex.com", "domain_not_allowed", id="another-company's"),
        pytest.param({}, {}, "new@sub.vance.com", "domain_not_allowed", id="subdomain"),
        pytest.param({}, {}, "new@gmail.com", "free_mail", id="free-mail"),
        pytest.param({}, {"denied_domains": ["vance.com"]}, "new@vance.com", "domain_denied", id="denied"),
        pytest.param({}, {"own_domains": False}, "new@vance.com", "domain_not_allowed", id="own-domain-off"),
        pytest.param({"archived": True}, {}, "new@vance.com", "project_archived", id="archived"),
        pytest.param({"archived": True}, {}, "jane@elsewhere.com", "project_archived", id="archived-for-members-too"),
        pytest.param({"customer": None}, {}, "new@vance.com", "no_project", id="without-a-company"),
        pytest.param({"customer": {"companyId": 301}}, {}, "new@vance.com", "domain_not_allowed", id="no-web-site"),
        pytest.param(
            {"customer": {"companyId": 301, "companyUrl": "https://gmail.com"}},
            {},
            "new@gmail.com",
            "free_mail",
            id="a-free-mail-provider's-site",
        ),
        pytest.param(
            {"customer": {"companyId": 302, "companyUrl": "vance.com"}},
            {},
            "new@vance.com",
            "other_company",
            id="moved",
        ),
    ],
)
async def test_who_is_not_let_in(
    change: dict[str, Any],
    options: dict[str, Any],
    who: str,
    reason: str,
    vendor: Any,
    rocketlane: MakeRocketlane,
) -> None:
    vendor.answer(PROJECT, project(**change))
    admission = admission_of(rocketlane, options)
    for call in (
        lambda: admission.joinable(address(who), 5, 301),
        lambda: admission.admit(address(who), 5, 301),
        lambda: admission.add(address(who), 5, 301),
    ):
        with pytest.raises(AccessDenied) as caught:
            await call()
        assert caught.value.reason == reason
    assert {call.method for call in vendor.calls} == {"GET"}


async def test_domains_of_the_project_and_of_the_configuration(vendor: Any, rocketlane: MakeRocketlane) -> None:
    vendor.answer(PROJECT, project())
    admission = admission_of(
        rocketlane, {"project_domains": {5: ["partner.com"], 6: ["other.com"]}, "domains": ["x.io"]}
    )
    for domain in ("partner.com", "x.io", "vance.com"):
        await admission.joinable(address(f"new@{domain}"), 5)
    with pytest.raises(AccessDenied):
        await admission.joinable(address("new@other.com"), 5)


async def test_the_portal_s_own_list_of_domains_holds_for_joining_too(vendor: Any, rocketlane: MakeRocketlane) -> None:
    vendor.answer(PROJECT, project())
    admission = admission_of(rocketlane, {"domains": ["x.io"]}, allowed_domains=["vance.com"])
    await admission.joinable(address(), 5)
    with pytest.raises(AccessDenied):
        await admission.joinable(address("new@x.io"), 5)


async def test_a_project_that_does_not_exist(vendor: Any, rocketlane: MakeRocketlane) -> None:
    vendor.answer(PROJECT, status=404)
    with pytest.raises(AccessDenied) as caught:
        await admission_of(rocketlane).joinable(address(), 5)
    assert caught.value.reason == "no_project"


@pytest.mark.parametrize("status", [401, 429, 500, 503])
async def test_a_vendor_in_trouble_signs_nothing_and_denies_nothing(
    status: int, vendor: Any, rocketlane: MakeRocketlane
) -> None:
    vendor.answer(PROJECT, status=status)
    with pytest.raises(VendorError):
        await admission_of(rocketlane).admit(address(), 5, 301)


async def test_every_time_the_project_is_read_afresh(vendor: Any, rocketlane: MakeRocketlane) -> None:
    vendor.answer(PROJECT, project())
    vendor.answer(PROJECT, project(archived=True))
    admission = admission_of(rocketlane)
    await admission.admit(address(), 5, 301)
    with pytest.raises(AccessDenied):
        await admission.admit(address(), 5, 301)


class TestAdding:
    async def test_by_the_vendor_s_own_call(self, vendor: Any, rocketlane: MakeRocketlane) -> None:
        vendor.answer(PROJECT, project())
        vendor.answer(f"{PROJECT}/add-members", project())
        await admission_of(rocketlane).add(address(), 5, 301)
        call = vendor.calls[-1]
        assert (call.method, call.target) == ("POST", f"{PROJECT}/add-members")
        assert json.loads(call.body) == {"customers": [{"emailId": "New@vance.com"}]}
        assert call.headers["api-key"]

    async def test_nobody_who_is_a_customer_already(self, vendor: Any, rocketlane: MakeRocketlane) -> None:
        vendor.answer(PROJECT, project())
        await admission_of(rocketlane).add(address("jane@elsewhere.com"), 5, 301)
        assert len(vendor.calls) == 1

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
    async def test_only_a_yes_is_one(self, status: int, vendor: Any, rocketlane: MakeRocketlane) -> None:
        vendor.answer(PROJECT, project())
        vendor.answer(f"{PROJECT}/add-members", {}, status=status)
        with pytest.raises(GatewayError):
            await admission_of(rocketlane).add(address(), 5, 301)


async def test_what_is_open_to_an_end_user_is_what_they_invite_to(vendor: Any, rocketlane: MakeRocketlane) -> None:
    vendor.answer("/api/1.0/projects", {"data": [project()], "pagination": {"hasMore": False}})
    admission = admission_of(rocketlane)
    jane = EndUser("42", "jane@elsewhere.com", company_id="301")
    assert await admission.open_to(jane) == (JoinProject(5, "Vance onboarding", 301),)
    with pytest.raises(AccessDenied):
        await admission.open_to(EndUser("43", "omar@elsewhere.com", company_id="301"))


class TestJoiningByClick:
    """`join: jwt`: end users of the app."""

    @pytest.mark.parametrize(
        ("email", "verified", "join", "granted", "reason"),
        [
            pytest.param("new@vance.com", True, "jwt", True, "will_be_invited", id="own-domain"),
            pytest.param("new@vance.com", False, "jwt", False, "email_not_verified", id="not-verified"),
            pytest.param("new@globex.com", True, "jwt", False, "domain_not_allowed", id="another-domain"),
            pytest.param("new@gmail.com", True, "jwt", False, "free_mail", id="free-mail"),
            pytest.param("new@vance.com", True, {"link": True}, False, "not_a_member", id="by-link-alone"),
            pytest.param("new@x.io", True, {"jwt": True, "domains": ["x.io"]}, True, "will_be_invited", id="listed"),
            pytest.param("jane@elsewhere.com", False, "jwt", True, "member", id="member"),
        ],
    )
    async def test_who_may(
        self,
        email: str,
        verified: bool,
        join: Any,
        granted: bool,
        reason: str,
        vendor: Any,
        rocketlane: MakeRocketlane,
    ) -> None:
        vendor.answer("/api/1.0/projects", {"data": [project()], "pagination": {"hasMore": False}})
        vendor.answer(PROJECT, project())
        provider = rocketlane(join=join, project={"company_id": "{company_id}"})
        user = EndUser("42", email, verified, company_id="301")
        access = await provider.check_access(user)
        assert (access.granted, access.reason) == (granted, reason)
        if granted:
            config = claims_of(await provider.mint(user, "link"))["config"]
            assert bool(config.get("inviteIfAbsent")) is (reason == "will_be_invited")
        else:
            with pytest.raises(AccessDenied) as caught:
                await provider.mint(user, "link")
            assert caught.value.reason == reason
