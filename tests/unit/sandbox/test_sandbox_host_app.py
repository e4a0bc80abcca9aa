"""The demo's host app: signing in, its pages, and the places where portals will appear."""

from __future__ import annotations

import httpx
import pytest
from selectolax.lexbor import LexborHTMLParser

from portal_gateway.sandbox.cast import PEOPLE, create_world


async def sign_in(host: httpx.AsyncClient, user_id: str = "jane", **form: str) -> httpx.Response:
    return await host.post("/login", data={"user_id": user_id, **form})


class TestSigningIn:
    async def test_offers_everybody_with_what_to_expect(self, host: httpx.AsyncClient) -> None:
        page = LexborHTMLParser((await host.get("/login")).text)
        cards = {card.attributes["value"]: card.text() for card in page.css("button[name=user_id]")}
        assert list(cards) == ["jane", "omar", "ines", "noah", "lena", "pia"]
        for person in PEOPLE:
            assert person.name in cards[person.id]
            assert person.note in cards[person.id]

    async def test_makes_a_session(self, host: httpx.AsyncClient) -> None:
        response = await sign_in(host)
        assert (response.status_code, response.headers["location"]) == (303, "/")
        assert response.headers["set-cookie"].startswith("coldchain_session=")
        me = (await host.get("/api/me")).json()
        assert me == {
            "user": {
                "id": "jane",
                "email": "jane@vance.example",
                "email_verified": True,
                "name": "Jane Moreau",
                "company_id": "201",
            }
        }

    async def test_replaces_the_session_before(self, host: httpx.AsyncClient) -> None:
        await sign_in(host, "jane")
        await sign_in(host, "lena")
        assert (await host.get("/api/me")).json()["user"]["company_id"] == "301"

    @pytest.mark.parametrize("form", [{}, {"user_id": ""}, {"user_id": "eve"}, {"name": "jane"}])
    async def test_refuses_strangers(self, host: httpx.AsyncClient, form: dict[str, str]) -> None:
        response = await host.post("/login", data=form)
        assert (response.status_code, response.headers["location"]) == (303, "/login")
        assert (await host.get("/api/me")).status_code == 401

    async def test_survives_a_body_that_is_no_form(self, host: httpx.AsyncClient) -> None:
        assert (await host.post("/login", content=b"\xff\x00=&&")).status_code == 303

    async def test_signs_out(self, host: httpx.AsyncClient) -> None:
        await sign_in(host)
        response = await host.post("/logout")
        assert (response.status_code, response.headers["location"]) == (303, "/login")
        assert (await host.get("/api/me")).status_code == 401

    async def test_a_link_cannot_sign_out(self, host: httpx.AsyncClient) -> None:
        await sign_in(host)
        assert (await host.get("/logout")).status_code == 405

    async def test_a_forged_session_is_nobody(self, host: httpx.AsyncClient) -> None:
        headers = {"Cookie": "coldchain_session=eyJ1c2VyX2lkIjogImphbmUifQ==.x.y"}
        assert (await host.get("/api/me", headers=headers)).status_code == 401


class TestNext:
    async def test_leads_back(self, host: httpx.AsyncClient) -> None:
        response = await host.get("/onboarding")
        assert (response.status_code, response.headers["location"]) == (303, "/login?next=/onboarding")
        page = LexborHTMLParser((await host.get(response.headers["location"])).text)
        hidden = page.css_first("input[name=next]")
        assert hidden is not None
        assert hidden.attributes["value"] == "/onboarding"
        assert (await sign_in(host, next="/onboarding?tab=2")).headers["location"] == "/onboarding?tab=2"

    @pytest.mark.parametrize(
        "target",
        [
            "",
            "https://evil.example/",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "evil",
            "/\r\nX: y",
            "/\t/evil.example",
        ],
    )
    async def test_stays_in_the_app(self, host: httpx.AsyncClient, target: str) -> None:
        assert (await sign_in(host, next=target)).headers["location"] == "/"
        page = LexborHTMLParser((await host.get("/login", params={"next": target})).text)
        hidden = page.css_first("input[name=next]")
        assert hidden is not None
        assert hidden.attributes["value"] == "/"


class TestPages:
    @pytest.mark.parametrize("path", ["/", "/onboarding", "/reports"])
    async def test_are_for_people_signed_in(self, host: httpx.AsyncClient, path: str) -> None:
        assert (await host.get(path)).headers["location"] == f"/login?next={path}"
        await sign_in(host)
        response = await host.get(path)
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert "Jane Moreau" in response.text

    @pytest.mark.parametrize("path", ["/", "/onboarding", "/reports"])
    async def test_have_one_place_for_links_and_one_main(self, host: httpx.AsyncClient, path: str) -> None:
        await sign_in(host)
        page = LexborHTMLParser((await host.get(path)).text)
        assert len(page.css("nav .links")) == 1
        assert len(page.css("main")) == 1
        assert page.css("iframe") == []

    async def test_know_nothing_of_portals(self, host: httpx.AsyncClient) -> None:
        await sign_in(host)
        for path in ("/", "/onboarding", "/reports"):
            assert "portal" not in (await host.get(path)).text.lower()

    async def test_load_nothing_from_elsewhere(self, host: httpx.AsyncClient) -> None:
        await sign_in(host)
        for path in ("/", "/onboarding", "/reports", "/login", "/static/app.css"):
            text = (await host.get(path)).text
            assert "https://" not in text
            assert "http://" not in text
            assert "<script" not in text

    async def test_assets_are_served(self, host: httpx.AsyncClient) -> None:
        css = await host.get("/static/app.css")
        assert css.headers["content-type"].startswith("text/css")
        assert (await host.get("/static/mark.svg")).status_code == 200

    async def test_rooms_are_json_for_people_signed_in(self, host: httpx.AsyncClient) -> None:
        assert (await host.get("/api/rooms")).status_code == 401
        await sign_in(host)
        rooms = (await host.get("/api/rooms")).json()["rooms"]
        assert [room["state"] for room in rooms] == ["ok", "ok", "watch", "ok", "ok"]


class TestCast:
    def test_is_the_one_the_docstring_promises(self) -> None:
        world = create_world()
        shared = {person.external_id for person in world.planhat.end_users if person.portal_access}
        assert shared == {"jane", "omar", "lena"}
        members = {
            project.id: {world.rocketlane.user(user_id).email.split("@")[0] for user_id in project.customers}
            for project in world.rocketlane.projects
            if not project.archived
        }
        assert members == {5001: {"jane", "ines"}, 6001: {"lena", "pia"}, 6002: {"pia"}}

    def test_agrees_with_the_vendors_records(self) -> None:
        world = create_world()
        for person in PEOPLE:
            end_user = world.planhat.find(f"extid-{person.id}")
            customer = world.rocketlane.user_by_email(person.email)
            assert (end_user is None) == (customer is None) == (person.id == "noah")
            if end_user is not None and customer is not None:
                assert end_user.email == person.email
                assert end_user.name == customer.name == person.name
                assert str(customer.company_id) == person.company_id

    def test_every_world_is_a_copy(self) -> None:
        create_world().planhat.end_users.clear()
        assert create_world().planhat.end_users
