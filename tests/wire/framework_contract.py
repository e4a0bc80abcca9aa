"""What must hold in front of every framework. A test module brings the fixture `new_site` and inherits the classes.

The host app has, besides its own sign-in: `/` and `/onboarding` (PAGE), `/api/me`, `/api/data`, `/static/app.css`
(CSS), `/old` (redirect), `/upload` (POST, answers the number of bytes), `/broken` (raises), `/breaks-off` (raises
in the middle of a page), `/events` and `/slow-page` (streams of the stage's items), `/ws` (echo with the user's id).
"""

from __future__ import annotations

import asyncio

import httpx
import pytest
from frameworks_support import (
    FIRST_PIECE,
    FRAME,
    LINK,
    PAGE,
    PATIENCE_S,
    SECOND_PIECE,
    NewSite,
    Site,
    Stage,
    follow,
    note_closing,
    the_link,
    visitor,
)
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

LARGE = b"x" * 3_000_000


async def raw_answer(client: httpx.AsyncClient, method: str, path: str, **options: object) -> tuple[object, ...]:
    """Status, header lines and body of an answer as they were on the wire, without the headers that count from now."""
    request = client.build_request(method, path, **options)  # type: ignore[arg-type]
    response = await client.send(request, stream=True)
    body = b"".join([chunk async for chunk in response.aiter_raw()])
    await response.aclose()
    lines = [(name, value) for name, value in response.headers.raw if name.lower() not in (b"date", b"expires")]
    return response.status_code, response.reason_phrase, lines, body


class PortalContract:
    """Who sees which portal, and where it leads."""

    async def sign_in(self, client: httpx.AsyncClient, user_id: str) -> None:
        response = await client.post("/login", data={"user_id": user_id})
        assert response.status_code in (200, 201, 204, 302, 303)

    page_path = "/"

    @pytest.mark.parametrize(("user_id", "name"), [("jane", "Jane Moreau"), ("lena", "Lena Fischer")])
    async def test_the_link_leads_its_reader_into_the_portal(self, site: Site, user_id: str, name: str) -> None:
        async with visitor(site.url) as client:
            await self.sign_in(client, user_id)
            page = await client.get(self.page_path)
            assert page.headers["cache-control"].startswith("private")
            minted = site.vendors.mints(user_id)
            portal = await follow(client, the_link(page))
        assert portal.url.copy_with(path="/") == httpx.URL(site.vendors.planhat_url + "/")
        assert f"Logged in as <strong>{name}</strong>" in portal.text
        assert site.vendors.mints(user_id) == minted + 1

    async def test_the_iframe_shows_the_project_of_the_reader(self, site: Site) -> None:
        async with visitor(site.url) as client:
            await self.sign_in(client, "jane")
            (source,) = FRAME.findall((await client.get("/onboarding")).text)
            project = await follow(client, source)
        assert str(project.url).startswith(site.vendors.rocketlane_url + "/cp/embed?")
        assert "Logged in as <strong>Jane Moreau</strong>" in project.text
        assert "Vance onboarding" in project.text

    async def test_without_access_there_is_no_link_and_a_clear_page(self, site: Site) -> None:
        async with visitor(site.url) as client:
            await self.sign_in(client, "noah")
            page, onboarding = await client.get(self.page_path), await client.get("/onboarding")
            refusal = await client.get("/portal/success/launch")
            problem = await client.get("/portal/success/launch", headers={"accept": "application/json"})
        assert page.status_code == onboarding.status_code == 200
        assert "portal-" not in page.text + onboarding.text
        assert refusal.status_code == 403
        assert "You have no access to this portal" in refusal.text
        assert (problem.status_code, problem.headers["content-type"]) == (403, "application/problem+json")
        assert site.vendors.mints("noah") == 0

    async def test_an_anonymous_visitor_is_sent_to_sign_in(self, site: Site) -> None:
        async with visitor(site.url) as client:
            page = await client.get("/onboarding")
            launch = await client.get("/portal/success/launch?a=1")
        assert page.status_code == 200
        assert "portal-" not in page.text
        assert launch.status_code == 303
        assert launch.headers["location"] == "/login?next=%2Fportal%2Fsuccess%2Flaunch%3Fa%3D1"

    async def test_after_signing_out_nobody_is_known(self, site: Site) -> None:
        async with visitor(site.url) as client:
            await self.sign_in(client, "jane")
            assert LINK.search((await client.get(self.page_path)).text)
            client.cookies.clear()
            assert (await client.get("/portal/success/launch")).status_code == 303
            assert not LINK.search((await client.get("/onboarding")).text)


