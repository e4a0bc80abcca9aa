"""The command `portal-gateway serve`: how it starts, what it says, what it logs, how it ends."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from frameworks_support import PAGE, PATIENCE_S, WHOAMI, Vendors, the_link, visitor
from processes import Sidecar, finished, free_port, running_sidecar, write_config
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from portal_gateway.cli import main
from portal_gateway.listening import listen
from portal_gateway.sandbox.server import running

pytestmark = pytest.mark.asyncio(loop_scope="module")

JANE = {"id": "jane", "email": "jane@vance.example", "name": "Jane Moreau", "company_id": "201"}
SECRETS = ("s3cret-query", "s3cret-cookie", "s3cret-fragment")


@dataclass
class Upstream:
    """An app in this process; `/held` answers when the test lets it."""

    url: str = ""
    name: str = "first"
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> Starlette:
        async def held(request: Request) -> Response:
            self.reached.set()
            await self.released.wait()
            return JSONResponse({"held": True})

        async def endless(request: Request) -> Response:
            async def events() -> AsyncIterator[str]:
                yield "data: hello\n\n"
                await self.released.wait()

            return StreamingResponse(events(), media_type="text/event-stream")

        async def me(request: Request) -> Response:
            return JSONResponse({"user": JANE} if "sid" in request.cookies else {}, 200)

        async def page(request: Request) -> Response:
            return HTMLResponse(PAGE, headers={"x-upstream": self.name})

        pairs = {"/": page, "/api/me": me, "/held": held, "/endless": endless}
        return Starlette(routes=[Route(path, endpoint) for path, endpoint in pairs.items()])


@asynccontextmanager
async def running_upstream(name: str = "first") -> AsyncIterator[Upstream]:
    upstream = Upstream(name=name)
    async with running(upstream.app()) as upstream.url:
        yield upstream
        upstream.released.set()


@asynccontextmanager
async def served(
    vendors: Vendors, directory: Path, *arguments: str, **config: Any
) -> AsyncIterator[tuple[Upstream, Sidecar]]:
    async with running_upstream() as upstream:
        whole = {**vendors.config(WHOAMI), "upstream": upstream.url, **config}
        file = write_config(directory / "gateway.yaml", whole)
        async with running_sidecar(file, *arguments, environ=vendors.environ) as sidecar:
            yield upstream, sidecar


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_in_peace(vendors: Vendors, tmp_path: Path, number: signal.Signals) -> None:
    async with served(vendors, tmp_path) as (upstream, sidecar), visitor(sidecar.url) as client:
        client.cookies.set("sid", "1")
        the_link(await client.get("/"))
        held = asyncio.create_task(client.get("/held"))
        await upstream.reached.wait()
        ending = asyncio.create_task(sidecar.process.stop(number))
        upstream.released.set()
        assert (await held).json() == {"held": True}
        assert await ending == 0
    assert "Traceback" not in sidecar.log
    with pytest.raises(httpx.ConnectError):
        httpx.get(sidecar.url, trust_env=False)


async def test_a_second_control_c_cuts_off_what_still_streams(vendors: Vendors, tmp_path: Path) -> None:
    async with (
        served(vendors, tmp_path) as (_, sidecar),
        visitor(sidecar.url) as client,
        client.stream("GET", "/endless") as response,
    ):
        lines = response.aiter_lines()  # kept: the stream closes with its iterator
        assert await anext(lines) == "data: hello"
        sidecar.process.process.send_signal(signal.SIGINT)
        await until_refused(sidecar.url)
        assert await sidecar.process.stop(signal.SIGINT) == 0
    assert "Traceback" not in sidecar.log


async def until_refused(url: str) -> None:
    address = httpx.URL(url)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                _, writer = await asyncio.open_connection(address.host, address.port)
            except ConnectionError:
                return
            writer.close()
            await asyncio.sleep(0.02)


async def test_it_ends_although_the_app_has_gone_before(vendors: Vendors, tmp_path: Path) -> None:
    file = write_config(
        tmp_path / "gateway.yaml", {**vendors.config(WHOAMI), "upstream": f"http://127.0.0.1:{free_port()}"}
    )
    async with running_sidecar(file, environ=vendors.environ) as sidecar, visitor(sidecar.url) as client:
        assert (await client.get("/")).status_code == 502
        assert await sidecar.process.stop() == 0
    assert "Traceback" not in sidecar.log


async def test_two_workers_serve_and_end(vendors: Vendors, tmp_path: Path) -> None:
    async with served(vendors, tmp_path, "--workers", "2") as (_, sidecar):
        for _ in range(10):
            async with visitor(sidecar.url) as client:
                client.cookies.set("sid", "1")
                the_link(await client.get("/"))
                launch = await client.get("/portal/success/launch")
                assert launch.headers["location"].startswith(vendors.planhat_url)
        assert await sidecar.process.stop() == 0
    assert "Traceback" not in sidecar.log
    with pytest.raises(httpx.ConnectError):
        httpx.get(sidecar.url, trust_env=False)


async def test_the_upstream_of_the_command_line_wins(vendors: Vendors, tmp_path: Path) -> None:
    async with (
        running_upstream("second") as second,
        served(vendors, tmp_path, "--upstream", second.url) as (_, sidecar),
        visitor(sidecar.url) as client,
    ):
        assert (await client.get("/")).headers["x-upstream"] == "second"
        assert f"in front of {second.url}" in sidecar.log


async def test_several_apps_are_one_site_and_the_one_that_knows_is_asked_who_is_signed_in(
    vendors: Vendors, tmp_path: Path
) -> None:
    async def page(request: Request) -> Response:
        return HTMLResponse(PAGE)

    async def me(request: Request) -> Response:
        return JSONResponse({"user": JANE} if "sid" in request.cookies else {})

    async with (
        running(Starlette(routes=[Route("/", page)])) as pages,
        running(Starlette(routes=[Route("/api/me", me)])) as api,
        served(vendors, tmp_path, upstream={"/": pages, "/api": api}) as (_, sidecar),
        visitor(sidecar.url) as client,
    ):
        assert (await client.get("/api/me")).json() == {}
        client.cookies.set("sid", "1")
        the_link(await client.get("/"))
        assert f"in front of {pages}, {api} (/api)" in sidecar.log


async def test_logs_name_paths_and_never_what_follows_them(vendors: Vendors, tmp_path: Path) -> None:
    async with served(vendors, tmp_path) as (_, sidecar):
        async with visitor(sidecar.url) as client:
            client.cookies.set("sid", SECRETS[1])
            for path in ("/", "/missing", "/portal/success/launch", "/portal/nowhere/", "/portal/-/forget"):
                await client.get(f"{path}?token={SECRETS[0]}#{SECRETS[2]}")
            await client.get("/a%0AGET%20/forged%20200")
            minted = (await client.get("/portal/success/launch")).headers["location"]
            embedded = (await client.get("/portal/onboarding/embed")).headers["location"]
        lines = [await sidecar.process.line() for _ in range(8)]
        assert await sidecar.process.stop() == 0
    requests = [json.loads(line) for line in lines]
    assert {request["method"] for request in requests} == {"GET"}
    assert [(request["path"], request["status"]) for request in requests[:4]] == [
        ("/", 200),
        ("/missing", 404),
        ("/portal/success/launch", 303),
        ("/portal/nowhere/", 404),
    ]
    assert requests[5]["path"] == "/a%0AGET%20/forged%20200"
    text = sidecar.log + "".join(lines)
    secrets = (*SECRETS, *vendors.environ.values(), minted.rsplit("/", 1)[1], embedded.split("token=")[1])
    assert [secret for secret in secrets if secret in text] == []
    assert "jane" not in text


async def test_a_reader_of_an_endless_stream_does_not_hold_up_the_others(vendors: Vendors, tmp_path: Path) -> None:
    async with (
        served(vendors, tmp_path) as (_, sidecar),
        asyncio.timeout(PATIENCE_S),
        visitor(sidecar.url) as client,
        client.stream("GET", "/endless") as response,
    ):
        lines = response.aiter_lines()  # kept: the stream closes with its iterator
        assert await anext(lines) == "data: hello"
        assert (await client.get("/api/me")).status_code == 200


GOOD: dict[str, Any] = {
    "upstream": "http://127.0.0.1:9",
    "identity": [WHOAMI],
    "portals": {"success": {"provider": "planhat", "api_token": {"env": "PLANHAT_API_TOKEN"}}},
}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("portals: [\n  - {", "line", id="broken-yaml"),
        pytest.param("- a list", "mapping", id="no-mapping"),
        pytest.param("", "portals", id="empty"),
        pytest.param({**GOOD, "portal": {}}, "portal", id="unknown-key"),
        pytest.param({**GOOD, "upstream": "127.0.0.1:9"}, "upstream", id="upstream-without-scheme"),
        pytest.param({k: v for k, v in GOOD.items() if k != "upstream"}, "upstream", id="no-upstream"),
        pytest.param(
            {**GOOD, "identity": [{"source": "scope", "session": {"id": "id"}}]}, "identity[0]", id="scope-source"
        ),
        pytest.param(
            {**GOOD, "portals": {"success": {"provider": "planhat", "api_token": {"env": "NO_SUCH_TOKEN"}}}},
            "NO_SUCH_TOKEN",
            id="missing-secret",
        ),
        pytest.param(
            {**GOOD, "portals": {"success": {"provider": "planhat", "api_token": {"file": "/no/such/file"}}}},
            "/no/such/file",
            id="missing-secret-file",
        ),
    ],
)
async def test_a_configuration_that_cannot_be_used_is_said_in_one_paragraph(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str | dict[str, Any],
    message: str,
) -> None:
    file = tmp_path / "gateway.yaml"
    if isinstance(text, str):
        file.write_text(text)
    else:
        write_config(file, text)
    monkeypatch.setenv("PLANHAT_API_TOKEN", "a-token-of-this-test")
    assert main(["serve", "--config", str(file), "--port", "0"]) == 1
    out, errors = capsys.readouterr()
    assert out == ""
    assert message in errors
    assert errors.startswith("portal-gateway: ")
    assert "Traceback" not in errors
    assert "\n\n" not in errors
    assert "a-token-of-this-test" not in errors


@pytest.mark.parametrize(("name", "message"), [("none.yaml", "none.yaml"), ("broken.yaml", "line 2")])
async def test_a_file_that_cannot_be_read_leaves_no_traceback(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "broken.yaml").write_text("portals: [\n  - {")
    status, out, errors = await finished("serve", "--config", str(tmp_path / name))
    assert (status, out) == (1, "")
    assert message in errors
    assert "Traceback" not in errors
    assert len(errors.splitlines()) <= 3


async def test_a_taken_port_is_said_in_one_line(tmp_path: Path) -> None:
    file = write_config(tmp_path / "gateway.yaml", GOOD)
    with closing(listen("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        environ = {"PLANHAT_API_TOKEN": "x" * 20}
        status, _, errors = await finished("serve", "--config", str(file), "--port", port, environ=environ)
    assert status == 1
    assert errors == (
        f"portal-gateway: cannot listen on 127.0.0.1 port {port}: Address already in use; choose another with --port\n"
    )
