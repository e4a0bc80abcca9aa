"""`portal-gateway serve` in front of a Node server, all of them processes of their own."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import pytest_asyncio
from frameworks_support import FRAME, LINK, PAGE, PERSONS, WHOAMI, Vendors, follow, the_link, visitor
from processes import PATIENCE_S, Process, Sidecar, program, running_process, running_sidecar, write_config
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEADERS = {"source": "headers", "id": "X-User-Id", "email": "X-User-Email", "company_id": "X-Company-Id"}
JANE_SAYS_A_HEADER = {"x-user-id": "jane", "x-user-email": "jane@vance.example", "x-company-id": "201"}
JWT_SECRET = "a secret of this test only, 32 bytes and more"


@asynccontextmanager
async def running_node() -> AsyncIterator[tuple[Process, str]]:
    environ = {"PAGE": PAGE, "PEOPLE": json.dumps({name: dict(person) for name, person in PERSONS.items()})}
    app = Path(__file__).with_name("node_app.js")
    async with running_process(program("node"), str(app), environ=environ) as process:
        yield process, f"http://127.0.0.1:{int(await process.line())}"


@dataclass
class Shop:
    """The Node app at `bare`, the sidecar before it at `url`."""

    bare: str
    url: str
    node: Process
    sidecar: Sidecar
    vendors: Vendors

    async def seen(self, client: httpx.AsyncClient, **options: Any) -> dict[str, str]:
        """The headers of a request as Node got them."""
        lines = (await client.get("/api/request", **options)).json()["headers"]
        return dict(zip(map(str.lower, lines[::2]), lines[1::2], strict=True))


@asynccontextmanager
async def running_shop(vendors: Vendors, directory: Path, **config: Any) -> AsyncIterator[Shop]:
    async with running_node() as (node, bare):
        file = write_config(directory / "gateway.yaml", {**vendors.config(WHOAMI), "upstream": bare, **config})
        async with running_sidecar(file, environ=vendors.environ) as sidecar:
            yield Shop(bare, sidecar.url, node, sidecar, vendors)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    timeouts = {"head_s": 0.5}
    async with running_shop(vendors, tmp_path_factory.mktemp("node"), upstream_timeouts=timeouts) as shop:
        yield shop
    assert "Traceback" not in shop.sidecar.log
    assert shop.sidecar.process.process.returncode == 0


@asynccontextmanager
async def signed_in(shop: Shop, user_id: str) -> AsyncIterator[httpx.AsyncClient]:
    async with visitor(shop.url) as client:
        response = await client.post("/login", data={"user_id": user_id})
        assert response.status_code == 303
        yield client


@pytest.mark.parametrize("path", ["/", "/gzip"])
async def test_the_link_leads_its_reader_into_the_portal(shop: Shop, path: str) -> None:
    async with signed_in(shop, "jane") as client:
        page = await client.get(path)
        assert page.headers["content-encoding"] == "gzip", "by the app, or else by the sidecar"
        assert re.sub('<a class="portal-link".*?</a>', "", page.text) == PAGE
        portal = await follow(client, the_link(page))
    assert "Logged in as <strong>Jane Moreau</strong>" in portal.text


async def test_the_iframe_shows_the_project_of_the_reader(shop: Shop) -> None:
    async with signed_in(shop, "lena") as client:
        (source,) = FRAME.findall((await client.get("/onboarding")).text)
        project = await follow(client, source)
    assert "Logged in as <strong>Lena Fischer</strong>" in project.text


@pytest.mark.parametrize("user_id", ["noah", "nobody"])
async def test_others_get_the_page_as_it_is(shop: Shop, user_id: str) -> None:
    async with signed_in(shop, user_id) as client:
        page, zipped = await client.get("/"), await client.get("/gzip")
        launch = await client.get("/portal/success/launch")
    assert page.text == zipped.text == PAGE
    assert launch.status_code == (403 if user_id == "noah" else 303)


async def test_each_cookie_of_a_response_arrives(shop: Shop) -> None:
    async with visitor(shop.url) as client:
        response = await client.post("/login", data={"user_id": "jane"})
    assert response.headers.get_list("set-cookie") == ["sid=jane; HttpOnly; Path=/", "theme=dark; Path=/"]


@pytest.mark.parametrize("path", ["/broken", "/old", "/missing", "/api/me"])
async def test_the_apps_own_answers_are_the_same(shop: Shop, path: str) -> None:
    async with visitor(shop.bare) as bare, visitor(shop.url) as client:
        straight, through = await bare.get(path), await client.get(path)
    assert (through.status_code, through.content) == (straight.status_code, straight.content)
    assert through.headers.pop("x-request-id")
    ignored = {"date", "connection", "keep-alive", "transfer-encoding", "content-length"}
    for response in (straight, through):
        for name in ignored:
            response.headers.pop(name, None)
    assert through.headers == straight.headers


async def test_a_large_upload_arrives_whole(shop: Shop) -> None:
    upload = os.urandom(5_000_000)
    async with visitor(shop.url) as client:
        answer = (await client.post("/upload", content=upload)).json()
    assert answer == {"bytes": len(upload), "sha256": hashlib.sha256(upload).hexdigest()}


async def test_an_upload_of_unknown_length_arrives_whole(shop: Shop) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 10_000

    async with visitor(shop.url) as client:
        assert (await client.post("/upload", content=pieces())).json()["bytes"] == 1_000_000


async def test_events_flow_one_by_one_and_the_app_learns_that_the_reader_left(shop: Shop) -> None:
    async with (
        asyncio.timeout(PATIENCE_S),
        visitor(shop.bare) as app,
        visitor(shop.url) as client,
        client.stream("GET", "/events") as response,
    ):
        lines = (line async for line in response.aiter_lines() if line)
        assert await anext(lines) == "data: hello"
        for text in ("one", "two"):
            await app.post("/events", content=text)
            assert await anext(lines) == f"data: {text}"
    assert await shop.node.line() == "reader left\n"


async def test_a_websocket_is_relayed_with_its_cookies(shop: Shop) -> None:
    url, headers = shop.url.replace("http:", "ws:") + "/ws", {"cookie": "sid=jane"}
    chat = [Subprotocol("chat")]
    async with asyncio.timeout(PATIENCE_S):
        async with connect(url, additional_headers=headers, subprotocols=chat, proxy=None) as socket:
            assert socket.subprotocol == "chat"
            for text in ("one", "zwei"):
                await socket.send(text)
                assert await socket.recv() == f"jane: {text}"


async def over_websocket(shop: Shop, text: str, headers: dict[str, str]) -> str:
    """The app's answer to one message on a new connection."""
    url = shop.url.replace("http:", "ws:") + "/ws"
    async with (
        asyncio.timeout(PATIENCE_S),
        connect(url, additional_headers=headers, subprotocols=[Subprotocol("chat")], proxy=None) as socket,
    ):
        await socket.send(text)
        return str(await socket.recv())


