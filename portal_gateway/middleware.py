"""The ASGI middleware around the host app."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Mapping, MutableMapping
from typing import Any

from portal_gateway.front_door import FrontDoor
from portal_gateway.gateway import Gateway
from portal_gateway.identity.callback import Identify
from portal_gateway.settings import Settings, load_settings
from portal_gateway.wire.asgi import ASGIApp, Receive, Send
from portal_gateway.wire.coroutines import returns_coroutine


class PortalGatewayMiddleware:
    """Puts vendor portals into `app`.

    `config` is the path of a YAML file, a mapping of the same shape, or Settings. `identify` is asked first for the
    end user of a request; it gets the ASGI scope and returns an EndUser or None, directly or as an awaitable.
    `compress` asks `app` for uncompressed pages and compresses them for clients that accept that: right when the app
    is in another process, as it is behind the sidecar.

    Raises SettingsError for a configuration that cannot be used.
    """

    # Not compiled: subclasses can be written in Python.

    def __init__(
        self,
        app: ASGIApp,
        config: Settings | Mapping[str, Any] | str | os.PathLike[str],
        identify: Identify | None = None,
        *,
        compress: bool = False,
    ) -> None:
        self.gateway = Gateway(load_settings(config), app, identify)
        self.app = self.gateway.watched(app)
        self.front_door = FrontDoor(self.gateway, compress=compress)
        self._admit = self.front_door.admit

    @returns_coroutine
    def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> Awaitable[None]:
        # No coroutine of ours around the app's: each request would pay for it, and nothing is left to do after it.
        app, admitted, send = self._admit(self.app, scope, send)
        # As the method that it is: Python finds that of an app's class sooner than what `app(...)` stands for.
        return app.__call__(admitted, receive, send)
