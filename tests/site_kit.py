"""The demo's host app with the gateway around it, browsers, and both vendors' emulators on real sockets."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from typing import Any

import httpx
from access_log_kit import LoggedApp
from gateway_kit import BROWSER

from portal_gateway import PortalGatewayMiddleware, load_settings
from portal_gateway.sandbox import Sandbox, create_host_app

SESSION_SECRET = "session-secret-of-these-tests"
SNIPPET = re.compile(
    rb'<a class="portal-(?:link|frame-open)".*?</a>|<iframe class="portal-frame".*?</iframe>'
    rb'|<script type="module" src="/portal/.*?</script><portal-(?:link|frame) .*?</portal-(?:link|frame)>',
    re.DOTALL,
)
NAVIGATION = {key.decode(): value.decode() for key, value in BROWSER}
IN_FRAME = {**NAVIGATION, "sec-fetch-dest": "iframe"}
SCRIPT = {"accept": "application/json", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}


class Site:
    """The demo's host app with the gateway around it, and without."""

    def __init__(self, sandbox: Sandbox, config: dict[str, Any], stack: AsyncExitStack) -> None:
        environ = {
            "PLANHAT_API_TOKEN": sandbox.planhat_token,
            "ROCKETLANE_API_KEY": sandbox.rocketlane_api_key,
            "ROCKETLANE_SHARED_SECRET": sandbox.rocketlane_secret,
        }
        self.sandbox = sandbox
        self.secrets = tuple(environ.values())
        host = create_host_app(session_secret=SESSION_SECRET)
        self.app = PortalGatewayMiddleware(host, load_settings(config, environ=environ))
        self.gateway = self.app.gateway
        self.logged = LoggedApp(self.app)
        self._bare = host
        self._stack = stack

    async def browser(self, user: str | None = "jane", *, bare: bool = False, **headers: str) -> httpx.AsyncClient:
        """A browser, signed in as `user`; `bare`: at the host app without the gateway."""
        app = self._bare if bare else self.logged
        transport = httpx.ASGITransport(app, client=("198.51.100.7", 40000))
        client = httpx.AsyncClient(transport=transport, base_url="http://app.test", headers={**NAVIGATION, **headers})
        await self._stack.enter_async_context(client)
        if user is not None:
            assert (await client.post("/login", data={"user_id": user})).status_code == 303
        return client

    def minted(self) -> int:
        calls = self.sandbox.planhat_vendor.calls
        return calls.count("GET", "/shareabletokens/") - calls.count("GET", "/shareabletokens/access/")

    def switch(self, **switches: Any) -> None:
        """Let both vendors behave so; nothing: as they should."""
        for vendor in (self.sandbox.planhat_vendor, self.sandbox.rocketlane_vendor):
            vendor.switches.reset()
            vendor.switches.update({name: value for name, value in switches.items() if hasattr(vendor.switches, name)})


def without_snippets(page: bytes) -> bytes:
    return SNIPPET.sub(b"", page)
