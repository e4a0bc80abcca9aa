"""Around everything that is served: each request has an id, is counted, timed and logged."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Final

from portal_gateway.observe.access_log import AccessLog
from portal_gateway.observe.exposition import Samples, added
from portal_gateway.observe.figures import RequestFigures
from portal_gateway.observe.request_ids import REQUEST_ID, identify
from portal_gateway.wire.asgi import ASGIApp, Message, RawHeaders, Receive, Scope, Send
from portal_gateway.wire.headers import as_pairs

# Of the gateway's own paths: the key of a shared link opens a form to whoever has it.
_SHARED_LINK_KEY: Final = re.compile(rb"(?<=/join/).+", re.DOTALL)


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
        observed = self.begin(scope)
        status = size = 0

        def relay(message: Message) -> Awaitable[None]:  # no coroutine of its own: most of the time it adds nothing
            nonlocal status, size
            kind = message["type"]
            if kind == "http.response.body":
                size += len(message.get("body", b""))
            elif kind in _STARTS:
                status = message.get("status", 101)
                message["headers"] = observed.named(as_pairs(message.get("headers", ())))
            return send(message)

        try:
            await self._app(scope, receive, relay)
        finally:
            observed.ended(status, size)

    def begin(self, scope: Scope) -> Observed:
        """A request begins: its headers name it from now on."""
        figures, path = self._figures(scope), scope["raw_path"]
        if figures is self._portal_figures:
            path = _SHARED_LINK_KEY.sub(b"...", path)
        return Observed(scope, path, figures, self._log)

    def samples(self) -> Samples:
        parts = [figures.samples() for figures in (self._app_figures, self._portal_figures, self._websocket_figures)]
        return added([*parts, {"portal_gateway_log_lines_lost_total": {"": self._log.lines_lost}}])

    def _figures(self, scope: Scope) -> RequestFigures:
        if scope["type"] == "websocket":
            return self._websocket_figures
        return self._portal_figures if self._is_ours(scope["path"]) else self._app_figures


_STARTS: Final = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})


class Observed:
    """A request that is being served."""

    __slots__ = ("_began", "_figures", "_log", "_method", "_path", "_request_id", "_trace_id")

    def __init__(self, scope: Scope, path: bytes, figures: RequestFigures, log: AccessLog) -> None:
        """`path` is what the log shows of the request's target."""
        self._request_id, self._trace_id = identify(scope)
        self._method = scope.get("method", "GET")
        self._path = path
        self._figures = figures
        self._log = log
        figures.in_flight += 1
        self._began = perf_counter()

    def named(self, headers: RawHeaders) -> RawHeaders:
        """The headers of its response, which name it unless the app has done so."""
        for name, _ in headers:
            if name == REQUEST_ID:
                return headers
        return [*headers, (REQUEST_ID, self._request_id)]

    def ended(self, status: int, size: int) -> None:
        """It is over. `status` is 0 if nobody was left to answer; `size` is that of the body in bytes."""
        seconds = perf_counter() - self._began
        self._figures.ended(status, seconds)
        self._log.request_ended(
            self._request_id.decode(), self._trace_id, self._method, self._path, status, size, seconds
        )
