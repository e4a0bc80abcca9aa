"""The gateway behind other proxies, with the very files of deploy/."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import yaml
from frameworks_support import PAGE, PATIENCE_S, WHOAMI, Vendors, follow, the_link
from processes import Sidecar, free_port, program, running_process, running_sidecar, until_listening, write_config
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from upstreams_kit import python
from websockets.asyncio.client import connect

from portal_gateway.sandbox.server import running

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEPLOY = Path(__file__).parents[2] / "deploy"
JANE = {"id": "jane", "email": "jane@vance.example", "name": "Jane Moreau", "company_id": "201"}
FORGED = {
    "forwarded": "for=192.0.2.1;host=evil.example;proto=gopher",
    "x-forwarded-for": "192.0.2.1",
    "x-forwarded-host": "evil.example",
    "x-forwarded-proto": "gopher",
    "x-real-ip": "192.0.2.1",
    "x_forwarded_host": "evil.example",
}


@dataclass
class App:
    """The app behind; `/events` ends when the test lets it."""

    released: asyncio.Event = field(default_factory=asyncio.Event)

    def asgi(self) -> Starlette:
        async def me(request: Request) -> Response:
            return JSONResponse({"user": JANE} if "sid" in request.cookies else {})

        async def seen(request: Request) -> Response:
            body = await request.body()
            target = request.scope["raw_path"].decode("latin-1")
            return JSONResponse({"target": target, "headers": request.headers.items(), "bytes": len(body)})

        async def events(request: Request) -> Response:
            async def stream() -> AsyncIterator[str]:
                yield "data: hello\n\n"
                await self.released.wait()

            return StreamingResponse(stream(), media_type="text/event-stream")

        async def echo(socket: WebSocket) -> None:
            await socket.accept("chat")
            await socket.send_text(f"{await socket.receive_text()} at {socket.url.path}?{socket.url.query}")
            await socket.close(4001)

        routes: list[Any] = [
            Route("/", lambda request: HTMLResponse(PAGE)),
            Route("/static/app.css", lambda request: PlainTextResponse("body{}", media_type="text/css")),
            Route("/api/me", me),
            Route("/seen{rest:path}", seen, methods=["GET", "POST"]),
            Route("/events", events),
            WebSocketRoute("/live", echo),
        ]
        return Starlette(routes=routes)


def filled_in(recipe: str, changes: dict[str, str]) -> str:
    for original, ours in changes.items():
        assert recipe.count(original) == 1, original
        recipe = recipe.replace(original, ours)
    return recipe


@dataclass(frozen=True)
class Ports:
    front: int
    gateway: int
    admin: int
    app: int


@asynccontextmanager
async def running_caddy(directory: Path, port: int, recipe: str) -> AsyncIterator[ssl.SSLContext]:
    """With a certificate of its own making, by which it is known."""
    file = directory / "Caddyfile"
    file.write_text("{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}\n" + recipe)
    environ = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(directory))
    command = (program("caddy"), "run", "--adapter", "caddyfile", "--config", str(file))
    async with running_process(*command, environ=environ) as process:
        await process.printed("certificate obtained successfully")
        tls = ssl.create_default_context(cafile=directory / "caddy/pki/authorities/local/root.crt")
        await until_certified(port, tls)
        yield tls


async def until_certified(port: int, tls: ssl.SSLContext) -> None:
    """Caddy says that it has a certificate a little before it uses it."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(ssl.SSLError):
                _, writer = await asyncio.open_connection("localhost", port, ssl=tls, family=socket.AF_INET)
                writer.close()
                return
            await asyncio.sleep(0.02)


@asynccontextmanager
async def caddy(directory: Path, ports: Ports) -> AsyncIterator[tuple[str, ssl.SSLContext | None]]:
    changes = {
        "app.acme.com {": f"https://localhost:{ports.front} {{\n\ttls internal\n\tbind 127.0.0.1",
        "@assets 127.0.0.1:8000": f"@assets 127.0.0.1:{ports.app}",
        "reverse_proxy 127.0.0.1:8080": f"reverse_proxy 127.0.0.1:{ports.gateway}",
    }
    async with running_caddy(directory, ports.front, filled_in((DEPLOY / "Caddyfile").read_text(), changes)) as tls:
        yield f"https://localhost:{ports.front}", tls


