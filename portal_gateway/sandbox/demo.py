"""Everything on one machine: both vendors' emulators, the demo host app, and the gateway around it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from portal_gateway._version import __version__
from portal_gateway.middleware import PortalGatewayMiddleware
from portal_gateway.sandbox.host_app import create_host_app
from portal_gateway.sandbox.serve import Sandbox, create_sandbox
from portal_gateway.sandbox.server import running
from portal_gateway.settings import load_settings

_WELCOME = """\
Portal Gateway {version} demo

  Your app, with the gateway around it   {app}
  Planhat sandbox                        {planhat}
  Rocketlane sandbox                     {rocketlane}

What to click
  1. Open {app} and sign in as Jane: she has access to both portals.
  2. "Customer portal" in the navigation: one click, and Planhat knows her.
  3. "Onboarding" in the navigation: her Rocketlane project, inside the page.
  4. Sign in as Noah: no link. {app}/portal/success/launch says why.

Ctrl-C ends everything.
"""


def demo_config(planhat_url: str, rocketlane_url: str) -> dict[str, Any]:
    """The demo's configuration, as a user would write it."""
    fields = {key: key for key in ("email", "name", "company_id")}
    return {
        "login_url": "/login?next={next}",
        "identity": [{"source": "scope", "session": {"id": "user_id", **fields}}],
        "portals": {
            "success": {
                "provider": "planhat",
                "label": "Customer portal",
                "api_token": {"env": "PLANHAT_API_TOKEN"},
                "api_url": planhat_url,
                "portal_url": planhat_url,
                "inject": [{"at": "nav .links", "position": "append", "as": "link"}],
            },
            "onboarding": {
                "provider": "rocketlane",
                "label": "Onboarding",
                "portal_url": rocketlane_url,
                "api_url": f"{rocketlane_url}/api/1.0",
                "api_key": {"env": "ROCKETLANE_API_KEY"},
                "signing": {"algorithm": "HS256", "key": {"env": "ROCKETLANE_SHARED_SECRET"}},
                "inject": [{"at": "main", "position": "append", "as": "iframe", "paths": ["/onboarding"]}],
            },
        },
    }


def demo_app(sandbox: Sandbox, planhat_url: str, rocketlane_url: str) -> PortalGatewayMiddleware:
    """The demo host app with the gateway around it."""
    environ = {
        "PLANHAT_API_TOKEN": sandbox.planhat_token,
        "ROCKETLANE_API_KEY": sandbox.rocketlane_api_key,
        "ROCKETLANE_SHARED_SECRET": sandbox.rocketlane_secret,
    }
    settings = load_settings(demo_config(planhat_url, rocketlane_url), environ=environ)
    return PortalGatewayMiddleware(create_host_app(), settings)


@asynccontextmanager
async def running_vendors(
    sandbox: Sandbox, host: str, planhat_port: int = 0, rocketlane_port: int = 0
) -> AsyncIterator[tuple[str, str]]:
    """Serve both emulators; yields their base URLs. Raises AddressTaken."""
    async with (
        running(sandbox.planhat, host, planhat_port) as planhat_url,
        running(sandbox.rocketlane, host, rocketlane_port) as rocketlane_url,
    ):
        sandbox.planhat_vendor.public_url = planhat_url
        yield planhat_url, rocketlane_url


async def run_demo(host: str, port: int) -> None:
    """Serve the demo until SIGINT or SIGTERM. Raises AddressTaken."""
    stopped = _stop_signal()
    sandbox = create_sandbox()
    async with running_vendors(sandbox, host) as (planhat_url, rocketlane_url):
        app = demo_app(sandbox, planhat_url, rocketlane_url)
        async with running(app, host, port) as app_url:
            urls = {"app": app_url, "planhat": planhat_url, "rocketlane": rocketlane_url}
            print(_WELCOME.format(version=__version__, **urls), flush=True)
            await stopped.wait()


async def run_sandbox(host: str, planhat_port: int, rocketlane_port: int) -> None:
    """Serve the emulators alone until SIGINT or SIGTERM. Raises AddressTaken."""
    stopped = _stop_signal()
    sandbox = create_sandbox()
    async with running_vendors(sandbox, host, planhat_port, rocketlane_port) as (planhat_url, rocketlane_url):
        print(
            f"Planhat sandbox     {planhat_url}\n"
            f"  API token         {sandbox.planhat_token}\n"
            f"Rocketlane sandbox  {rocketlane_url}\n"
            f"  API key           {sandbox.rocketlane_api_key}\n"
            f"  shared secret     {sandbox.rocketlane_secret}\n\n"
            "Made up for this run. Ctrl-C ends it.",
            flush=True,
        )
        await stopped.wait()


def _stop_signal() -> asyncio.Event:
    """Set by SIGINT and SIGTERM; asked for first of all, so that neither ever breaks off a start half done."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    return stopped
