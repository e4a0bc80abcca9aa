"""An app for uvicorn: the page of `load_kit`, with the gateway in front of it, and without it under /bare."""

from __future__ import annotations

import os

from load_kit import PageApp

from portal_gateway import PortalGatewayMiddleware
from portal_gateway.wire.asgi import Receive, Scope, Send

_gateway = PortalGatewayMiddleware(PageApp, os.environ["PAGES_HOST_CONFIG"])


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    is_bare = scope["type"] == "http" and scope["path"].startswith("/bare")
    await (PageApp if is_bare else _gateway)(scope, receive, send)
