"""Planhat's API: authentication, ids, access, minting, end users, quota, and the undocumented as switches."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import httpx
import pytest

from portal_gateway.sandbox import Sandbox

JANE_ID = "65f1c0ffee00000000001001"


def set_switches(sandbox: Sandbox, **switches: Any) -> None:
    sandbox.planhat_vendor.switches.update(switches)


def basic(user_and_password: str) -> str:
    return "Basic " + b64encode(user_and_password.encode()).decode()


class TestAuthentication:
    @pytest.mark.parametrize(
        "authorization",
        [
            pytest.param("", id="none"),
            pytest.param("Bearer wrong", id="wrong token"),
            pytest.param("Bearer ", id="empty token"),
            pytest.param("Bearer tøken", id="not ASCII"),
            pytest.param("Basic %%%", id="not base64"),
            pytest.param(basic("wrong:"), id="wrong user name"),
            pytest.param(basic(":"), id="empty user name"),
            pytest.param("Digest x", id="other scheme"),
        ],
    )
    @pytest.mark.parametrize("path", ["/shareabletokens/access/extid-jane", "/shareabletokens/x", "/endusers"])
    async def test_refuses_strangers(self, planhat: httpx.AsyncClient, authorization: str, path: str) -> None:
        response = await planhat.get(path, headers={"Authorization": authorization.encode("latin-1")})
        assert response.status_code == 401

    async def test_accepts_the_token_as_basic_user_name(self, sandbox: Sandbox, planhat: httpx.AsyncClient) -> None:
        headers = {"Authorization": basic(f"{sandbox.planhat_token}:")}
        assert (await planhat.get("/endusers", headers=headers)).status_code == 200

    async def test_refuses_basic_with_a_password(self, sandbox: Sandbox, planhat: httpx.AsyncClient) -> None:
        headers = {"Authorization": basic(f"{sandbox.planhat_token}:secret")}
        assert (await planhat.get("/endusers", headers=headers)).status_code == 401


class TestAccess:
    @pytest.mark.parametrize(
        ("reference", "access"),
        [
            ("extid-jane", True),
            ("srcid-crm-1001", True),
            (JANE_ID, True),
            ("extid-omar", True),
            ("extid-lena", True),
            ("extid-ines", False),
            ("extid-pia", False),
        ],
    )
    async def test_tells_who_has_access(self, planhat: httpx.AsyncClient, reference: str, access: bool) -> None:
        response = await planhat.get(f"/shareabletokens/access/{reference}")
        assert response.json() is access

    @pytest.mark.parametrize("reference", ["extid-noah", "extid-", "srcid-", "jane", "jane@vance.example", "%20"])
    async def test_knows_nobody_else(self, planhat: httpx.AsyncClient, reference: str) -> None:
        assert (await planhat.get(f"/shareabletokens/access/{reference}")).status_code == 404

    async def test_an_archived_end_user_has_none(self, sandbox: Sandbox, planhat: httpx.AsyncClient) -> None:
        sandbox.world.planhat.end_users[0].archived = True
        assert (await planhat.get("/shareabletokens/access/extid-jane")).json() is False

    @pytest.mark.parametrize(
        ("form", "content_type", "yes", "no"),
        [
            ("json", "application/json", b"true", b"false"),
            ("text", "text/plain", b"true", b"false"),
            ("object", "application/json", b'{"access":true}', b'{"access":false}'),
            ("unknown", "application/json", b'{"portals":[]}', b'{"portals":[]}'),
        ],
    )
    async def test_answers_in_the_form_of_the_switch(
        self,
        sandbox: Sandbox,
        planhat: httpx.AsyncClient,
        form: str,
        content_type: str,
        yes: bytes,
        no: bytes,
    ) -> None:
        set_switches(sandbox, access_form=form)
        granted = await planhat.get("/shareabletokens/access/extid-jane")
        refused = await planhat.get("/shareabletokens/access/extid-ines")
        assert granted.headers["content-type"].startswith(content_type)
        assert (granted.content, refused.content) == (yes, no)

    @pytest.mark.parametrize("status", ["403", "404"])
    async def test_tells_no_access_by_status(self, sandbox: Sandbox, planhat: httpx.AsyncClient, status: str) -> None:
        set_switches(sandbox, no_access=status)
        assert (await planhat.get("/shareabletokens/access/extid-ines")).status_code == int(status)
        assert (await planhat.get("/shareabletokens/access/extid-jane")).status_code == 200

    async def test_may_not_know_prefixed_ids_on_these_routes(
        self, sandbox: Sandbox, planhat: httpx.AsyncClient
    ) -> None:
        set_switches(sandbox, extid_supported=False)
        assert (await planhat.get("/shareabletokens/access/extid-jane")).status_code == 404
        assert (await planhat.get("/shareabletokens/extid-jane")).status_code == 404
        assert (await planhat.get(f"/shareabletokens/access/{JANE_ID}")).json() is True
        assert (await planhat.get("/endusers/extid-jane")).json()["_id"] == JANE_ID

    @pytest.mark.parametrize("path", ["/shareabletokens/access/", "/shareabletokens/", "/endusers/"])
    async def test_a_blank_id_falls_through_to_the_list(self, planhat: httpx.AsyncClient, path: str) -> None:
        response = await planhat.get(path)
        assert response.status_code == 200
        assert len(response.json()) == 5


class TestMint:
    async def test_prints_an_absolute_link(self, sandbox: Sandbox, planhat: httpx.AsyncClient) -> None:
        sandbox.planhat_vendor.public_url = "https://share.planhat.test/"
        response = await planhat.get("/shareabletokens/extid-jane")
        assert response.headers["content-type"].startswith("text/plain")
        prefix, _, token = response.text.rpartition("/")
        assert prefix == "https://share.planhat.test/redirect"
        assert len(token) >= 40

    async def test_every_link_is_new(self, planhat: httpx.AsyncClient) -> None:
        links = [(await planhat.get("/shareabletokens/extid-jane")).text for _ in range(3)]
        assert len(set(links)) == 3

    @pytest.mark.parametrize(("form", "kind"), [("json", str), ("object", dict)])
    async def test_prints_it_in_the_form_of_the_switch(
        self, sandbox: Sandbox, planhat: httpx.AsyncClient, form: str, kind: type
    ) -> None:
        set_switches(sandbox, mint_form=form)
        body = (await planhat.get("/shareabletokens/extid-jane")).json()
        assert isinstance(body, kind)
        url = body["url"] if isinstance(body, dict) else body
        assert url.startswith("http://planhat.test/redirect/")

    async def test_may_point_to_another_host(self, sandbox: Sandbox, planhat: httpx.AsyncClient) -> None:
        set_switches(sandbox, evil_link=True)
        link = (await planhat.get("/shareabletokens/extid-jane")).text
        assert link.startswith("http://evil.example/redirect/")

    @pytest.mark.parametrize(("no_access", "status"), [("false", 403), ("403", 403), ("404", 404)])
    async def test_not_without_access(
        self, sandbox: Sandbox, planhat: httpx.AsyncClient, no_access: str, status: int
    ) -> None:
        set_switches(sandbox, no_access=no_access)
        assert (await planhat.get("/shareabletokens/extid-ines")).status_code == status

    async def test_not_for_an_archived_or_unknown_end_user(self, sandbox: Sandbox, planhat: httpx.AsyncClient) -> None:
        sandbox.world.planhat.end_users[0].archived = True
        assert (await planhat.get("/shareabletokens/extid-jane")).status_code == 403
        assert (await planhat.get("/shareabletokens/extid-noah")).status_code == 404


class TestEndUsers:
    async def test_filters_by_email_ignoring_case(self, planhat: httpx.AsyncClient) -> None:
        rows = (await planhat.get("/endusers", params={"email": "Jane@Vance.example"})).json()
        assert [row["_id"] for row in rows] == [JANE_ID]

    async def test_an_email_can_belong_to_two_end_users(self, sandbox: Sandbox, planhat: httpx.AsyncClient) -> None:
        sandbox.world.planhat.end_users[3].email = "jane@vance.example"
        rows = (await planhat.get("/endusers", params={"email": "jane@vance.example"})).json()
        assert len({row["companyId"] for row in rows}) == 2

    async def test_may_ignore_the_filter(self, sandbox: Sandbox, planhat: httpx.AsyncClient) -> None:
        set_switches(sandbox, email_filter_ignored=True)
        rows = (await planhat.get("/endusers", params={"email": "nobody@vance.example"})).json()
        assert len(rows) == 5

    async def test_filters_by_company(self, planhat: httpx.AsyncClient) -> None:
        rows = (await planhat.get("/endusers", params={"companyId": "65f1c0ffee00000000000301"})).json()
        assert {row["externalId"] for row in rows} == {"lena", "pia"}

    async def test_pages_and_selects(self, planhat: httpx.AsyncClient) -> None:
        params = {"offset": 1, "limit": 2, "select": "_id,email,unheardOf"}
        rows = (await planhat.get("/endusers", params=params)).json()
        assert rows == [
            {"_id": "65f1c0ffee00000000001002", "email": "omar@vance.example"},
            {"_id": "65f1c0ffee00000000001003", "email": "ines@vance.example"},
        ]

    async def test_refuses_a_limit_that_is_no_number(self, planhat: httpx.AsyncClient) -> None:
        assert (await planhat.get("/endusers", params={"limit": "all"})).status_code == 400

    async def test_does_not_list_the_archived(self, sandbox: Sandbox, planhat: httpx.AsyncClient) -> None:
        sandbox.world.planhat.end_users[0].archived = True
        assert JANE_ID not in [row["_id"] for row in (await planhat.get("/endusers")).json()]
        assert (await planhat.get(f"/endusers/{JANE_ID}")).json()["archived"] is True

    async def test_gives_one_record(self, sandbox: Sandbox, planhat: httpx.AsyncClient) -> None:
        sandbox.world.planhat.end_users[0].source_id = None
        record = (await planhat.get("/endusers/extid-jane")).json()
        assert record["name"] == "Jane Moreau"
        assert record["companyName"] == "Vance Foods"
        assert "sourceId" not in record
        assert (await planhat.get("/endusers/extid-noah")).status_code == 404


class TestQuota:
    async def test_refuses_call_201_of_a_minute(self, sandbox: Sandbox, planhat: httpx.AsyncClient) -> None:
        path = "/shareabletokens/access/extid-jane"
        statuses = [(await planhat.get(path)).status_code for _ in range(201)]
        assert statuses == [200] * 200 + [429]
        sandbox.clock.advance(60)
        assert (await planhat.get(path)).status_code == 200

    async def test_says_nothing_about_when_to_retry(self, sandbox: Sandbox, planhat: httpx.AsyncClient) -> None:
        set_switches(sandbox, rate_limit_per_minute=0)
        response = await planhat.get("/endusers")
        assert response.status_code == 429
        assert not [name for name in response.headers if "retry" in name]

    async def test_strangers_do_not_use_it_up(self, sandbox: Sandbox, planhat: httpx.AsyncClient) -> None:
        set_switches(sandbox, rate_limit_per_minute=1)
        for _ in range(3):
            await planhat.get("/endusers", headers={"Authorization": "Bearer wrong"})
        assert (await planhat.get("/endusers")).status_code == 200
