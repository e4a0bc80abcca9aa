"""`portal-gateway serve` in front of Flask under gunicorn."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from frameworks_support import Vendors
from processes import PATIENCE_S
from upstreams_kit import JANE, SOURCES, Site, assert_linked, assert_same, behind_the_sidecar, running_app, visitors

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    arguments = ["--chdir", str(SOURCES), "--worker-class", "gthread", "--threads", "8", "--bind", "127.0.0.1:0"]
    async with running_app("gunicorn", *arguments, "flask_app:app") as gunicorn:
        bare = (await gunicorn.printed(r"Listening at: (http://127\.0\.0\.1:\d+)"))[1]
        async with behind_the_sidecar(bare, vendors, tmp_path_factory.mktemp("flask")) as site:
            yield site


async def test_a_page_gets_the_link_and_nothing_else(site: Site) -> None:
    async with visitors(site) as (straight, through):
        await assert_linked(straight, through, "/")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/static/style.css"),
        ("HEAD", "/static/style.css"),
        ("OPTIONS", "/upload"),
        ("GET", "/teapot"),
        ("GET", "/broken"),
        ("GET", "/a%2Fb//c;d?e=%20&f"),
        ("DELETE", "/"),
        ("GET", "/upload"),
    ],
)
async def test_other_answers_are_the_apps(site: Site, method: str, path: str) -> None:
    async with visitors(site, **{name: value for name, value in JANE.items() if name != "sec-fetch-dest"}) as clients:
        straight, through = [await client.request(method, path) for client in clients]
    assert_same(straight, through)


async def test_a_file_is_validated_and_fetched_in_parts(site: Site) -> None:
    async with visitors(site, **{"sec-fetch-dest": "style"}) as clients:
        for client in clients:
            etag = (await client.get("/static/style.css")).headers["etag"]
            assert (await client.get("/static/style.css", headers={"if-none-match": etag})).status_code == 304
            part = await client.get("/static/style.css", headers={"range": "bytes=7-12"})
            assert (part.status_code, part.content) == (206, b"margin")


async def test_a_form_with_a_file_and_the_session_that_it_opens(site: Site) -> None:
    data = os.urandom(2_000_000)
    async with visitors(site, host=site.url.removeprefix("http://")) as (_, through):
        answer = await through.post("/upload", data={"name": "Jörg"}, files={"file": data})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        page = await through.get("/", headers=JANE)
    assert "Grüße, Jörg" in page.text
    assert hashlib.sha256(data).hexdigest() in page.text


async def test_the_app_is_told_who_asks(site: Site) -> None:
    async with visitors(site) as (_, through):
        seen = (await through.get("/api/request", headers={"x-forwarded-for": "203.0.113.9"})).json()
    assert seen["url"] == "http://localhost:8000/api/request"
    assert seen["X-Forwarded-For"] == "203.0.113.9, 127.0.0.1"


async def test_events_come_as_they_are_sent(site: Site) -> None:
    async with (
        asyncio.timeout(PATIENCE_S),
        visitors(site) as (_, through),
        through.stream("GET", "/events") as response,
    ):
        pieces = response.aiter_raw()
        assert await anext(pieces) == b"data: hello\n\n"
        await through.post("/events", content="one")
        assert await anext(pieces) == b"data: one\n\n"
        await through.post("/events", content="goodbye")
        assert [piece async for piece in pieces] == []
