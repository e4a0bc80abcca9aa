"""Serving an app in process, and the shape of the sandbox package."""

from __future__ import annotations

import ast
import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

import portal_gateway.sandbox
from portal_gateway.sandbox import Sandbox, create_sandbox, running

PLUMBING = ("demo.py", "server.py")  # these put the sandbox and the gateway together; the others play the vendor


async def hello(request: Request) -> Response:
    return PlainTextResponse("hello")


class TestRunning:
    async def test_serves_until_the_block_ends(self) -> None:
        async with httpx.AsyncClient() as client:
            async with running(Starlette(routes=[Route("/", hello)])) as url:
                assert url.startswith("http://127.0.0.1:")
                assert (await client.get(url)).text == "hello"
            with pytest.raises(httpx.ConnectError):
                await client.get(url)

    async def test_runs_the_lifespan(self) -> None:
        events = []

        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            events.append("start")
            yield
            events.append("stop")

        async with running(Starlette(lifespan=lifespan)):
            assert events == ["start"]
        assert events == ["start", "stop"]

    async def test_stops_when_the_block_fails(self) -> None:
        async with httpx.AsyncClient() as client:
            with pytest.raises(LookupError):
                async with running(Starlette()) as url:
                    raise LookupError
            with pytest.raises(httpx.ConnectError):
                await client.get(url)

    async def test_a_taken_port_is_an_error_at_once(self) -> None:
        async with running(Starlette()) as url:
            port = int(url.rpartition(":")[2])
            with pytest.raises(OSError, match="in use"):
                async with running(Starlette(), port=port):
                    pytest.fail("served on a taken port")

    async def test_a_port_can_be_used_again(self) -> None:
        app = Starlette(routes=[Route("/", hello)])
        async with running(app) as url, httpx.AsyncClient() as client:
            await client.get(url)
        async with running(app, port=int(url.rpartition(":")[2])) as again:
            assert again == url

    async def test_a_failing_lifespan_is_an_error_not_an_exit(self) -> None:
        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            raise LookupError("no database")
            yield

        with pytest.raises(RuntimeError, match="lifespan start-up failed"):
            async with running(Starlette(lifespan=lifespan)):
                pytest.fail("served an app that did not start")

    async def test_leaves_signals_alone(self) -> None:
        before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        async with running(Starlette()):
            assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before

    async def test_several_apps_side_by_side(self, sandbox: Sandbox) -> None:
        async with running(sandbox.planhat) as planhat, running(sandbox.rocketlane) as rocketlane:
            assert planhat != rocketlane
            async with httpx.AsyncClient() as client:
                responses = await asyncio.gather(client.get(planhat + "/portal"), client.get(rocketlane + "/cp"))
        assert [response.status_code for response in responses] == [401, 401]

    async def test_minted_links_open_on_the_real_port(self, sandbox: Sandbox) -> None:
        async with running(sandbox.planhat) as url, httpx.AsyncClient(follow_redirects=True) as client:
            sandbox.planhat_vendor.public_url = url
            headers = {"Authorization": f"Bearer {sandbox.planhat_token}"}
            link = (await client.get(f"{url}/shareabletokens/extid-jane", headers=headers)).text
            assert link.startswith(f"{url}/redirect/")
            assert "jane@vance.example" in (await client.get(link)).text


class TestPackage:
    def test_every_sandbox_has_credentials_of_its_own(self) -> None:
        one, other = create_sandbox(), create_sandbox()
        credentials = {
            secret
            for box in (one, other)
            for secret in (box.planhat_token, box.rocketlane_api_key, box.rocketlane_secret)
        }
        assert len(credentials) == 6
        assert min(map(len, credentials)) >= 32

    def test_emulators_share_no_code_with_the_gateway(self) -> None:
        folder = Path(portal_gateway.sandbox.__file__).parent
        imported = {
            name
            for path in folder.rglob("*.py")
            if path.name not in PLUMBING
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            for name in _imported_modules(node)
            if name.split(".")[0] == "portal_gateway"
        }
        assert imported
        assert not [name for name in imported if not name.startswith("portal_gateway.sandbox")]


def _imported_modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        return [node.module or ""]
    return []
