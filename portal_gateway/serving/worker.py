"""One process that serves: the public listener under uvicorn, and beside it the admin listener."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import signal
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from types import FrameType
from typing import Any, cast

import uvicorn

from portal_gateway._version import __version__
from portal_gateway.http11.connection import http11_protocol
from portal_gateway.http11.limits import ClientLimits
from portal_gateway.http11.websocket import websocket_protocol
from portal_gateway.observe.access_log import AccessLog
from portal_gateway.observe.admin import create_admin
from portal_gateway.observe.exposition import Samples, added, lasting
from portal_gateway.observe.metrics import FAMILIES, samples_of
from portal_gateway.observe.process import cpu_seconds, memory_bytes
from portal_gateway.observe.requests import RequestObserver
from portal_gateway.observe.scoreboard import Entry, Scoreboard
from portal_gateway.serving.garbage import settle
from portal_gateway.serving.runtimes import Runtimes
from portal_gateway.serving.service import Service
from portal_gateway.serving.straight import StraightPath
from portal_gateway.serving.tracing import start_tracing
from portal_gateway.wire.asgi import ASGIApp

logger = logging.getLogger("portal_gateway.serve")

# How old the figures of other workers may be.
POST_S = 1.0
# After a stop signal connections live on so long if nothing goes on in them, and are closed with their next response: a
# request that is on its way already is answered. nginx has learned this in 1.27.4 (keepalive_min_timeout).
LINGER_S = 1.0
# For answers of the admin listener that are on their way when all else has ended.
_ADMIN_DRAIN_S = 1
_LOOK_S = 0.02


class Worker:
    """Worker `number` of those on `board`. `lifeline` becomes readable when a supervisor is gone."""

    def __init__(
        self,
        service: Service,
        listener: socket.socket,
        admin: socket.socket | None,
        board: Scoreboard,
        log: AccessLog,
        number: int = 0,
        lifeline: int | None = None,
    ) -> None:
        self._service = service
        self._listener = listener
        self._admin = admin
        self._board = board
        self._log = log
        self._number = number
        self._lifeline = lifeline
        self._before = lasting(board.read(number).samples, FAMILIES)
        self._reloads: Counter[str] = Counter()
        self._refusals: Counter[int] = Counter()
        self._runtimes = Runtimes(service.sidecar())
        self._observer = RequestObserver(self._runtimes, log, self._runtimes.is_ours)
        self._tracing = start_tracing()
        limits = service.settings.client_limits.limits()
        config = _config(*self._served(limits), service.settings.drain_s, websocket_protocol(limits))
        self._server = _Server(config, self._reload, supervised=lifeline is not None)

    def run(self) -> None:
        """Serve until a signal says stop."""
        try:
            with asyncio.Runner(loop_factory=self._server.config.get_loop_factory()) as runner:
                runner.run(self._serve())
        finally:
            self._log.flush()
            if self._tracing is not None:
                self._tracing.stop()

    def _served(self, limits: ClientLimits) -> tuple[ASGIApp, type[asyncio.Protocol]]:
        if self._tracing is None:
            straight = StraightPath(self._runtimes, self._observer)
            return self._observer, http11_protocol(limits, straight, self._refusals)
        # What goes straight has no span.
        app = self._tracing.around(self._observer, self._runtimes.mount_path)
        return app, http11_protocol(limits, refusals=self._refusals)

    async def _serve(self) -> None:
        if self._lifeline is not None:
            asyncio.get_running_loop().add_reader(self._lifeline, self._orphaned, self._lifeline)
        async with self._administered(), self._posting():
            await self._server.serve(sockets=[self._listener])
            await self._runtimes.aclose()

    def _orphaned(self, lifeline: int) -> None:
        asyncio.get_running_loop().remove_reader(lifeline)
        self._server.handle_exit(signal.SIGTERM, None)

    def _reload(self) -> None:
        sidecar = self._service.reload()
        self._reloads["failed" if sidecar is None else "done"] += 1
        if sidecar is not None:
            self._server.config.timeout_graceful_shutdown = self._service.settings.drain_s
            self._runtimes.replace(sidecar)

    @contextlib.asynccontextmanager
    async def _administered(self) -> AsyncIterator[None]:
        """The admin listener answers from before the first request until after the last."""
        if self._admin is None:
            yield
            return
        app = create_admin(self._entry_of_all, lambda: self._server.should_exit)
        server = _AdminServer(_config(app, http11_protocol(), _ADMIN_DRAIN_S))
        serving = asyncio.create_task(server.serve(sockets=[self._admin]))
        try:
            yield
        finally:
            server.should_exit = True
            await serving

    @contextlib.asynccontextmanager
    async def _posting(self) -> AsyncIterator[None]:
        posting = asyncio.create_task(self._post_now_and_then())
        try:
            yield
        finally:
            posting.cancel()
            self._post()

    async def _post_now_and_then(self) -> None:
        while True:
            self._post()
            await asyncio.sleep(POST_S)

    def _post(self) -> None:
        try:
            self._board.post(self._number, self._entry())
        except Exception:
            logger.exception("worker %d has no figures", self._number)
            self._board.touch(self._number)  # a worker without figures serves all the same: it must not look hung

    def _entry_of_all(self) -> Entry:
        others = [self._board.read(number) for number in range(self._board.workers) if number != self._number]
        entries = [self._entry(), *others]
        troubles = dict.fromkeys(trouble for entry in entries for trouble in entry.troubles)
        return Entry(added(entry.samples for entry in entries), list(troubles))

    def _entry(self) -> Entry:
        parts = [self._before, self._own_samples(), self._observer.samples(), self._runtimes.samples()]
        return Entry(added(parts), self._runtimes.troubles())

    def _own_samples(self) -> Samples:
        name = str(self._number)
        return {
            **samples_of("info", "version", {__version__: 1 if self._number == 0 else 0}),
            **samples_of("reloads_total", "outcome", self._reloads),
            **samples_of("requests_refused_total", "status", {str(key): n for key, n in self._refusals.items()}),
            **samples_of("workers", "state", {"draining" if self._server.should_exit else "serving": 1}),
            **samples_of("worker_cpu_seconds_total", "worker", {name: cpu_seconds()}),
            **samples_of("worker_memory_bytes", "worker", {name: memory_bytes()}),
        }


def _config(
    app: ASGIApp, protocol: type[asyncio.Protocol], drain_s: int, websocket: type[asyncio.Protocol] | None = None
) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="off",
        http=protocol,
        ws=websocket or "none",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=drain_s,
    )


class _AdminServer(uvicorn.Server):
    """Signals are for the server of the public listener."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Server(uvicorn.Server):
    """uvicorn raises the signal that stopped it once more, and dies of it; a clean stop is status 0 here."""

    def __init__(self, config: uvicorn.Config, reload: Callable[[], None], *, supervised: bool) -> None:
        super().__init__(config)
        self._reload = reload
        self._supervised = supervised

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Control-C reaches all processes of a terminal at once; then the supervisor speaks for it.
        signal.signal(signal.SIGINT, signal.SIG_IGN if self._supervised else self.handle_exit)
        signal.signal(signal.SIGTERM, self.handle_exit)
        if hasattr(signal, "SIGHUP"):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._reload)
        if self._supervised:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal lets requests under way finish, the second one cuts them off."""
        self.force_exit = self.should_exit
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        settle()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in sockets or ():
            await self._take_in(listener)
        for server in self.servers:
            server.close()
        connections: Collection[Any] = self.server_state.connections
        until = time.monotonic() + LINGER_S
        while connections and not self.force_exit and time.monotonic() < until:
            for connection in connections:
                connection.is_stopping = True
            await asyncio.sleep(_LOOK_S)
        await super().shutdown(sockets=sockets)

    async def _take_in(self, listener: socket.socket) -> None:
        """Accept who is waiting to be: with the listener their connections would be reset."""
        make = functools.partial(
            cast(Callable[..., asyncio.Protocol], self.config.http_protocol_class),
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # nobody is, at last
                return
            connection.setblocking(False)
            await asyncio.get_running_loop().connect_accepted_socket(make, connection)
