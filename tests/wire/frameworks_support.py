"""What the framework tests share: the vendors, one host app served twice, and the people who visit it."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from portal_gateway.gateway import Gateway
from portal_gateway.sandbox.cast import PEOPLE
from portal_gateway.sandbox.demo import demo_config
from portal_gateway.sandbox.serve import Sandbox
from portal_gateway.sandbox.server import running
from portal_gateway.wire.asgi import ASGIApp

PATIENCE_S = 20.0
LINK = re.compile(r'<a class="portal-link" href="([^"]+)"')
FRAME = re.compile(r'<iframe class="portal-frame" src="([^"]+)"')

PERSONS: Mapping[str, Mapping[str, str]] = {
    person.id: {"id": person.id, "email": person.email, "name": person.name, "company_id": person.company_id}
    for person in PEOPLE
}
FIELDS = {key: key for key in ("id", "email", "name", "company_id")}
SCOPE_SESSION = {"source": "scope", "session": FIELDS}
WHOAMI = {
    "source": "whoami",
    "path": "/api/me",
    "timeout_s": PATIENCE_S,
    "fields": {key: f"user.{key}" for key in FIELDS},
}

PAGE = (
    '<!doctype html><html><head><title>Acme</title></head><body><nav><div class="links"><a href="/">Home</a></div>'
    "</nav><main><h1>Grüße</h1></main></body></html>"
)
FIRST_PIECE, SECOND_PIECE = PAGE[: PAGE.index("<main>")], PAGE[PAGE.index("<main>") :]
CSS = b"body{margin:0}\n" * 20_000


@dataclass
class Vendors:
    """The sandbox on real sockets."""

    sandbox: Sandbox
    planhat_url: str
    rocketlane_url: str

    @property
    def environ(self) -> dict[str, str]:
        return {
            "PLANHAT_API_TOKEN": self.sandbox.planhat_token,
            "ROCKETLANE_API_KEY": self.sandbox.rocketlane_api_key,
            "ROCKETLANE_SHARED_SECRET": self.sandbox.rocketlane_secret,
        }

    def config(self, *identity: Mapping[str, Any]) -> dict[str, Any]:
        """The demo's configuration with other identity sources, and pages that wait for a slow machine."""
        config = demo_config(self.planhat_url, self.rocketlane_url)
        for portal in config["portals"].values():
            portal["access"] = {"budget_ms": 10_000}
        return {**config, "identity": list(identity)}

    def access_calls(self, user_id: str) -> int:
        return self.sandbox.planhat_vendor.calls.count("GET", f"/shareabletokens/access/extid-{user_id}")

    def mints(self, user_id: str) -> int:
        return self.sandbox.planhat_vendor.calls.count("GET", f"/shareabletokens/extid-{user_id}")


@dataclass
class Stage:
    """What a host app and its test tell each other: stream items to send, and what happened in which order."""

    items: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)
    journal: list[str] = field(default_factory=list)

    async def next_items(self) -> AsyncIterator[str]:
        """What the test puts in, one by one, until it puts in None."""
        while (item := await self.items.get()) is not None:
            yield item


@dataclass
class Site:
    """One host app twice: alone at `bare`, with the gateway at `url`."""

    bare: str
    url: str
    stage: Stage
    vendors: Vendors


NewSite = Callable[[Stage], AbstractAsyncContextManager[Site]]


def sites(
    vendors: Vendors, create_app: Callable[[Stage], ASGIApp], create_wrapped: Callable[[Stage], ASGIApp]
) -> NewSite:
    """How to start the sites of two app factories; the stage is that of the app with the gateway."""

    @asynccontextmanager
    async def new_site(stage: Stage) -> AsyncIterator[Site]:
        async with running(create_app(Stage())) as bare, running(create_wrapped(stage)) as url:
            yield Site(bare, url, stage, vendors)

    return new_site


@asynccontextmanager
async def visitor(base_url: str, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that keeps cookies and follows no redirect by itself."""
    headers = {"accept": "text/html,*/*;q=0.8", **headers}
    async with httpx.AsyncClient(base_url=base_url, headers=headers, timeout=PATIENCE_S, trust_env=False) as client:
        yield client


async def follow(client: httpx.AsyncClient, target: str) -> httpx.Response:
    """What `target`, as it stands in a page, leads to in the end."""
    return await client.get(html.unescape(target), follow_redirects=True)


def the_link(page: httpx.Response) -> str:
    """The one portal link of a page."""
    (target,) = LINK.findall(page.text)
    return str(target)


def note_closing(monkeypatch: pytest.MonkeyPatch, journal: list[str]) -> None:
    """From now on a gateway that has closed is noted; to be called before the gateway starts."""
    close = Gateway.aclose

    async def noted(gateway: Gateway) -> None:
        await close(gateway)
        journal.append("gateway closed")

    monkeypatch.setattr(Gateway, "aclose", noted)
