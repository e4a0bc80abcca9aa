"""`portal-gateway serve` in front of JupyterLab, whose kernels are spoken to over WebSockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio
from frameworks_support import Vendors
from processes import PATIENCE_S, free_port, until_listening
from upstreams_kit import JANE, Site, assert_linked, assert_same, behind_the_sidecar, running_app, visitors
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "token-of-this-test"
SIGNED_IN = {"authorization": f"token {TOKEN}"}
# What JupyterLab itself speaks: one binary frame holds channel, header, parent header, metadata and content.
PROTOCOL = Subprotocol("v1.kernel.websocket.jupyter.org")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    directory, port = tmp_path_factory.mktemp("jupyter"), free_port()
    variables = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    environ = {name: str(directory / name.lower()) for name in variables} | {"JUPYTER_TOKEN": TOKEN}
    arguments = ["--no-browser", "--allow-root", f"--ServerApp.root_dir={directory}", f"--ServerApp.port={port}"]
    async with running_app("jupyterlab", *arguments, environ=environ) as jupyter:
        await until_listening(port, jupyter)
        async with behind_the_sidecar(f"http://127.0.0.1:{port}", vendors, directory) as site:
            yield site


async def test_the_lab_gets_the_link_and_nothing_else(site: Site) -> None:
    async with visitors(site, **SIGNED_IN) as (straight, through):
        await straight.get("/lab")
        through.cookies.update(straight.cookies)  # which name the visitor
        await assert_linked(straight, through, "/lab", but=["set-cookie"], moving=rb'"store_id": \d+')


@pytest.mark.parametrize(
    "path", ["/api", "/api/status", "/api/contents", "/static/favicons/favicon-busy-1.ico", "/none"]
)
async def test_other_answers_are_the_apps(site: Site, path: str) -> None:
    async with visitors(site, **SIGNED_IN, **JANE) as (straight, through):
        assert_same(await straight.get(path), await through.get(path), but=["set-cookie"])


async def test_strangers_get_no_kernel(site: Site) -> None:
    async with visitors(site) as (_, through):
        assert (await through.post("/api/kernels")).status_code == 403
    with pytest.raises(InvalidStatus) as refused:
        await connect(
            site.websocket("/api/kernels/00000000-0000-0000-0000-000000000000/channels"),
            origin=Origin(site.url),
            proxy=None,
        )
    assert refused.value.response.status_code == 403


async def test_a_kernel_computes(site: Site) -> None:
    async with running_kernel(site) as socket:
        assert await result_of(socket, "1+1") == "2"
        assert await result_of(socket, "import sys; len('ä' * 5)") == "5"


async def test_a_long_result_arrives_whole(site: Site) -> None:
    async with running_kernel(site) as socket:
        assert await result_of(socket, "'x' * 20_000_000") == repr("x" * 20_000_000)


@asynccontextmanager
async def running_kernel(site: Site) -> AsyncIterator[ClientConnection]:
    async with visitors(site, **SIGNED_IN, host=site.url.removeprefix("http://")) as (_, through):
        kernel = (await through.post("/api/kernels")).raise_for_status().json()["id"]
        options: dict[str, Any] = {
            "origin": Origin(site.url),
            "subprotocols": [PROTOCOL],
            "additional_headers": SIGNED_IN,
        }
        url = site.websocket(f"/api/kernels/{kernel}/channels?session_id=test")
        async with connect(url, **options, proxy=None, max_size=None) as socket:
            assert socket.subprotocol == PROTOCOL
            yield socket
        assert (await through.delete(f"/api/kernels/{kernel}")).status_code == 204


async def result_of(socket: ClientConnection, code: str) -> str:
    """What the kernel shows as the value of `code`."""
    header = {"msg_id": code[:10], "msg_type": "execute_request", "session": "test", "username": "", "version": "5.3"}
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
    await socket.send(packed(b"shell", *(json.dumps(part).encode() for part in (header, {}, {}, content))))
    async with asyncio.timeout(PATIENCE_S):
        while True:
            message = await socket.recv()
            assert isinstance(message, bytes)
            _, header, _, _, content = unpacked(message)
            assert header["msg_type"] != "error", content
            if header["msg_type"] == "execute_result":
                return str(content["data"]["text/plain"])


def packed(*parts: bytes) -> bytes:
    """The number of offsets, the offset of each part and of the end, the parts."""
    offsets = [8 * (len(parts) + 2)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return b"".join(number.to_bytes(8, "little") for number in (len(offsets), *offsets)) + b"".join(parts)


def unpacked(message: bytes) -> list[Any]:
    count, *offsets = (int.from_bytes(message[at : at + 8], "little") for at in range(0, 8 * 7, 8))
    assert count >= 6
    channel, *parts = (message[start:end] for start, end in pairwise(offsets))
    return [channel.decode(), *map(json.loads, parts)]
