"""`portal-gateway serve` in front of Streamlit, whose pages live on a WebSocket."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from frameworks_support import Vendors
from processes import PATIENCE_S, free_port, until_listening
from upstreams_kit import JANE, SOURCES, Site, assert_linked, assert_same, behind_the_sidecar, running_app, visitors
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    port = free_port()
    options = {"server.address": "127.0.0.1", "server.port": port, "server.headless": "true"}
    options |= {"browser.gatherUsageStats": "false", "server.fileWatcherType": "none"}
    arguments = [f"--{name}={value}" for name, value in options.items()]
    async with running_app("streamlit", "run", str(SOURCES / "streamlit_app.py"), *arguments) as streamlit:
        await until_listening(port, streamlit)
        async with behind_the_sidecar(
            f"http://127.0.0.1:{port}", vendors, tmp_path_factory.mktemp("streamlit")
        ) as site:
            yield site


async def test_the_page_gets_the_link_and_nothing_else(site: Site) -> None:
    async with visitors(site) as (straight, through):
        await assert_linked(straight, through, "/")


@pytest.mark.parametrize("path", ["/_stcore/health", "/_stcore/host-config", "/favicon.png"])
async def test_other_answers_are_the_apps(site: Site, path: str) -> None:
    async with visitors(site, **JANE) as (straight, through):
        assert_same(await straight.get(path), await through.get(path), but={"set-cookie"})


async def test_the_script_runs_and_a_click_runs_it_again(site: Site) -> None:
    options = {"origin": Origin(site.url), "subprotocols": [Subprotocol("streamlit")], "proxy": None}
    async with connect(site.websocket("/_stcore/stream"), **options) as socket:  # type: ignore[arg-type]
        assert socket.subprotocol == "streamlit"
        await socket.send(rerun(b""))
        page = await drawn(socket)
        assert b"Lagerbestand" in page
        assert b"Ergebnis" not in page
        (button,) = set(re.findall(rb"\$\$ID-[0-9a-f]+-None", page))
        await socket.send(rerun(field(2, field(1, field(1, button) + b"\x10\x01"))))
        assert b"Ergebnis: 42" in await drawn(socket)


def field(number: int, value: bytes) -> bytes:
    """A field of a Protocol Buffers message that holds bytes, text or a message."""
    assert len(value) < 128
    return bytes([number << 3 | 2, len(value)]) + value


def rerun(state: bytes) -> bytes:
    """Streamlit's BackMsg that has the script run with `state`, a ClientState: query_string = 1, widget_states = 2."""
    return field(11, state)


async def drawn(socket: ClientConnection) -> bytes:
    """All that comes until a ForwardMsg says that the script has finished, with success."""
    messages = []
    async with asyncio.timeout(PATIENCE_S):
        while True:
            message = await socket.recv()
            assert isinstance(message, bytes)
            messages.append(message)
            if b"\x30\x00" in message[-2:]:
                return b"".join(messages)