@asynccontextmanager
async def envoy(directory: Path, ports: Ports) -> AsyncIterator[tuple[str, ssl.SSLContext | None]]:
    changes = {
        "address: 0.0.0.0, port_value: 80}": f"address: 127.0.0.1, port_value: {ports.front}}}",
        "port_value: 8080": f"port_value: {ports.gateway}",
        "port_value: 9090": f"port_value: {ports.admin}",
        "port_value: 8000": f"port_value: {ports.app}",
    }
    file = directory / "envoy.yaml"
    file.write_text(filled_in((DEPLOY / "envoy.yaml").read_text(), changes))
    program = str(Path(python()).with_name("envoy"))
    async with running_process(program, "--use-dynamic-base-id", "-c", str(file)) as process:
        await until_listening(ports.front, process)
        yield f"http://127.0.0.1:{ports.front}", None


@dataclass
class Site:
    """The front at `url`, the gateway behind it, the app behind that."""

    url: str
    tls: ssl.SSLContext | None
    app: App
    gateway: Sidecar
    new_gateway: Callable[[], AbstractAsyncContextManager[Sidecar]]

    def browser(self) -> httpx.AsyncClient:
        headers = {"accept": "text/html,*/*;q=0.8"}
        verify = self.tls or False
        return httpx.AsyncClient(base_url=self.url, headers=headers, verify=verify, timeout=PATIENCE_S, trust_env=False)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[caddy, envoy])
