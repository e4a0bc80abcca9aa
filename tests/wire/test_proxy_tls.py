from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from certificates import self_signed, server_side
from proxy_harness import PATIENCE_S, answering, ask, get, ok, proxied, upstream
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import InvalidStatus

pytestmark = pytest.mark.usefixtures("both_ways")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return self_signed(tmp_path / "upstream.pem")


@pytest.mark.parametrize("known", [True, False], ids=["known-authority", "unknown-authority"])
async def test_the_certificate_of_the_upstream_is_verified(
    certificate: Path, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if known:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with (
        upstream(answering(ok()), tls=server_side(certificate)) as app,
        proxied(f"https://127.0.0.1:{app.port}") as sidecar,
    ):
        for _ in range(3):
            assert (await ask(sidecar.port, get())).status == (200 if known else 502)
        assert len(app.heads) == (3 if known else 0)
        assert sidecar.pool.idle_count == (1 if known else 0)


async def test_the_certificate_must_be_for_the_host(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with (
        upstream(answering(ok()), tls=server_side(certificate)) as app,
        proxied(f"https://localhost:{app.port}") as sidecar,
    ):
        assert (await ask(sidecar.port, get())).status == 502
        assert app.heads == []


async def test_a_file_of_authorities_replaces_those_of_the_system(certificate: Path, tmp_path: Path) -> None:
    stranger = self_signed(tmp_path / "stranger.pem")
    async with upstream(answering(ok()), tls=server_side(certificate)) as app:
        url = f"https://127.0.0.1:{app.port}"
        for ca_file, status in ((certificate, 200), (stranger, 502)):
            async with proxied(url, ca_file=ca_file) as sidecar:
                assert (await ask(sidecar.port, get())).status == status
        assert len(app.heads) == 1


async def test_websockets_are_verified_too(certificate: Path, tmp_path: Path) -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    stranger = self_signed(tmp_path / "stranger.pem")
    async with serve(echo, "127.0.0.1", 0, ssl=server_side(certificate)) as app, asyncio.timeout(PATIENCE_S):
        url = f"https://127.0.0.1:{app.sockets[0].getsockname()[1]}"
        async with (
            proxied(url, ca_file=certificate) as sidecar,
            connect(f"ws://127.0.0.1:{sidecar.port}/", proxy=None) as socket,
        ):
            await socket.send("hello")
            assert await socket.recv() == "hello"
        async with proxied(url, ca_file=stranger) as sidecar:
            with pytest.raises(InvalidStatus):
                await connect(f"ws://127.0.0.1:{sidecar.port}/", proxy=None)
