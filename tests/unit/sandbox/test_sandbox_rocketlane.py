"""Rocketlane's REST API: key, envelopes, filters, paging, members, users and limits."""

from __future__ import annotations

from datetime import date
from typing import Any

import httpx
import pytest

from portal_gateway.sandbox import Sandbox
from portal_gateway.sandbox.world import Project

API = "/api/1.0"


async def project_ids(client: httpx.AsyncClient, **params: str) -> list[int]:
    response = await client.get(f"{API}/projects", params=params)
    assert response.status_code == 200
    return [row["projectId"] for row in response.json()["data"]]


def error_of(response: httpx.Response) -> dict[str, Any]:
    (error,) = response.json()["errors"]
    return dict(error)


class TestAuthentication:
    @pytest.mark.parametrize("key", ["", "wrong"])
    @pytest.mark.parametrize("path", ["/projects", "/projects/5001", "/users"])
    async def test_refuses_strangers(self, rocketlane: httpx.AsyncClient, key: str, path: str) -> None:
        response = await rocketlane.get(API + path, headers={"api-key": key})
        assert response.status_code == 401
        assert error_of(response)["errorCode"] == "NOT_AUTHORIZED"

    async def test_the_key_is_no_bearer_token(self, sandbox: Sandbox, rocketlane: httpx.AsyncClient) -> None:
        headers = {"api-key": "", "Authorization": f"Bearer {sandbox.rocketlane_api_key}"}
        assert (await rocketlane.get(f"{API}/projects", headers=headers)).status_code == 401

    async def test_every_answer_has_its_request_id(self, rocketlane: httpx.AsyncClient) -> None:
        responses = [
            await rocketlane.get(f"{API}/projects"),
            await rocketlane.get(f"{API}/projects/1"),
            await rocketlane.get(f"{API}/users", headers={"api-key": "wrong"}),
        ]
        assert len({response.headers["X-Request-Id"] for response in responses}) == 3


class TestListProjects:
    @pytest.mark.parametrize(
        ("params", "expected"),
        [
            ({}, [5001, 6001, 6002]),
            ({"companyId.eq": "201"}, [5001]),
            ({"companyId.eq": "999"}, []),
            ({"customerId.eq": "301"}, [6001, 6002]),
            ({"companyId.oneOf": "201,301"}, [5001, 6001, 6002]),
            ({"companyId.noneOf": "201"}, [6001, 6002]),
            ({"companyId.eq": "201", "includeArchive.eq": "true"}, [5001, 5002]),
            ({"companyId.eq": "201", "includeArchive.eq": "false"}, [5001]),
            ({"companyId": "201"}, [5001, 6001, 6002]),
            ({"somethingElse": "201"}, [5001, 6001, 6002]),
        ],
    )
    async def test_filters(self, rocketlane: httpx.AsyncClient, params: dict[str, str], expected: list[int]) -> None:
        assert await project_ids(rocketlane, **params) == expected

    async def test_may_honour_a_bare_company_id(self, sandbox: Sandbox, rocketlane: httpx.AsyncClient) -> None:
        sandbox.rocketlane_vendor.switches.update({"bare_company_id_ignored": False})
        assert await project_ids(rocketlane, companyId="201") == [5001]

    @pytest.mark.parametrize("value", ["", "vance", "201,", "201 or 1=1"])
    async def test_refuses_a_company_that_is_no_number(self, rocketlane: httpx.AsyncClient, value: str) -> None:
        response = await rocketlane.get(f"{API}/projects", params={"companyId.eq": value})
        assert response.status_code == 400
        assert error_of(response)["errorCode"] == "BAD_REQUEST"
        assert error_of(response)["field"] == "companyId.eq"

    async def test_shows_projects_with_company_and_people(self, rocketlane: httpx.AsyncClient) -> None:
        body = (await rocketlane.get(f"{API}/projects", params={"companyId.eq": "201"})).json()
        (project,) = body["data"]
        assert project["projectName"] == "Vance onboarding"
        assert project["archived"] is False
        assert project["customer"]["companyId"] == 201
        emails = [person["emailId"] for person in project["teamMembers"]["customers"]]
        assert emails == ["jane@vance.example", "ines@vance.example"]

    async def test_may_leave_the_people_out(self, sandbox: Sandbox, rocketlane: httpx.AsyncClient) -> None:
        sandbox.rocketlane_vendor.switches.update({"team_members_in_lists": False})
        body = (await rocketlane.get(f"{API}/projects")).json()
        assert not [row for row in body["data"] if "teamMembers" in row]
        assert "teamMembers" in (await rocketlane.get(f"{API}/projects/5001")).json()


