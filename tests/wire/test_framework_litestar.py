"""Litestar with its sessions, which exist on its own routes only: the app is asked who is signed in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import pytest
from framework_contract import FrameworkContract
from frameworks_support import CSS, PAGE, PERSONS, SCOPE_SESSION, WHOAMI, NewSite, Stage, Vendors, sites, visitor
from litestar import Litestar, MediaType, Request, Response, WebSocket, get, post, websocket
from litestar.enums import RequestEncodingType
from litestar.middleware.session.client_side import CookieBackendConfig
from litestar.params import Body
from litestar.response import Redirect, Stream
from litestar.static_files import create_static_files_router

from portal_gateway import PortalGatewayMiddleware
from portal_gateway.sandbox.server import running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@post("/login")
async def login(
    request: Request[Any, Any, Any], data: Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect:
    request.set_session(dict(PERSONS[data["user_id"]]))
    return Redirect("/", status_code=303)


@get(["/", "/onboarding"], media_type=MediaType.HTML)
async def page() -> str:
    return PAGE


@get("/api/me")
async def me(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    return Response({"user": request.session}, status_code=200 if request.session else 401)


@get("/api/data")
async def data(request: Request[Any, Any, Any]) -> dict[str, Any]:
    return {"a": request.query_params.getall("a", [])}


@get("/old")
async def old() -> Redirect:
    return Redirect("/new?a=b", status_code=301)


@post("/upload", status_code=200)
async def upload(request: Request[Any, Any, Any]) -> dict[str, int]:
    return {"bytes": sum([len(chunk) async for chunk in request.stream()])}


@get("/broken")
async def broken() -> None:
    raise RuntimeError("the app's own")


@get("/breaks-off")
async def breaks_off() -> Stream:
    async def pieces() -> AsyncIterator[str]:
        yield PAGE[:100]
        raise RuntimeError("the app's own")

    return Stream(pieces(), media_type=MediaType.HTML)


@get("/events")
async def events(request: Request[Any, Any, Any]) -> Stream:
    stage: Stage = request.app.state.stage
    return Stream((f"data: {item}\n\n" async for item in stage.next_items()), media_type="text/event-stream")


@get("/slow-page")
async def slow_page(request: Request[Any, Any, Any]) -> Stream:
    stage: Stage = request.app.state.stage
    return Stream(stage.next_items(), media_type=MediaType.HTML)


@websocket("/ws")
async def echo(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    while (text := await socket.receive_text()) != "bye":
        await socket.send_text(f"{socket.session.get('id')}: {text}")
    await socket.close(4001)


@asynccontextmanager
async def lifespan(app: Litestar) -> AsyncIterator[None]:
    app.state.stage.journal.append("started")
    yield
    app.state.stage.journal.append("stopped")


def create_app(static: Path, stage: Stage) -> Litestar:
    handlers = [page, login, me, data, old, upload, broken, breaks_off, events, slow_page, echo]
    app = Litestar(
        [*handlers, create_static_files_router("/static", [static])],
        middleware=[CookieBackendConfig(secret=b"16, 24, 32 bytes").middleware],
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
    )
    app.state.stage = stage
    return app


@pytest.fixture(scope="module", params=["whoami", "scope, then whoami"])
def new_site(request: pytest.FixtureRequest, vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> NewSite:
    static = tmp_path_factory.mktemp("static")
    (static / "app.css").write_bytes(CSS)
    config = vendors.config(*{"whoami": [WHOAMI], "scope, then whoami": [SCOPE_SESSION, WHOAMI]}[request.param])

    def create_wrapped(stage: Stage) -> PortalGatewayMiddleware:
        return PortalGatewayMiddleware(create_app(static, stage), config=config)

    return sites(vendors, lambda stage: create_app(static, stage), create_wrapped)


class TestLitestar(FrameworkContract):
    pass


async def test_by_the_scope_alone_pages_know_the_user_and_portal_routes_say_so(
    vendors: Vendors, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = PortalGatewayMiddleware(create_app(tmp_path, Stage()), config=vendors.config(SCOPE_SESSION))
    async with running(app) as url, visitor(url) as client:
        await client.post("/login", data={"user_id": "jane"})
        assert "portal-link" in (await client.get("/")).text
        assert (await client.get("/portal/success/launch")).status_code == 303
    assert "add an identity source such as whoami" in caplog.text
