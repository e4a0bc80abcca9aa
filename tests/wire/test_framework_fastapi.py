"""FastAPI with `add_middleware`: the session middleware inside the gateway, outside it, and a callable of one's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, FastAPI, Form, Request, WebSocket
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from framework_contract import FrameworkContract
from frameworks_support import CSS, PAGE, PERSONS, SCOPE_SESSION, NewSite, Stage, Vendors, sites, visitor
from starlette.middleware.sessions import SessionMiddleware

from portal_gateway import EndUser, PortalGatewayMiddleware
from portal_gateway.sandbox.server import running
from portal_gateway.wire.asgi import Scope

pytestmark = pytest.mark.asyncio(loop_scope="module")

router = APIRouter()
AddGateway = Callable[[FastAPI, dict[str, Any]], None]


@router.post("/login")
async def login(request: Request, user_id: Annotated[str, Form()]) -> RedirectResponse:
    request.session.update(PERSONS[user_id])
    return RedirectResponse("/", 303)


@router.get("/", response_class=HTMLResponse)
@router.get("/onboarding", response_class=HTMLResponse)
async def page() -> str:
    return PAGE


@router.get("/api/me")
async def me(request: Request) -> JSONResponse:
    return JSONResponse({"user": request.session}, 200 if request.session else 401)


@router.get("/api/data")
def data(a: str = "") -> dict[str, str]:
    return {"a": a}


@router.get("/old")
async def old() -> RedirectResponse:
    return RedirectResponse("/new?a=b", 301)


@router.post("/upload")
async def upload(request: Request) -> dict[str, int]:
    return {"bytes": len(await request.body())}


@router.get("/broken")
async def broken() -> None:
    raise RuntimeError("the app's own")


@router.get("/breaks-off")
async def breaks_off() -> StreamingResponse:
    async def pieces() -> AsyncIterator[str]:
        yield PAGE[:100]
        raise RuntimeError("the app's own")

    return StreamingResponse(pieces(), media_type="text/html")


@router.get("/events")
async def events(request: Request) -> StreamingResponse:
    lines = (f"data: {item}\n\n" async for item in request.app.state.stage.next_items())
    return StreamingResponse(lines, media_type="text/event-stream")


@router.get("/slow-page")
async def slow_page(request: Request) -> StreamingResponse:
    return StreamingResponse(request.app.state.stage.next_items(), media_type="text/html")


@router.websocket("/ws")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    while (text := await websocket.receive_text()) != "bye":
        await websocket.send_text(f"{websocket.session.get('id')}: {text}")
    await websocket.close(4001)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.stage.journal.append("started")
    yield
    app.state.stage.journal.append("stopped")


def add_sessions(app: FastAPI) -> None:
    app.add_middleware(SessionMiddleware, secret_key="a secret of this test only")


def gateway_outside(app: FastAPI, config: dict[str, Any]) -> None:
    add_sessions(app)
    app.add_middleware(PortalGatewayMiddleware, config={**config, "identity": [SCOPE_SESSION]})


def gateway_inside(app: FastAPI, config: dict[str, Any]) -> None:
    app.add_middleware(PortalGatewayMiddleware, config={**config, "identity": [SCOPE_SESSION]})
    add_sessions(app)


def gateway_with_callable(app: FastAPI, config: dict[str, Any]) -> None:
    async def identify(scope: Scope) -> EndUser | None:
        return EndUser(**scope["session"]) if scope["session"] else None

    app.add_middleware(PortalGatewayMiddleware, config=config, identify=identify)
    add_sessions(app)


def create_app(static: Path, stage: Stage, add_middleware: Callable[[FastAPI], None]) -> FastAPI:
    app = FastAPI(lifespan=lifespan)
    app.state.stage = stage
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=static))
    add_middleware(app)
    return app


@pytest.fixture(
    scope="module",
    params=[gateway_outside, gateway_inside, gateway_with_callable],
    ids=["sessions-inside", "sessions-outside", "callable"],
)
def new_site(request: pytest.FixtureRequest, vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> NewSite:
    static = tmp_path_factory.mktemp("static")
    (static / "app.css").write_bytes(CSS)
    add_gateway: AddGateway = request.param
    config = vendors.config()
    return sites(
        vendors,
        lambda stage: create_app(static, stage, add_sessions),
        lambda stage: create_app(static, stage, lambda app: add_gateway(app, config)),
    )


class TestFastAPI(FrameworkContract):
    async def test_the_apps_own_documentation_stays(self, new_site: NewSite) -> None:
        async with new_site(Stage()) as site, visitor(site.bare) as bare, visitor(site.url) as client:
            for path in ("/openapi.json", "/docs"):
                assert (await client.get(path)).content == (await bare.get(path)).content


async def test_a_callable_that_fails_costs_the_link_and_not_the_page(vendors: Vendors) -> None:
    def identify(scope: Scope) -> EndUser | None:
        raise KeyError("a bug of the app")

    app = FastAPI()
    app.state.stage = Stage()
    app.include_router(router)
    app.add_middleware(PortalGatewayMiddleware, config=vendors.config(), identify=identify)
    async with running(app) as url, visitor(url) as client:
        page, launch = await client.get("/"), await client.get("/portal/success/launch")
    assert (page.status_code, page.text) == (200, PAGE)
    assert launch.status_code == 503
    assert "KeyError" not in launch.text