async def test_a_slow_app_is_a_504_for_people_and_programs(shop: Shop) -> None:
    async with visitor(shop.url) as client:
        page = await client.get("/never", headers={"sec-fetch-mode": "navigate"})
        problem = await client.get("/never", headers={"accept": "*/*"})
    assert page.status_code == problem.status_code == 504
    assert "The app cannot be reached right now" in page.text
    assert page.headers["cache-control"] == "no-store"
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json()["status"] == 504


async def test_nobody_says_by_himself_who_or_where_he_is(vendors: Vendors, tmp_path: Path) -> None:
    claims = {
        "x_user_id": "jane",
        "X-USER-ID": "jane",
        "x-user-email": "jane@vance.example",
        "x-company-id": "201",
        "x-forwarded-for": "10.0.0.1",
        "x-forwarded-host": "evil.example",
        "x-forwarded-proto": "https",
        "x-forwarded-user": "jane",
        "forwarded": "for=10.0.0.1",
        "x-real-ip": "10.0.0.1",
    }
    async with (
        running_shop(vendors, tmp_path, identity=[HEADERS], trusted_proxies=["10.0.0.0/8"]) as shop,
        visitor(shop.url) as client,
    ):
        seen = await shop.seen(client, headers=claims)
        assert not LINK.search((await client.get("/", headers=claims)).text)
        launch = await client.get("/portal/success/launch", headers=claims)
        assert await over_websocket(shop, "claims?", claims) == "undefined:   127.0.0.1"
    own_host = shop.url.removeprefix("http://")
    assert seen.pop("x-request-id")
    assert {name: value for name, value in seen.items() if name.startswith(("x-", "x_", "forwarded"))} == {
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
        "x-forwarded-host": own_host,
    }
    assert seen["host"] == own_host
    assert launch.status_code == 303
    assert launch.headers["location"].startswith("/login")


