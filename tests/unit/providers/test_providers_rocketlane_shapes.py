from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal_gateway.errors import VendorError
from portal_gateway.providers.rocketlane_shapes import Page, Project, page_of, project_of

# The example of the vendor's OpenAPI, shortened.
DOCUMENTED: dict[str, Any] = {
    "projectId": 201,
    "projectName": "Acme onboarding",
    "archived": False,
    "status": {"value": 2, "label": "In progress"},
    "customer": {"companyId": 301, "companyName": "Acme Inc"},
    "partnerCompanies": [{"companyId": 401}],
    "owner": {"emailId": "owner@vendor.com", "userId": 1},
    "teamMembers": {
        "members": [{"emailId": "member@vendor.com", "userId": 2}],
        "customers": [{"emailId": "Rachel.Green@acme.com", "userId": 3}, {"userId": 4}],
        "customerChampion": {"emailId": "champion@acme.com", "userId": 5},
    },
}


def test_a_documented_project() -> None:
    assert project_of(DOCUMENTED) == Project(
        id=201,
        name="Acme onboarding",
        company_id=301,
        archived=False,
        customers={
            "rachel.green@acme.com": "Rachel.Green@acme.com",
            "champion@acme.com": "champion@acme.com",
        },
    )


def test_only_customers_are_customers_not_owners_members_or_partners() -> None:
    customers = project_of(DOCUMENTED).customers or {}
    assert not {"owner@vendor.com", "member@vendor.com"} & set(customers)


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        pytest.param({"customer": None}, "company_id", None, id="a project without a customer"),
        pytest.param({"teamMembers": None}, "customers", None, id="a list that does not tell the team"),
        pytest.param({"teamMembers": {}}, "customers", {}, id="nobody"),
        pytest.param({"teamMembers": {"customers": None, "customerChampion": None}}, "customers", {}, id="nulls"),
        pytest.param({"archived": True}, "archived", True, id="archived"),
    ],
)
def test_what_may_be_absent(change: dict[str, Any], field: str, value: Any) -> None:
    assert getattr(project_of({**DOCUMENTED, **change}), field) == value


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"projectId": "201"}, id="id as text"),
        pytest.param({"projectId": True}, id="id as boolean"),
        pytest.param({"projectId": 201.0}, id="id as fraction"),
        pytest.param({"projectId": None}, id="no id"),
        pytest.param({"projectName": None}, id="no name"),
        pytest.param({"archived": None}, id="archived or not is not told"),
        pytest.param({"archived": "false"}, id="archived as text"),
        pytest.param({"customer": {}}, id="customer without company"),
        pytest.param({"customer": {"companyId": "301"}}, id="company as text"),
        pytest.param({"customer": {"companyId": True}}, id="company as boolean"),
        pytest.param({"customer": [{"companyId": 301}]}, id="customers as list"),
        pytest.param({"customer": 301}, id="customer as number"),
        pytest.param({"teamMembers": []}, id="team as list"),
        pytest.param({"teamMembers": {"customers": {"emailId": "a@b.c"}}}, id="customers as object"),
        pytest.param({"teamMembers": {"customers": ["a@b.c"]}}, id="customer as text"),
        pytest.param({"teamMembers": {"customers": [{"emailId": ["a@b.c"]}]}}, id="address as list"),
        pytest.param({"teamMembers": {"customerChampion": "a@b.c"}}, id="champion as text"),
    ],
)
def test_a_project_of_another_shape(change: dict[str, Any]) -> None:
    with pytest.raises(VendorError):
        project_of({**DOCUMENTED, **change})


def page(**pagination: Any) -> dict[str, Any]:
    return {"data": [DOCUMENTED], "pagination": pagination}


def test_pages() -> None:
    project = project_of(DOCUMENTED)
    assert page_of(page(hasMore=False, nextPageToken="ignored")) == Page((project,), None)
    assert page_of(page(hasMore=True, nextPageToken="t2")) == Page((project,), "t2")
    assert page_of({"data": [], "pagination": {"hasMore": False}}) == Page((), None)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param([DOCUMENTED], id="bare list"),
        pytest.param({"data": [DOCUMENTED]}, id="no pagination"),
        pytest.param(page(), id="hasMore is not told"),
        pytest.param(page(hasMore="false"), id="hasMore as text"),
        pytest.param(page(hasMore=True), id="more without a token"),
        pytest.param(page(hasMore=True, nextPageToken=""), id="more with an empty token"),
        pytest.param(page(hasMore=True, nextPageToken=7), id="token as number"),
        pytest.param({"data": None, "pagination": {"hasMore": False}}, id="no data"),
        pytest.param({"data": {"0": DOCUMENTED}, "pagination": {"hasMore": False}}, id="data as object"),
        pytest.param({"data": [None], "pagination": {"hasMore": False}}, id="null item"),
        pytest.param({"errors": [{"errorCode": "BAD_REQUEST"}]}, id="error envelope"),
    ],
)
def test_a_page_of_another_shape(value: Any) -> None:
    with pytest.raises(VendorError):
        page_of(value)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from([*DOCUMENTED, "customers", "companyId", "emailId", "data", "pagination", "hasMore"]),
            inner,
            max_size=5,
        )
    ),
)


@given(anything)
def test_anything_else_is_a_vendor_error_and_nothing_worse(value: Any) -> None:
    for read in (project_of, page_of):
        try:
            read(value)
        except VendorError:
            continue
        assert isinstance(value, dict)
