"""A gateway around tiny ASGI apps, with vendors that answer what a test has written down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from portal_gateway import EndUser, PortalGatewayMiddleware, Settings, load_settings
from portal_gateway import gateway as composition
from portal_gateway.models import Access
from portal_gateway.providers.base import Purpose
from portal_gateway.wire import headers as h

ENVIRON = {"TOKEN": "vendor-token-4711-secret", "KEY": "api-key-0815-secret", "SIGN": "s" * 40, "FORGET": "forget-" * 4}
VENDOR = "https://vendor.example"
HTML = (b"content-type", b"text/html; charset=utf-8")
PAGE = b"<!doctype html><html><head><title>t</title></head><body><nav><ul></ul></nav><main>Hello</main></body></html>"
LINK = b'<a class="portal-link"'
LOADER = b"<portal-link "
FRAME = b'<iframe class="portal-frame"'

USERS = ("jane", "omar", "noah")
# The host's own session, which its middleware fills when the app runs.
IDENTITY = [{"source": "scope", "session": {"id": "id", "email": "email", "company_id": "company_id"}}]

Headers = list[tuple[bytes, bytes]]
App = Callable[[Any, Any, Any], Awaitable[None]]


class ScriptedProvider:
    """Answers `access` (or raises it) and mints numbered links; `gate` holds its answers back."""

    embeds = True
    frame_origin = VENDOR

    def __init__(self, access: Access | Exception | None = None) -> None:
        self.access: Access | Exception = access or Access.grant("vendor_yes")
        self.by_user: dict[str, Access | Exception] = {}
        self.link: str | Exception | None = None
        self.gate: asyncio.Event | None = None
        self.asked: list[str] = []
        self.minted: list[tuple[str, Purpose, str | None]] = []

    def subject(self, user: EndUser) -> str:
        return user.email or ""

    async def check_access(self, user: EndUser) -> Access:
        self.asked.append(user.id)
        if self.gate is not None:
            await self.gate.wait()
        return _returned(self.by_user.get(user.id, self.access))

    async def mint(self, user: EndUser, purpose: Purpose, choice: str | None = None) -> str:
        self.minted.append((user.id, purpose, choice))
        return _returned(self.link or f"{VENDOR}/enter?token=SIGNED-{user.id}-{len(self.minted)}")

    def forget(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


def _returned(value: Any) -> Any:
    if isinstance(value, Exception):
        raise value
    return value


def planhat(*inject: Mapping[str, Any], **options: Any) -> dict[str, Any]:
    return {
        "provider": "planhat",
        "label": "Success portal",
        "api_token": {"env": "TOKEN"},
        "inject": [*inject],
        **options,
    }


def rocketlane(*inject: Mapping[str, Any], **options: Any) -> dict[str, Any]:
    return {
        "provider": "rocketlane",
        "label": "Onboarding",
        "portal_url": VENDOR,
        "api_key": {"env": "KEY"},
        "signing": {"key": {"env": "SIGN"}},
        "inject": [*inject],
        **options,
    }


def settings(*inject: Mapping[str, Any], **top: Any) -> Settings:
    """Settings with a portal `success` and its inject rules, unless `portals` says more."""
    values = {"identity": IDENTITY, "portals": {"success": planhat(*inject)}, **top}
    return load_settings(values, environ=ENVIRON)


def session_of(name: str) -> dict[str, str]:
    return {"id": name, "email": f"{name}@vance.example", "company_id": "201"} if name in USERS else {}


def fill_session(scope: Any) -> None:
    """What the host's session middleware does: the cookie `user` names who is signed in."""
    scope["session"] = session_of(h.cookie(scope["headers"], "user") or "")


def wrapped(
    app: App,
    config: Settings,
    providers: Mapping[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    identify: Any = None,
    *,
    compress: bool = False,
) -> PortalGatewayMiddleware:
    """The gateway around `app`, with `providers` by portal name in place of those that ask a vendor."""
    monkeypatch.setattr(composition, "build_provider", lambda name, _settings, **_others: providers[name])
    return PortalGatewayMiddleware(app, config, identify, compress=compress)


class PageApp:
    """An app that answers everything with these chunks, each in a message; `scopes` are what it was given."""

    def __init__(self, *chunks: bytes, headers: Sequence[tuple[bytes, bytes]] = (HTML,), status: int = 200) -> None:
        self.scopes: list[Any] = []
        self._chunks = chunks or (PAGE,)
        self._headers = headers
        self._status = status

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        fill_session(scope)
        await send({"type": "http.response.start", "status": self._status, "headers": list(self._headers)})
        for number, chunk in enumerate(self._chunks, start=1):
            await send({"type": "http.response.body", "body": chunk, "more_body": number < len(self._chunks)})


def http_scope(
    path: str = "/", *headers: tuple[bytes, bytes], user: str | None = None, **others: Any
) -> dict[str, Any]:
    path, _, query = path.partition("?")
    cookies = [(b"cookie", f"user={user}".encode())] if user else []
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"app.acme.com"), *cookies, *headers],
        "client": ("203.0.113.9", 50000),
        "server": ("127.0.0.1", 8000),
        **others,
    }


@dataclass
class Response:
    """What reached the server, message by message."""

    messages: list[dict[str, Any]] = field(default_factory=list)

    async def send(self, message: Any) -> None:
        self.messages.append(dict(message))

    @property
    def status(self) -> int:
        return int(self._start["status"])

    @property
    def headers(self) -> Headers:
        return [(bytes(key), bytes(value)) for key, value in self._start["headers"]]

    @property
    def chunks(self) -> list[bytes]:
        return [m.get("body", b"") for m in self.messages if m["type"] == "http.response.body"]

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def complete(self) -> bool:
        last = self.messages[-1]
        return bool(last["type"] == "http.response.body" and not last.get("more_body", False))

    @property
    def _start(self) -> dict[str, Any]:
        starts = [m for m in self.messages if m["type"] == "http.response.start"]
        assert len(starts) == 1, "exactly one head"
        return starts[0]

    def header(self, name: str) -> str | None:
        return h.text(self.headers, name.encode())

    def all(self, name: str) -> list[str]:
        return [value.decode("latin-1") for value in h.values(self.headers, name.encode())]


async def ask(
    app: App,
    path: str = "/",
    *headers: tuple[bytes, bytes],
    user: str | None = None,
    body: bytes = b"",
    **others: Any,
) -> Response:
    """The response of `app` to one request, as the server would see it."""
    response = Response()
    requests: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if requests:
            return requests.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    await app(http_scope(path, *headers, user=user, **others), receive, response.send)
    return response


BROWSER: tuple[tuple[bytes, bytes], ...] = (
    (b"accept", b"text/html,application/xhtml+xml,*/*;q=0.8"),
    (b"sec-fetch-dest", b"document"),
    (b"sec-fetch-mode", b"navigate"),
    (b"sec-fetch-site", b"same-origin"),
)
IN_FRAME: tuple[tuple[bytes, bytes], ...] = (BROWSER[0], (b"sec-fetch-dest", b"iframe"), *BROWSER[2:])
FETCH: tuple[tuple[bytes, bytes], ...] = (
    (b"accept", b"*/*"),
    (b"sec-fetch-dest", b"empty"),
    (b"sec-fetch-mode", b"cors"),
    (b"sec-fetch-site", b"same-origin"),
)


async def settle(condition: Callable[[], bool]) -> None:
    """Let other tasks run until `condition` holds."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def collected(chunks: AsyncIterator[bytes]) -> list[bytes]:
    return [chunk async for chunk in chunks]