async def test_a_trusted_proxy_says_who_and_where_its_client_is(vendors: Vendors, tmp_path: Path) -> None:
    claims = {**JANE_SAYS_A_HEADER, "x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}
    async with (
        running_shop(vendors, tmp_path, identity=[HEADERS], trusted_proxies=["127.0.0.1/32"]) as shop,
        visitor(shop.url) as client,
    ):
        seen = await shop.seen(client, headers=claims)
        assert LINK.search((await client.get("/", headers=claims)).text)
        launch = await client.get("/portal/success/launch", headers=claims)
        assert await over_websocket(shop, "claims?", claims) == "undefined: jane  203.0.113.9, 127.0.0.1"
    assert (seen["x-user-id"], seen["x-forwarded-proto"]) == ("jane", "https")
    assert seen["x-forwarded-for"] == "203.0.113.9, 127.0.0.1"
    assert launch.headers["location"].startswith(vendors.planhat_url + "/redirect/")


async def test_while_the_app_is_away_it_is_a_502_and_the_portal_opens(vendors: Vendors, tmp_path: Path) -> None:
    source = {
        "source": "jwt",
        "cookie": "token",
        "secret": {"env": "JWT_SECRET"},
        "algorithms": ["HS256"],
        "claims": {"id": "sub", "email": "email", "company_id": "company_id"},
    }
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("JWT_SECRET", JWT_SECRET)
        async with running_shop(vendors, tmp_path, identity=[source]) as shop, visitor(shop.url) as client:
            token = jwt.encode({"sub": "jane", "exp": time.time() + 600}, JWT_SECRET, "HS256")
            client.cookies.set("token", token)
            assert LINK.search((await client.get("/")).text)
            await shop.node.stop()
            page = await client.get("/", headers={"sec-fetch-mode": "navigate"})
            problem = await client.get("/api/me", headers={"accept": "application/json"})
            upload = await client.post("/upload", content=b"x" * 1_000_000, headers={"accept": "*/*"})
            launch = await client.get("/portal/success/launch")
    assert [page.status_code, problem.status_code, upload.status_code] == [502, 502, 502]
    assert "The app cannot be reached right now" in page.text
    assert problem.headers["content-type"] == "application/problem+json"
    assert launch.headers["location"].startswith(vendors.planhat_url + "/redirect/")
    assert "Traceback" not in shop.sidecar.log


async def test_whoami_cannot_ask_an_app_that_is_away_and_says_try_again(vendors: Vendors, tmp_path: Path) -> None:
    async with running_shop(vendors, tmp_path) as shop, signed_in(shop, "jane") as client:
        await shop.node.stop()
        page = await client.get("/portal/success/launch")
        asset = await client.get("/portal/-/widget.js")
    assert page.status_code == 503
    assert "Traceback" not in shop.sidecar.log
    assert asset.status_code == 200
