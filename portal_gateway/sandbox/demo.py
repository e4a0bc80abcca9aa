"""Everything on one machine: both vendors' emulators, the demo host app, and the gateway around it."""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from portal_gateway._version import __version__
from portal_gateway.listening import base_url, listen
from portal_gateway.middleware import PortalGatewayMiddleware
from portal_gateway.sandbox.host_app import create_host_app
from portal_gateway.sandbox.mail_sink import MailSink, running_mail_sink
from portal_gateway.sandbox.mailbox import create_mailbox
from portal_gateway.sandbox.serve import Sandbox, create_sandbox
from portal_gateway.sandbox.server import running, serving
from portal_gateway.settings import load_settings

# A link to share, and Jane and Pia may invite.
JOIN = {
    "link": True,
    "invitations": {"allow": {"attributes": {"role": ["Head of operations", "Programme lead"]}}},
}

_WELCOME = """\
Portal Gateway {version} demo

  Your app, with the gateway around it   {demo.url}
  Planhat sandbox                        {demo.planhat_url}
  Rocketlane sandbox                     {demo.rocketlane_url}
{mailbox}
What to click
  1. Open {demo.url} and sign in as Jane: she has access to both portals.
  2. "Customer portal" in the navigation: one click, and Planhat knows her.
  3. "Onboarding" in the navigation: her Rocketlane project, inside the page.
  4. Sign in as Noah: no link. {demo.url}/portal/success/launch says why.
{joining}
Ctrl-C ends everything.
"""
_MAILBOX = """\
  Mailbox of everybody                   {demo.mail_url}
"""
_JOINING = """\
  5. As Jane, invite somebody@vance.example: {demo.url}/portal/onboarding/invitations
     The mail is in the mailbox. Open its link in a private window: no account is needed.
  6. Or ask for a link yourself, with an address @vance.example and with another one:
     {demo.shared_link}
"""
_NO_JOINING = """
  Inviting and joining by e-mail are off: they need pip install 'portal-gateway[mail]'.
"""
_SHARED_LINK_DAYS = 30


@dataclass(frozen=True)
class Demo:
    """A demo that runs. `mail_url` is where its mails are shown, if it sends any."""

    sandbox: Sandbox
    app: PortalGatewayMiddleware
    url: str
    planhat_url: str
    rocketlane_url: str
    mail_url: str | None

    @property
    def shared_link(self) -> str:
        """Where colleagues of Jane's ask to join her project."""
        joining = self.app.gateway.joining
        assert joining is not None, "the demo joins people by mail"
        expires_at = int(self.sandbox.clock.now()) + _SHARED_LINK_DAYS * 86_400
        return f"{self.url}/portal/onboarding/join/{joining.shared.key('onboarding', 5001, expires_at)}"

    def welcome(self) -> str:
        mailbox, joining = (_MAILBOX, _JOINING) if self.mail_url else ("", _NO_JOINING)
        parts = {"mailbox": mailbox.format(demo=self), "joining": joining.format(demo=self)}
        return _WELCOME.format(version=__version__, demo=self, **parts)


def demo_config(planhat_url: str, rocketlane_url: str) -> dict[str, Any]:
    """The demo's configuration, as a user would write it."""
    fields = {key: key for key in ("email", "email_verified", "name", "company_id")}
    return {
        "login_url": "/login?next={next}",
        "logout": {"paths": ["/logout"]},
        "brand": {"name": "Coldchain", "logo": "/static/mark.svg", "color": "#0b6e75", "color_dark": "#58c4cb"},
        "identity": [{"source": "scope", "session": {"id": "user_id", **fields, "attributes": {"role": "role"}}}],
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


def with_joining(config: dict[str, Any], app_url: str, smtp_port: int, join: Mapping[str, Any]) -> None:
    """Open the doors of the onboarding portal."""
    config["public_url"] = app_url
    config["joining"] = {"keys": [{"kid": "demo", "secret": {"env": "JOIN_KEY"}}]}
    config["mail"] = {
        "host": "127.0.0.1",
        "port": smtp_port,
        "security": "none",
        "from": "Coldchain <portal@coldchain.example>",
    }
    config["portals"]["onboarding"]["join"] = join


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


@asynccontextmanager
async def running_demo(host: str = "127.0.0.1", port: int = 0, join: Mapping[str, Any] = JOIN) -> AsyncIterator[Demo]:
    """Serve all of it. Raises AddressTaken."""
    sandbox = create_sandbox()
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(listen(host, port))
        planhat_url, rocketlane_url = await stack.enter_async_context(running_vendors(sandbox, host))
        url, mail_url = base_url(listener), None
        config = demo_config(planhat_url, rocketlane_url)
        if find_spec("aiosmtplib") is not None:
            sink = MailSink(sandbox.clock)
            with_joining(config, url, await stack.enter_async_context(running_mail_sink(sink)), join)
            mail_url = await stack.enter_async_context(running(create_mailbox(sink), host))
        environ = {
            "PLANHAT_API_TOKEN": sandbox.planhat_token,
            "ROCKETLANE_API_KEY": sandbox.rocketlane_api_key,
            "ROCKETLANE_SHARED_SECRET": sandbox.rocketlane_secret,
            "JOIN_KEY": secrets.token_hex(32),
        }
        app = PortalGatewayMiddleware(create_host_app(mail_url=mail_url), load_settings(config, environ=environ))
        await stack.enter_async_context(serving(app, listener))
        yield Demo(sandbox, app, url, planhat_url, rocketlane_url, mail_url)


async def run_demo(host: str, port: int) -> None:
    """Serve the demo until SIGINT or SIGTERM. Raises AddressTaken."""
    stopped = _stop_signal()
    async with running_demo(host, port) as demo:
        print(demo.welcome(), flush=True)
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
