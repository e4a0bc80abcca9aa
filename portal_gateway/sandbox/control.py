"""The control API under `/_sandbox/`, by which tests and the demo watch an emulator and make it misbehave.

| route             | does                                                        |
| ----------------- | ----------------------------------------------------------- |
| `GET calls`       | calls since the last reset: total, counts, list             |
| `POST clock`      | `{"advance_s": 31}` makes time pass; answers the new time   |
| `POST switches`   | `{"name": value}` (see `switches.py`); answers all switches |
| `POST reset`      | puts everything back                                        |

It is open to whoever reaches the port: the sandbox holds no data but its own.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from portal_gateway.sandbox.emulator import Emulator


def control_routes(emulator: Emulator[Any, Any]) -> Mount:
    """The control routes of one emulator."""

    async def calls(request: Request) -> Response:
        return JSONResponse(emulator.calls.as_dict())

    async def clock(request: Request) -> Response:
        advance_s = (await _json_object(request)).get("advance_s")
        if isinstance(advance_s, bool) or not isinstance(advance_s, int | float):
            raise HTTPException(400, "advance_s must be a number of seconds")
        emulator.clock.advance(advance_s)
        return JSONResponse({"now": emulator.clock.now()})

    async def switches(request: Request) -> Response:
        try:
            emulator.switches.update(await _json_object(request))
        except ValueError as error:
            raise HTTPException(400, str(error)) from error
        return JSONResponse(asdict(emulator.switches))

    async def reset(request: Request) -> Response:
        emulator.reset()
        return Response(status_code=204)

    return Mount(
        "/_sandbox",
        routes=[
            Route("/calls", calls),
            Route("/clock", clock, methods=["POST"]),
            Route("/switches", switches, methods=["POST"]),
            Route("/reset", reset, methods=["POST"]),
        ],
    )


async def _json_object(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise HTTPException(400, "the body must be a JSON object")
    return body
