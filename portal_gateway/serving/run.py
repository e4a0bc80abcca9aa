"""Serving until a signal says stop: in this process, or in several that this one looks after."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys

from portal_gateway.observe.access_log import AccessLog
from portal_gateway.observe.scoreboard import Scoreboard
from portal_gateway.proxy.allocator import keep_heap
from portal_gateway.serving.service import Service
from portal_gateway.serving.watching import hang_up_on_changes
from portal_gateway.serving.worker import Worker


def serve_sidecar(
    service: Service, listener: socket.socket, admin: socket.socket | None, *, workers: int, watch: bool
) -> None:
    """Serve until SIGINT or SIGTERM; SIGHUP loads the configuration anew, and with `watch` so does a change of it."""
    configure_logging()
    keep_heap()
    board = Scoreboard(workers)
    log = AccessLog(sys.stdout)
    if workers == 1:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it serves: nothing has changed since the file was read
        if watch:
            hang_up_on_changes(service.files)
        Worker(service, listener, admin, board, log).run()
        return
    from portal_gateway.serving.supervisor import Supervisor

    Supervisor(
        lambda number, lifeline: Worker(service, listener, admin, board, log, number, lifeline).run(),
        board,
        reload=lambda: service.reload() is not None,
        drain_s=lambda: service.settings.drain_s,
        stop_listening=listener.close,
        has_changed=service.files.changed if watch else lambda: False,
    ).run()


def configure_logging() -> None:
    """Messages go to stderr, without what could hold a secret; stdout is the access log's."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs whole URLs at INFO
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_is_not_cut_off)


def _is_not_cut_off(record: logging.LogRecord) -> bool:
    """False for the stack trace of each request that a stop cuts off: uvicorn says in a line that it does so."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))