class TestPaging:
    @pytest.fixture(autouse=True)
    def _many_projects(self, sandbox: Sandbox) -> None:
        sandbox.world.rocketlane.projects += [
            Project(number, f"Site {number}", 301, date(2027, 1, 1), 101) for number in range(7000, 7148)
        ]

    async def test_leads_through_all_pages(self, rocketlane: httpx.AsyncClient) -> None:
        params, seen, totals = {"companyId.eq": "301", "pageSize": "40"}, [], set()
        while True:
            body = (await rocketlane.get(f"{API}/projects", params=params)).json()
            seen += [row["projectId"] for row in body["data"]]
            totals.add(body["pagination"]["totalRecordCount"])
            if not body["pagination"]["hasMore"]:
                break
            params = {**params, "pageToken": body["pagination"]["nextPageToken"]}
        assert len(seen) == len(set(seen)) == 150
        assert totals == {150}
        assert "nextPageToken" not in body["pagination"]

    async def test_a_page_has_a_hundred_rows_unless_told(self, rocketlane: httpx.AsyncClient) -> None:
        body = (await rocketlane.get(f"{API}/projects")).json()
        assert len(body["data"]) == body["pagination"]["pageSize"] == 100
        assert body["pagination"]["nextPage"].startswith("http://rocketlane.test/api/1.0/projects?")

    @pytest.mark.parametrize("size", ["0", "-1", "101", "many"])
    async def test_refuses_other_sizes(self, rocketlane: httpx.AsyncClient, size: str) -> None:
        response = await rocketlane.get(f"{API}/projects", params={"pageSize": size})
        assert response.status_code == 400
        assert error_of(response)["field"] == "pageSize"

    async def test_a_page_token_is_good_for_fifteen_minutes(
        self, sandbox: Sandbox, rocketlane: httpx.AsyncClient
    ) -> None:
        body = (await rocketlane.get(f"{API}/projects")).json()
        params = {"pageToken": body["pagination"]["nextPageToken"]}
        sandbox.clock.advance(899)
        assert (await rocketlane.get(f"{API}/projects", params=params)).status_code == 200
        sandbox.clock.advance(2)
        assert (await rocketlane.get(f"{API}/projects", params=params)).status_code == 400

    async def test_an_invented_page_token_is_refused(self, rocketlane: httpx.AsyncClient) -> None:
        response = await rocketlane.get(f"{API}/projects", params={"pageToken": "x"})
        assert error_of(response)["field"] == "pageToken"


class TestOneProject:
    async def test_is_given_even_when_archived(self, rocketlane: httpx.AsyncClient) -> None:
        project = (await rocketlane.get(f"{API}/projects/5002")).json()
        assert (project["projectId"], project["archived"]) == (5002, True)
        assert project["dueDate"] == "2026-03-27"

    @pytest.mark.parametrize(("project_id", "status"), [("1", 404), ("vance", 400), ("5001.0", 400)])
    async def test_is_refused_in_the_envelope(
        self, rocketlane: httpx.AsyncClient, project_id: str, status: int
    ) -> None:
        response = await rocketlane.get(f"{API}/projects/{project_id}")
        assert response.status_code == status
        assert error_of(response)["errorCode"] == {404: "NOT_FOUND", 400: "BAD_REQUEST"}[status]


