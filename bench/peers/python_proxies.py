"""Proxies in Python, under uvicorn: `python -m bench.peers.python_proxies NAME PORT TARGET`."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from portal_gateway.wire.asgi import ASGIApp

# As many kept connections as the others may keep; httpx keeps 20 by itself.
_LIMITS = httpx.Limits(max_connections=256, max_keepalive_connections=64)
_HOP_BY_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}


def starlette_httpx(target: str) -> ASGIApp:
    """The recipe that questions about a proxy with Starlette or FastAPI are answered with."""
    client = httpx.AsyncClient(base_url=target, limits=_LIMITS, trust_env=False)

    async def proxy(request: Request) -> Response:
        headers = [(name, value) for name, value in request.headers.items() if name not in _HOP_BY_HOP]
        asked = client.build_request(request.method, request.url.path, headers=headers)
        answer = await client.send(asked, stream=True)
        kept = {name: value for name, value in answer.headers.items() if name not in _HOP_BY_HOP}
        closing = BackgroundTask(answer.aclose)
        return StreamingResponse(answer.aiter_raw(), answer.status_code, kept, background=closing)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with client:
            yield

    return Starlette(routes=[Route("/{path:path}", proxy)], lifespan=lifespan)


def fastapi_proxy_lib(target: str) -> ASGIApp:
    from fastapi_proxy_lib.fastapi.app import reverse_http_app

    client = httpx.AsyncClient(limits=_LIMITS, trust_env=False)
    return reverse_http_app(client=client, base_url=f"{target}/")


def main() -> None:
    name, port, target = sys.argv[1:]
    app = {"starlette_httpx": starlette_httpx, "fastapi_proxy_lib": fastapi_proxy_lib}[name](target)
    uvicorn.run(app, port=int(port), loop="uvloop", http="httptools", access_log=False, log_level="critical")


if __name__ == "__main__":
    main()