async def site(request: Any, vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    directory, app = tmp_path_factory.mktemp("front"), App()
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(running(app.asgi()))
        ports = Ports(free_port(), free_port(), free_port(), httpx.URL(upstream).port or 0)
        stack.callback(app.released.set)
        config = {
            **vendors.config(WHOAMI),
            "upstream": upstream,
            "trusted_proxies": ["127.0.0.1/32"],
            "admin": f"127.0.0.1:{ports.admin}",
        }
        file = write_config(directory / "gateway.yaml", config)
        new_gateway = partial(running_sidecar, file, "--port", str(ports.gateway), environ=vendors.environ)
        gateway = await stack.enter_async_context(new_gateway())
        url, tls = await stack.enter_async_context(request.param(directory, ports))
        yield Site(url, tls, app, gateway, new_gateway)
    assert "Traceback" not in gateway.log


async def test_the_link_is_in_the_page_and_leads_into_the_portal(site: Site) -> None:
    async with site.browser() as client:
        client.cookies.set("sid", "1")
        page = await client.get("/")
        portal = await follow(client, the_link(page))
    assert re.sub('<a class="portal-link".*?</a>', "", page.text) == PAGE
    assert "Logged in as <strong>Jane Moreau</strong>" in portal.text


async def test_what_browsers_say_of_themselves_is_not_believed(site: Site) -> None:
    async with site.browser() as client:
        seen = (await client.get("/seen", headers=FORGED)).json()["headers"]
    headers = dict(seen)
    address = httpx.URL(site.url)
    assert len(headers) == len(seen)
    assert headers["host"] == headers["x-forwarded-host"] == f"{address.host}:{address.port}"
    assert headers["x-forwarded-proto"] == address.scheme
    assert headers["x-forwarded-for"] == "127.0.0.1, 127.0.0.1"  # the browser, and the proxy in front
    assert [value for value in headers.values() if "192.0.2.1" in value or "evil" in value or "gopher" in value] == []


async def test_one_id_from_the_response_to_the_app(site: Site) -> None:
    async with site.browser() as client:
        response = await client.get("/seen")
    assert dict(response.json()["headers"])["x-request-id"] == response.headers["x-request-id"]


async def test_a_websocket(site: Site) -> None:
    url = site.url.replace("http", "ws", 1) + "/live?room=1"
    async with connect(url, ssl=site.tls, subprotocols=["chat"], proxy=None) as socket, asyncio.timeout(PATIENCE_S):  # type: ignore[list-item]
        assert socket.subprotocol == "chat"
        await socket.send("hello")
        assert await socket.recv() == "hello at /live?room=1"
        await socket.wait_closed()
        assert socket.close_code == 4001


async def test_the_first_event_comes_at_once(site: Site) -> None:
    async with site.browser() as client, client.stream("GET", "/events") as response, asyncio.timeout(PATIENCE_S):
        lines = response.aiter_lines()  # kept: the stream closes with its iterator
        assert await anext(lines) == "data: hello"
        assert not site.app.released.is_set()


async def test_an_upload_is_passed_on(site: Site) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 10_000

    async with site.browser() as client:
        response = await client.post("/seen", content=pieces())
    assert response.json()["bytes"] == 1_000_000


@pytest.mark.parametrize("path", ["/seen//a/./b;c=d", "/seen/%2F%2e%3B", "/seen/a%20b/caf%C3%A9/", "/seen/a:b@c,d"])
async def test_a_path_arrives_as_it_was_written(site: Site, path: str) -> None:
    address = httpx.URL(site.url)
    reader, writer = await asyncio.open_connection(address.host, address.port, ssl=site.tls)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: {address.host}:{address.port}\r\nconnection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
    writer.close()
    assert json.loads(answer[answer.index(b"{") : answer.rindex(b"}") + 1])["target"] == path


async def test_while_the_gateway_restarts_requests_wait_and_the_rest_goes_on(site: Site) -> None:
    async with site.browser() as client:
        assert (await client.get("/")).status_code == 200
        assert await site.gateway.process.stop() == 0
        style = await client.get("/static/app.css")
        assert (style.text, "x-request-id" in style.headers) == ("body{}", False)
        waiting = [asyncio.create_task(client.get(path)) for path in ("/", "/seen")]
        async with site.new_gateway():
            assert [response.status_code for response in await asyncio.gather(*waiting)] == [200, 200]


# What a service says about a session: nothing at all of `mute`.
SESSIONS = {"jane": {"x-auth-request-user": "jane", "x-auth-request-email": JANE["email"]}, "mute": {}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def authenticating(vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """Caddy as docs/proxies.md has it beside a service that knows who is signed in."""

    async def auth(request: Request) -> Response:
        found = SESSIONS.get(request.cookies.get("sid", ""))
        return Response(status_code=401) if found is None else Response(status_code=202, headers=found)

    directory, app = tmp_path_factory.mktemp("authenticating"), App()
    page = (DEPLOY.parent / "docs" / "proxies.md").read_text()
    [recipe] = re.findall(r"```caddyfile\n(.*?)```", page, flags=re.DOTALL)
    [shown] = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(running(app.asgi()))
        service = await stack.enter_async_context(running(Starlette(routes=[Route("/oauth2/auth", auth)])))
        config = {**vendors.config(), **yaml.safe_load(shown), "upstream": upstream}
        file = write_config(directory / "gateway.yaml", config)
        new_gateway = partial(running_sidecar, file, environ=vendors.environ)
        gateway = await stack.enter_async_context(new_gateway())
        port = free_port()
        changes = {
            "app.acme.com {": f"https://localhost:{port} {{\n\ttls internal\n\tbind 127.0.0.1",
            "127.0.0.1:4180": service.removeprefix("http://"),
            "127.0.0.1:8080": gateway.url.removeprefix("http://"),
        }
        tls = await stack.enter_async_context(running_caddy(directory, port, filled_in(recipe, changes)))
        yield Site(f"https://localhost:{port}", tls, app, gateway, new_gateway)


async def test_the_service_says_who_is_signed_in(authenticating: Site) -> None:
    async with authenticating.browser() as client:
        assert (await client.get("/")).status_code == 401
        client.cookies.set("sid", "jane")
        portal = await follow(client, the_link(await client.get("/")))
    assert "Logged in as <strong>Jane Moreau</strong>" in portal.text


@pytest.mark.parametrize("name", ["X-User-Id", "x_user_id", "X_User-Id", "x-user_id"])
async def test_nobody_names_himself(authenticating: Site, name: str) -> None:
    async with authenticating.browser() as client:
        client.cookies.set("sid", "mute")
        page = await client.get("/", headers={name: "jane"})
        seen = (await client.get("/seen", headers={name: "jane"})).json()["headers"]
    assert page.text == PAGE
    assert [header for header in seen if "jane" in header] == []
