"""Quart, whose signed session cookie never shows in the scope: the app is asked who is signed in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from framework_contract import FrameworkContract
from frameworks_support import CSS, PAGE, PERSONS, WHOAMI, NewSite, Stage, Vendors, sites
from quart import Quart, Response, redirect, request, session, websocket

from portal_gateway import PortalGatewayMiddleware

pytestmark = pytest.mark.asyncio(loop_scope="module")


def create_app(static: Path, stage: Stage) -> Quart:
    app = Quart(__name__, static_folder=str(static), static_url_path="/static")
    app.secret_key = "a secret of this test only"
    _add_pages(app)
    _add_streams(app, stage)

    @app.before_serving
    async def started() -> None:
        stage.journal.append("started")

    @app.after_serving
    async def stopped() -> None:
        stage.journal.append("stopped")

    return app


def _add_pages(app: Quart) -> None:
    @app.get("/")
    @app.get("/onboarding")
    async def page() -> str:
        return PAGE

    @app.post("/login")
    async def login() -> Any:
        session.update(PERSONS[(await request.form)["user_id"]])
        return redirect("/", 303)

    @app.get("/api/me")
    async def me() -> Any:
        return {"user": dict(session)}, 200 if session else 401

    @app.get("/api/data")
    async def data() -> Any:
        return {"a": request.args.getlist("a")}

    @app.get("/old")
    async def old() -> Any:
        return redirect("/new?a=b", 301)

    @app.post("/upload")
    async def upload() -> Any:
        return {"bytes": len(await request.get_data())}

    @app.get("/broken")
    async def broken() -> str:
        raise RuntimeError("the app's own")


def _add_streams(app: Quart, stage: Stage) -> None:
    @app.get("/breaks-off")
    async def breaks_off() -> Any:
        async def pieces() -> AsyncIterator[str]:
            yield PAGE[:100]
            raise RuntimeError("the app's own")

        return Response(pieces(), mimetype="text/html")

    @app.get("/events")
    async def events() -> Any:
        return Response((f"data: {item}\n\n" async for item in stage.next_items()), mimetype="text/event-stream")

    @app.get("/slow-page")
    async def slow_page() -> Any:
        return Response(stage.next_items(), mimetype="text/html")

    @app.websocket("/ws")
    async def echo() -> None:
        while (text := await websocket.receive()) != "bye":
            await websocket.send(f"{session.get('id')}: {text}")
        await websocket.close(4001)


@pytest.fixture(scope="module")
def new_site(vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> NewSite:
    static = tmp_path_factory.mktemp("static")
    (static / "app.css").write_bytes(CSS)
    config = vendors.config(WHOAMI)

    def create_wrapped(stage: Stage) -> PortalGatewayMiddleware:
        return PortalGatewayMiddleware(create_app(static, stage), config=config)

    return sites(vendors, lambda stage: create_app(static, stage), create_wrapped)


class TestQuart(FrameworkContract):
    pass
