"""Running the sidecar under uvicorn: raw headers kept, trust decided by us, no query strings in logs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator

import uvicorn

from portal_gateway.observe.access_log import AccessLog
from portal_gateway.proxy.allocator import keep_heap
from portal_gateway.proxy.gathering import GatheringProtocol
from portal_gateway.settings import Settings, load_settings
from portal_gateway.sidecar import create_sidecar
from portal_gateway.wire.asgi import ASGIApp

DRAIN_S = 10  # what still runs after a stop signal may take this long; Kubernetes kills after 30

# Worker processes are started afresh and build their app from these.
_CONFIG = "PORTAL_GATEWAY_CONFIG"
_UPSTREAM = "PORTAL_GATEWAY_UPSTREAM"


def settings_for_serving(config: str, upstream: str | None) -> Settings:
    """Settings of a file, with the upstream of the command line if there is one. Raises SettingsError."""
    return load_settings(config, overrides={"upstream": upstream} if upstream else {})


def serve_sidecar(config: str, upstream: str | None, listener: socket.socket, workers: int) -> None:
    """Serve until SIGINT or SIGTERM. The settings have been checked by the caller."""
    os.environ[_CONFIG] = config
    os.environ[_UPSTREAM] = upstream or ""
    uvicorn_config = uvicorn.Config(
        "portal_gateway.serving:worker_app",
        factory=True,
        workers=workers,
        http=GatheringProtocol,
        ws="websockets-sansio",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=DRAIN_S,
    )
    if workers == 1:
        _Server(uvicorn_config).run(sockets=[listener])
        return
    from uvicorn.supervisors import Multiprocess

    Multiprocess(uvicorn_config, sockets=[listener]).run()


class _Server(uvicorn.Server):
    """uvicorn raises the signal that stopped it once more, and dies of it; a clean stop is status 0 here."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.handle_exit)
        yield


def worker_app() -> ASGIApp:
    """The app of one worker process."""
    configure_logging()
    keep_heap()
    return AccessLog(create_sidecar(settings_for_serving(os.environ[_CONFIG], os.environ[_UPSTREAM] or None)))


def configure_logging() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs whole URLs at INFO
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_is_not_cut_off)


def _is_not_cut_off(record: logging.LogRecord) -> bool:
    """False for the stack trace of each request that a stop cuts off: uvicorn says in a line that it does so."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))
