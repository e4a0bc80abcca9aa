"""The host app of the middleware chapter, bare and with the gateway around it, and the vendor that is asked once."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench import pages
from portal_gateway import PortalGatewayMiddleware, load_settings
from portal_gateway.sandbox.cast import create_world
from portal_gateway.sandbox.clock import Clock
from portal_gateway.sandbox.planhat import create_planhat
from portal_gateway.wire.asgi import ASGIApp, Message, Receive, Scope, Send

TOKEN = "token-of-the-bench"
SESSION_SECRET = "secret-of-the-bench"
VENDOR_URL = "PORTAL_GATEWAY_BENCH_VENDOR"  # the environment variable

# By the first segment of the path: where the link goes.
PLACES = {"body": "body", "nav": "nav .links", "footer": ".site-footer"}
HEADERS_IDENTITY = {"source": "headers", "id": "X-User-Id", "email": "X-User-Email"}
SESSION_IDENTITY = {"source": "scope", "session": {"id": "id", "email": "email"}}


def config(vendor_url: str, identity: dict[str, Any], places: Mapping[str, str] = PLACES) -> dict[str, Any]:
    """A link in pages below each of `places`, for users whom the Planhat sandbox gives access."""
    inject = [{"at": at, "position": "append", "as": "link", "paths": [f"/{place}/**"]} for place, at in places.items()]
    portal = {
        "provider": "planhat",
        "label": "Customer portal",
        "api_token": {"env": "PLANHAT_API_TOKEN"},
        "api_url": vendor_url,
        "portal_url": vendor_url,
        "enduser_id": "extid-{id}",
        "access": {"ttl": 3600},
        "inject": inject,
    }
    return {"trusted_proxies": ["127.0.0.1/32"], "identity": [identity], "portals": {"success": portal}}


def vendor() -> Starlette:
    return create_planhat(create_world(), Clock(), api_token=TOKEN)


def bare() -> Starlette:
    return Starlette(routes=_routes())


def bare_session() -> Starlette:
    app = bare()
    app.add_middleware(SessionMiddleware, secret_key=SESSION_SECRET)
    return app


def gateway() -> PortalGatewayMiddleware:
    return _wrapped(bare(), HEADERS_IDENTITY)


def gateway_session() -> PortalGatewayMiddleware:
    return _wrapped(bare_session(), SESSION_IDENTITY)


def floor() -> Replayed:
    return Replayed(bare(), gateway())


class Replayed:
    """Runs `app`, and sends what `gateway` has made of its page once: the least that any middleware costs that changes
    a page, its head and nothing else."""

    def __init__(self, app: ASGIApp, gateway: ASGIApp) -> None:
        self._app = app
        self._gateway = gateway
        self._made: dict[str, dict[str, Message]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        made = self._made.get(scope["path"]) if scope["type"] == "http" else None
        if made is None:
            await self._gateway(scope, receive, self._recorded(scope, send))
            return

        def relay(message: Message) -> Awaitable[None]:
            return send(made[message["type"]])

        await self._app(scope, receive, relay)

    def _recorded(self, scope: Scope, send: Send) -> Send:
        messages: dict[str, Message] = {}

        async def relay(message: Message) -> None:
            messages[message["type"]] = message
            if b"portal-link" in message.get("body", b"") and not message.get("more_body", False):
                self._made[scope["path"]] = messages
            await send(message)

        return relay


def _wrapped(app: Starlette, identity: dict[str, Any]) -> PortalGatewayMiddleware:
    values = config(os.environ[VENDOR_URL], identity)
    return PortalGatewayMiddleware(app, load_settings(values, environ={"PLANHAT_API_TOKEN": TOKEN}))


def _routes() -> list[Route]:
    small, large = pages.generated(5_000), pages.generated(100_000)

    async def page(request: Request) -> Response:
        return Response(large if request.path_params["size"] == "100k" else small, media_type="text/html")

    async def json(request: Request) -> Response:
        return Response(pages.JSON, media_type="application/json")

    return [Route("/{place}/json", json), Route("/{place}/{size}", page)]
