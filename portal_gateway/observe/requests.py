"""Around everything that is served: each request has an id, is counted, timed and logged."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from time import perf_counter

from portal_gateway.observe.access_log import AccessLog
from portal_gateway.observe.exposition import Samples, added
from portal_gateway.observe.figures import RequestFigures
from portal_gateway.observe.request_ids import REQUEST_ID, identify
from portal_gateway.wire.asgi import ASGIApp, Message, Receive, Scope, Send

# Of the gateway's own paths: the key of a shared link opens a form to whoever has it.
_SHARED_LINK_KEY = re.compile(rb"(?<=/join/).+", re.DOTALL)


class RequestObserver:
    """Observes the requests of `app`. `is_ours` tells the paths that the app behind never sees."""

    def __init__(self, app: ASGIApp, log: AccessLog, is_ours: Callable[[str], bool]) -> None:
        self._app = app
        self._log = log
        self._is_ours = is_ours
        self._app_figures = RequestFigures("app")
        self._portal_figures = RequestFigures("portal")
        self._websocket_figures = RequestFigures("websocket", timed=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request_id, trace_id = identify(scope)
        figures = self._figures(scope)
        status = size = 0

        def relay(message: Message) -> Awaitable[None]:  # no coroutine of its own: most of the time it adds nothing
            nonlocal status, size
            kind = message["type"]
            if kind == "http.response.body":
                size += len(message.get("body", b""))
            elif kind in _STARTS:
                status = message.get("status", 101)
                _put_id(message, request_id)
            return send(message)

        figures.in_flight += 1
        began = perf_counter()
        try:
            await self._app(scope, receive, relay)
        finally:
            seconds = perf_counter() - began
            figures.ended(status, seconds)
            path = scope["raw_path"]
            if figures is self._portal_figures:
                path = _SHARED_LINK_KEY.sub(b"...", path)
            self._log.request_ended(
                request_id.decode(), trace_id, scope.get("method", "GET"), path, status, size, seconds
            )

    def samples(self) -> Samples:
        parts = [figures.samples() for figures in (self._app_figures, self._portal_figures, self._websocket_figures)]
        return added([*parts, {"portal_gateway_log_lines_lost_total": {"": self._log.lines_lost}}])

    def _figures(self, scope: Scope) -> RequestFigures:
        if scope["type"] == "websocket":
            return self._websocket_figures
        return self._portal_figures if self._is_ours(scope["path"]) else self._app_figures


_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})


def _put_id(message: Message, request_id: bytes) -> None:
    """Name the request in its response, unless the app has done so."""
    headers = message.get("headers", ())
    for name, _ in headers:
        if name == REQUEST_ID:
            return
    message["headers"] = [*headers, (REQUEST_ID, request_id)]