class TestAddMembers:
    async def test_adds_customers_and_notes_the_invitations(
        self, sandbox: Sandbox, rocketlane: httpx.AsyncClient
    ) -> None:
        body = {
            "customers": [
                {"emailId": "omar@vance.example"},
                {"emailId": "new@vance.example", "firstName": "Nia", "lastName": "Wolf"},
            ]
        }
        response = await rocketlane.post(f"{API}/projects/5001/add-members", json=body)
        assert response.status_code == 200
        customers = response.json()["teamMembers"]["customers"]
        assert {person["emailId"] for person in customers} >= {"omar@vance.example", "new@vance.example"}
        invited = sandbox.world.rocketlane.user_by_email("new@vance.example")
        assert invited is not None
        assert (invited.type, invited.status, invited.company_id, invited.name) == (
            "CUSTOMER",
            "INVITED",
            201,
            "Nia Wolf",
        )
        invitations = sandbox.world.rocketlane.invitations
        assert [(note.project_id, note.email, note.via, note.at) for note in invitations] == [
            (5001, "omar@vance.example", "api", sandbox.clock.now()),
            (5001, "new@vance.example", "api", sandbox.clock.now()),
        ]

    async def test_members_are_not_invited_again(self, sandbox: Sandbox, rocketlane: httpx.AsyncClient) -> None:
        body = {"customers": [{"emailId": "JANE@vance.example"}]}
        await rocketlane.post(f"{API}/projects/5001/add-members", json=body)
        assert sandbox.world.rocketlane.invitations == []

    @pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"customers": [{}]}', b'{"customers": [{"emailId": 1}]}'])
    async def test_refuses_other_bodies(self, rocketlane: httpx.AsyncClient, body: bytes) -> None:
        response = await rocketlane.post(f"{API}/projects/5001/add-members", content=body)
        assert response.status_code == 400

    async def test_refuses_unknown_projects_and_get(self, rocketlane: httpx.AsyncClient) -> None:
        assert (await rocketlane.post(f"{API}/projects/1/add-members", json={})).status_code == 404
        assert (await rocketlane.get(f"{API}/projects/5001/add-members")).status_code == 405


class TestUsers:
    async def test_finds_by_email_and_type(self, rocketlane: httpx.AsyncClient) -> None:
        params = {"email.eq": "Jane@vance.example", "type.eq": "CUSTOMER", "includeFields": "role,company"}
        (user,) = (await rocketlane.get(f"{API}/users", params=params)).json()["data"]
        assert user["email"] == "jane@vance.example"
        assert user["company"] == {"companyId": 201, "companyName": "Vance Foods"}

    async def test_tells_staff_from_customers(self, rocketlane: httpx.AsyncClient) -> None:
        params = {"email.eq": "sam@coldchain.example"}
        (user,) = (await rocketlane.get(f"{API}/users", params=params)).json()["data"]
        assert user["type"] == "TEAM_MEMBER"
        body = (await rocketlane.get(f"{API}/users", params={**params, "type.eq": "CUSTOMER"})).json()
        assert body["data"] == []

    async def test_shows_the_company_only_when_asked(self, rocketlane: httpx.AsyncClient) -> None:
        body = (await rocketlane.get(f"{API}/users")).json()
        assert body["pagination"]["totalRecordCount"] == 6
        assert not [user for user in body["data"] if "company" in user]


class TestLimits:
    async def test_lists_have_a_limit_of_their_own(self, sandbox: Sandbox, rocketlane: httpx.AsyncClient) -> None:
        retry_at = str(int((sandbox.clock.now() + 60) * 1000))
        sandbox.clock.advance(15)
        statuses = [(await rocketlane.get(f"{API}/projects")).status_code for _ in range(60)]
        response = await rocketlane.get(f"{API}/users")
        assert set(statuses) == {200}
        assert response.status_code == 429
        assert error_of(response)["errorCode"] == "TOO_MANY_REQUEST"
        assert response.headers["X-Retry-After"] == retry_at
        assert (await rocketlane.get(f"{API}/projects/5001")).status_code == 200
        sandbox.clock.advance(45)
        assert (await rocketlane.get(f"{API}/users")).status_code == 200

    async def test_all_calls_share_one(self, sandbox: Sandbox, rocketlane: httpx.AsyncClient) -> None:
        sandbox.rocketlane_vendor.switches.update({"rate_limit_per_minute": 2})
        paths = ["/projects", "/projects/5001", "/projects/5001"]
        assert [(await rocketlane.get(API + path)).status_code for path in paths] == [200, 200, 429]