class UntouchedContract:
    """What is the host app's own arrives as if there were no gateway."""

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/api/data?a=%20b&a=c"),
            ("GET", "/api/me"),
            ("GET", "/static/app.css"),
            ("GET", "/static/none.css"),
            ("GET", "/old"),
            ("GET", "/missing"),
            ("GET", "/portals"),
            ("GET", "/broken"),
            ("GET", "/upload"),
            ("HEAD", "/api/data"),
            ("OPTIONS", "/api/data"),
            ("DELETE", "/"),
            ("POST", "/"),
        ],
    )
    async def test_the_apps_own_answers_are_the_same_bytes(self, site: Site, method: str, path: str) -> None:
        async with visitor(site.bare, host="acme.example") as bare, visitor(site.url, host="acme.example") as client:
            expected = await raw_answer(bare, method, path)
            assert await raw_answer(client, method, path) == expected
        if path == "/broken":
            assert expected[0] == 500

    async def test_a_page_without_a_snippet_keeps_its_bytes(self, site: Site) -> None:
        async with visitor(site.bare) as bare, visitor(site.url) as client:
            straight, through = await bare.get("/onboarding"), await client.get("/onboarding")
        assert through.content == straight.content == PAGE.encode()

    async def test_uploads_arrive_whole(self, site: Site) -> None:
        async with visitor(site.url) as client:
            assert (await client.post("/upload", content=LARGE)).json() == {"bytes": len(LARGE)}

    async def test_events_flow_one_by_one(self, site: Site) -> None:
        async with asyncio.timeout(PATIENCE_S), visitor(site.url, accept="text/event-stream") as client:
            site.stage.items.put_nowait("one")
            async with client.stream("GET", "/events") as response:
                assert response.headers["content-type"].startswith("text/event-stream")
                lines = (line async for line in response.aiter_lines() if line)
                assert await anext(lines) == "data: one"
                site.stage.items.put_nowait("two")
                assert await anext(lines) == "data: two"
                site.stage.items.put_nowait(None)
                assert [line async for line in lines] == []

    async def test_a_page_that_breaks_off_breaks_off(self, site: Site) -> None:
        for url in (site.bare, site.url):
            async with visitor(url) as client:
                with pytest.raises(httpx.RemoteProtocolError):
                    await client.get("/breaks-off")


class StreamedPageContract(PortalContract):
    async def test_a_streamed_page_is_not_held_back(self, site: Site) -> None:
        async with asyncio.timeout(PATIENCE_S), visitor(site.url) as client:
            await self.sign_in(client, "jane")
            site.stage.items.put_nowait(FIRST_PIECE)
            async with client.stream("GET", "/slow-page") as response:
                text, chunks = "", response.aiter_text()
                while not text.endswith("</nav>"):
                    text += await anext(chunks)
                assert LINK.search(text)
                site.stage.items.put_nowait(SECOND_PIECE)
                site.stage.items.put_nowait(None)
                text += "".join([chunk async for chunk in chunks])
        snippet = text[text.index('<a class="portal-link"') : text.index("</div>")]
        assert text.replace(snippet, "") == PAGE


class WebSocketContract(PortalContract):
    async def test_the_apps_websocket_is_its_own(self, site: Site) -> None:
        async with visitor(site.url) as client:
            await self.sign_in(client, "jane")
            cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        url = site.url.replace("http:", "ws:") + "/ws?room=1"
        async with asyncio.timeout(PATIENCE_S):
            async with connect(url, additional_headers={"cookie": cookie}, proxy=None) as socket:
                for text in ("one", "zwei"):
                    await socket.send(text)
                    assert await socket.recv() == f"jane: {text}"
                await socket.send("bye")
                await socket.wait_closed()
                assert socket.close_code == 4001

    async def test_no_websocket_opens_under_the_mount_path(self, site: Site) -> None:
        url = site.url.replace("http:", "ws:")
        for path in ("/portal/success/launch", "/missing"):
            with pytest.raises(InvalidStatus):
                async with asyncio.timeout(PATIENCE_S), connect(url + path, proxy=None):
                    raise AssertionError("opened")


class LifespanContract:
    async def test_the_apps_lifespan_runs_and_the_gateway_closes_after_it(
        self, new_site: NewSite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stage = Stage()
        note_closing(monkeypatch, stage.journal)
        async with new_site(stage) as site, visitor(site.url) as client:
            assert (await client.get("/")).status_code == 200
            assert stage.journal == ["started"]
        assert stage.journal == ["started", "stopped", "gateway closed"]


class FrameworkContract(StreamedPageContract, UntouchedContract, WebSocketContract, LifespanContract):
    """All of it."""
