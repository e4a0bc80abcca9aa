"""Log-out of the host app: what is known of whoever signs out is dropped, in every replica.

Who it is, is asked before the app has ended the session. The app's answer does not depend on any of it (docs/rules.md,
rule 1).
"""

from __future__ import annotations

import logging
from collections.abc import Collection

from portal_gateway.access.directory import Directory
from portal_gateway.errors import IdentityError
from portal_gateway.identity.chain import IdentityChain
from portal_gateway.models import EndUser
from portal_gateway.wire.asgi import ASGIApp, Message, Receive, Scope, Send
from portal_gateway.wire.requests import is_prefetch, route_path

logger = logging.getLogger("portal_gateway")


class LogOut:
    """Runs `app`, and notices whoever signs out at one of `paths`."""

    def __init__(self, app: ASGIApp, paths: Collection[str], identities: IdentityChain, directory: Directory) -> None:
        self._app = app
        self._paths = frozenset(paths)
        self._identities = identities
        self._directory = directory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or route_path(scope) not in self._paths or is_prefetch(scope["headers"]):
            await self._app(scope, receive, send)
            return
        user = await self._signed_in(scope)

        async def relay(message: Message) -> None:
            # An app that refuses (405, 403) has not signed anybody out.
            if user is not None and message["type"] == "http.response.start" and message["status"] < 400:
                self._directory.drop(user)
            await send(message)

        await self._app(scope, receive, relay)

    async def _signed_in(self, scope: Scope) -> EndUser | None:
        try:
            return await self._identities.identify(scope)
        except IdentityError as error:
            logger.warning("a log-out was not noticed: %s", error.message)
            return None
