"""The doors by which people join, in front of the emulated vendor on a real socket, with a mailbox that keeps all."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from html import unescape
from typing import Any
from unittest.mock import patch

import httpx
from gateway_kit import BROWSER

from portal_gateway import PortalGatewayMiddleware, load_settings, middleware
from portal_gateway.gateway import Gateway
from portal_gateway.joining.composition import Joining
from portal_gateway.mail.base import Mail
from portal_gateway.sandbox import Sandbox, create_host_app

ORIGIN = "http://app.test"
KEYS = {"JOIN_KEY": "k" * 40, "OLD_KEY": "o" * 40}
NAVIGATION = {key.decode(): value.decode() for key, value in BROWSER}
API = {
    "accept": "application/json",
    "sec-fetch-mode": "cors",
    "sec-fetch-dest": "empty",
    "sec-fetch-site": "same-origin",
}
_HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')
_LINK = re.compile(r"/portal/accept\?token=([\w.-]+)")


class Mailbox:
    """A `Mailer` that keeps what it is given."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []

    def start(self) -> None:
        pass

    async def send(self, mail: Mail) -> None:
        self.mails.append(mail)

    async def aclose(self) -> None:
        pass

    def token(self, index: int = -1) -> str:
        """The token in the link of one mail; text and HTML have the same."""
        mail = self.mails[index]
        [in_text] = _LINK.findall(mail.text)
        assert set(_LINK.findall(mail.html)) == {in_text}
        return str(in_text)


class GatewayWithMailbox(Gateway):
    """With mails that go nowhere."""

    mailbox: Mailbox

    def _open_mailer(self) -> Mailbox:
        self.mailbox = Mailbox()
        return self.mailbox


class Replica:
    """One process' gateway around the demo's host app."""

    def __init__(self, config: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        host = create_host_app(session_secret="of these tests")
        with patch.object(middleware, "Gateway", GatewayWithMailbox):
            self.app = PortalGatewayMiddleware(host, load_settings(config, environ=environ))
        gateway = self.gateway = self.app.gateway
        assert isinstance(gateway, GatewayWithMailbox)
        assert gateway.joining is not None
        self.joining: Joining = gateway.joining
        self.mailbox = gateway.mailbox

    def browser(self, address: str = "198.51.100.7", **headers: str) -> Person:
        transport = httpx.ASGITransport(self.app, client=(address, 40000))
        return Person(self, httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers={**NAVIGATION, **headers}))

    async def signed_in(self, user: str) -> Person:
        person = self.browser()
        assert (await person.client.post("/login", data={"user_id": user})).status_code == 303
        return person

    def shared_link(self, project_id: int = 5001, portal: str = "onboarding", expires_at: int = 4_000_000_000) -> str:
        return f"/portal/{portal}/join/{self.joining.shared.key(portal, project_id, expires_at)}"

    async def mailed(self, email: str = "new@vance.example", project_id: int = 5001) -> str:
        """The token that is mailed to whoever asks for one."""
        await self.browser().ask(self.shared_link(project_id), email)
        return self.mailbox.token()


class Person:
    """Somebody at a browser."""

    def __init__(self, site: Replica, client: httpx.AsyncClient) -> None:
        self.site = site
        self.client = client

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers=headers)

    async def submit(self, page: httpx.Response, path: str | None = None, /, **fields: str) -> httpx.Response:
        """Send the form on `page`, to `path` or its own; what it leads to in the background is done."""
        hidden = {name: unescape(value) for name, value in _HIDDEN.findall(page.text)}
        answer = await self.client.post(path or page.request.url.path, data={**hidden, **fields})
        await self.site.joining.background.settle()
        return answer

    async def ask(self, path: str, email: str, **fields: str) -> httpx.Response:
        return await self.submit(await self.get(path), email=email, **fields)

    async def accept(self, token: str) -> httpx.Response:
        return await self.submit(await self.get(f"/portal/accept?token={token}"), "/portal/accept", token=token)


def onboarding(rocketlane_url: str, **join: Any) -> dict[str, Any]:
    return {
        "provider": "rocketlane",
        "label": "Onboarding",
        "portal_url": rocketlane_url,
        "api_url": f"{rocketlane_url}/api/1.0",
        "api_key": {"env": "ROCKETLANE_API_KEY"},
        "signing": {"algorithm": "HS256", "key": {"env": "ROCKETLANE_SHARED_SECRET"}},
        "join": {"link": True, **join},
    }


def config(rocketlane_url: str, **changes: Any) -> dict[str, Any]:
    fields = {key: key for key in ("email", "name", "company_id")}
    return {
        "public_url": ORIGIN,
        "identity": [{"source": "scope", "session": {"id": "user_id", "attributes": {"role": "role"}, **fields}}],
        "joining": {"keys": [{"kid": "k1", "secret": {"env": "JOIN_KEY"}}]},
        "mail": {"host": "127.0.0.1", "security": "none", "from": "portal@app.test"},
        "portals": {"onboarding": onboarding(rocketlane_url)},
        **changes,
    }


class Town:
    """The vendor, and as many replicas as a test needs."""

    def __init__(self, sandbox: Sandbox, rocketlane_url: str) -> None:
        self.sandbox = sandbox
        self.rocketlane_url = rocketlane_url
        self.replicas: list[Replica] = []

    def replica(self, join: Mapping[str, Any] | None = None, **changes: Any) -> Replica:
        environ = {
            **KEYS,
            "ROCKETLANE_API_KEY": self.sandbox.rocketlane_api_key,
            "ROCKETLANE_SHARED_SECRET": self.sandbox.rocketlane_secret,
        }
        if join is not None:
            changes["portals"] = {"onboarding": onboarding(self.rocketlane_url, **join)}
        replica = Replica(config(self.rocketlane_url, **changes), environ)
        self.replicas.append(replica)
        return replica

    def replica_of_project(self, project_id: int) -> Replica:
        """With a portal of this project alone."""
        portal = {**onboarding(self.rocketlane_url), "project": {"id": project_id}}
        return self.replica(portals={"onboarding": portal})

    @property
    def invited(self) -> list[tuple[str, int]]:
        """Whom the vendor has let in, and into which project."""
        return [(one.email, one.project_id) for one in self.sandbox.world.rocketlane.invitations]


@asynccontextmanager
async def running_town(sandbox: Sandbox, rocketlane_url: str) -> AsyncIterator[Town]:
    """At its first state."""
    sandbox.reset()
    town = Town(sandbox, rocketlane_url)
    yield town
    for replica in town.replicas:
        await replica.gateway.aclose()


async def entered(answer: httpx.Response) -> str:
    """The page of the vendor that a redirect leads to."""
    assert answer.status_code == 303, answer.text
    async with httpx.AsyncClient() as browser:
        return (await browser.get(answer.headers["location"])).text


def heading(answer: httpx.Response) -> str:
    return unescape(answer.text.partition("<h1>")[2].partition("</h1>")[0])
