"""Starlette with its own session middleware inside the gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from framework_contract import FrameworkContract
from frameworks_support import (
    CSS,
    PAGE,
    PERSONS,
    SCOPE_SESSION,
    WHOAMI,
    NewSite,
    Site,
    Stage,
    Vendors,
    note_closing,
    sites,
    visitor,
)
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from portal_gateway import PortalGatewayMiddleware
from portal_gateway.sandbox.server import running

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "a secret of this test only"


async def login(request: Request) -> Response:
    async with request.form() as form:
        request.session.update(PERSONS[str(form["user_id"])])
    return RedirectResponse("/", 303)


async def page(request: Request) -> Response:
    return HTMLResponse(PAGE)


async def me(request: Request) -> Response:
    return JSONResponse({"user": dict(request.session)} if request.session else {}, 200 if request.session else 401)


async def data(request: Request) -> Response:
    return JSONResponse({"a": request.query_params.getlist("a"), "host": request.headers["host"]})


async def old(request: Request) -> Response:
    return RedirectResponse("/new?a=b", 301)


async def upload(request: Request) -> Response:
    return JSONResponse({"bytes": sum([len(chunk) async for chunk in request.stream()])})


async def broken(request: Request) -> Response:
    raise RuntimeError("the app's own")


async def breaks_off(request: Request) -> Response:
    async def pieces() -> AsyncIterator[str]:
        yield PAGE[:100]
        raise RuntimeError("the app's own")

    return StreamingResponse(pieces(), media_type="text/html")


async def events(request: Request) -> Response:
    stage: Stage = request.app.state.stage
    lines = (f"data: {item}\n\n" async for item in stage.next_items())
    return StreamingResponse(lines, media_type="text/event-stream")


async def slow_page(request: Request) -> Response:
    return StreamingResponse(request.app.state.stage.next_items(), media_type="text/html")


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    while (text := await websocket.receive_text()) != "bye":
        await websocket.send_text(f"{websocket.session.get('id')}: {text}")
    await websocket.close(4001)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    app.state.stage.journal.append("started")
    yield
    app.state.stage.journal.append("stopped")


def routes(static: Path) -> list[Route | WebSocketRoute | Mount]:
    return [
        Route("/", page),
        Route("/onboarding", page),
        Route("/login", login, methods=["POST"]),
        Route("/api/me", me),
        Route("/api/data", data),
        Route("/old", old),
        Route("/upload", upload, methods=["POST"]),
        Route("/broken", broken),
        Route("/breaks-off", breaks_off),
        Route("/events", events),
        Route("/slow-page", slow_page),
        WebSocketRoute("/ws", echo),
        Mount("/static", StaticFiles(directory=static)),
    ]


@pytest.fixture(scope="module")
def static(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("static")
    (directory / "app.css").write_bytes(CSS)
    (directory / "page.html").write_text(PAGE, encoding="utf-8")
    return directory


def create_app(stage: Stage, static: Path, *middleware: Middleware) -> Starlette:
    sessions = Middleware(SessionMiddleware, secret_key=SECRET)
    app = Starlette(routes=routes(static), middleware=[sessions, *middleware], lifespan=lifespan)
    app.state.stage = stage
    return app


@pytest.fixture(scope="module", params=["scope", "whoami"])
def new_site(request: pytest.FixtureRequest, vendors: Vendors, static: Path) -> NewSite:
    config = vendors.config({"scope": SCOPE_SESSION, "whoami": WHOAMI}[request.param])

    def create_wrapped(stage: Stage) -> PortalGatewayMiddleware:
        return PortalGatewayMiddleware(create_app(stage, static), config=config)

    return sites(vendors, lambda stage: create_app(stage, static), create_wrapped)


class TestStarlette(FrameworkContract):
    async def test_a_static_page_is_injected_for_its_reader_and_not_stored(self, site: Site) -> None:
        async with visitor(site.url, range="bytes=0-9") as client:
            await self.sign_in(client, "jane")
            response = await client.get("/static/page.html")
        assert response.status_code == 200
        assert "portal-link" in response.text
        assert "etag" not in response.headers


class SessionBackend(AuthenticationBackend):
    """Signs in whoever has a session, under the name of the user."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
        user_id = conn.session.get("id")
        return (AuthCredentials(["authenticated"]), SimpleUser(user_id)) if user_id else None


async def test_the_user_of_the_authentication_middleware_is_the_end_user(vendors: Vendors, static: Path) -> None:
    config = vendors.config({"source": "scope", "user": {"id": "username"}})
    authentication = Middleware(AuthenticationMiddleware, backend=SessionBackend())
    app = PortalGatewayMiddleware(create_app(Stage(), static, authentication), config=config)
    async with running(app) as url, visitor(url) as client:
        assert "portal-link" not in (await client.get("/")).text
        await client.post("/login", data={"user_id": "jane"})
        assert "portal-link" in (await client.get("/")).text
        launch = await client.get("/portal/success/launch")
    assert launch.headers["location"].startswith(vendors.planhat_url + "/redirect/")


async def test_a_failed_start_of_the_app_is_its_own_and_closes_the_gateway(
    vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def failing(app: Starlette) -> AsyncIterator[None]:
        raise RuntimeError("no database")
        yield

    journal: list[str] = []
    note_closing(monkeypatch, journal)
    app = PortalGatewayMiddleware(Starlette(lifespan=failing), config=vendors.config(WHOAMI))
    with pytest.raises(RuntimeError, match="start-up failed"):
        async with running(app):
            raise AssertionError("served")
    assert journal == ["gateway closed"]
