"""The ways a vendor can be broken, switched on per emulator (see `switches.Switches`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from portal_gateway.sandbox.switches import Switches

HUGE_BYTES = 40 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
TRICKLE_INTERVAL_S = 0.1

MAINTENANCE_PAGE = "<!doctype html><title>Maintenance</title><h1>We will be right back</h1>"


class NoResponse(Response):
    """Accepts the request and stays silent until the client gives up."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


async def faulty_response(request: Request, switches: Switches, error: Callable[[int], Response]) -> Response | None:
    """The answer of a broken vendor, None when there is no fault; `error` makes the vendor's error body."""
    if not request.url.path.startswith(switches.fault_path):
        return None
    if switches.latency_s:
        await asyncio.sleep(switches.latency_s)
    if switches.status:
        return error(switches.status)
    match switches.fault:
        case "hang":
            return NoResponse()
        case "html":
            return HTMLResponse(MAINTENANCE_PAGE)
        case "huge":
            return StreamingResponse(_huge(), media_type="application/json")
        case "trickle":
            return StreamingResponse(_trickle(), media_type="application/json")
        case _:
            return None


async def _huge() -> AsyncIterator[bytes]:
    chunk = b" " * CHUNK_BYTES
    for _ in range(HUGE_BYTES // CHUNK_BYTES):
        yield chunk
    yield b"true"


async def _trickle() -> AsyncIterator[bytes]:
    while True:
        yield b" "
        await asyncio.sleep(TRICKLE_INTERVAL_S)
