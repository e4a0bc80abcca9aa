"""An app as `serve` observes it, with an access log that tests can read."""

from __future__ import annotations

import json
import os
from tempfile import mkstemp
from typing import Any

from portal_gateway.observe.access_log import AccessLog
from portal_gateway.observe.exposition import Samples
from portal_gateway.observe.requests import RequestObserver
from portal_gateway.wire.asgi import ASGIApp, Receive, Scope, Send


class LogFile:
    """A file without a name, which lives as long as this object."""

    def __init__(self) -> None:
        self._descriptor, path = mkstemp()
        os.unlink(path)

    def __del__(self) -> None:
        os.close(self._descriptor)

    def fileno(self) -> int:
        return self._descriptor

    def lines(self) -> list[dict[str, Any]]:
        text = os.pread(self._descriptor, 1 << 24, 0).decode()
        return [json.loads(line) for line in text.splitlines()]


class LoggedApp:
    """`app` under an observer; its own paths are those under /portal."""

    def __init__(self, app: ASGIApp) -> None:
        self._file = LogFile()
        self._access_log = AccessLog(self._file)
        self._observer = RequestObserver(app, self._access_log, lambda path: path.startswith("/portal/"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._observer(scope, receive, send)

    def samples(self) -> Samples:
        return self._observer.samples()

    def logged(self) -> list[dict[str, Any]]:
        self._access_log.flush()
        return self._file.lines()
