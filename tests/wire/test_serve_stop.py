"""SIGTERM: not ready first, then what is under way is finished, within a bound; status 0."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import httpx
import pytest
from processes import PATIENCE_S
from serve_kit import Load, running_upstream, serving

# Clients of a test may be slow when the machine is.
UNHURRIED = {"worker.LINGER_S": 20.0}


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_stop_under_load_fails_nobody(tmp_path: Path, workers: str) -> None:
    async with (
        running_upstream() as upstream,
        serving(upstream, tmp_path, "--workers", workers, constants=UNHURRIED) as served,
    ):
        load = Load(served.url)
        await load.more(40)
        assert await served.process.stop() == 0
        await load.stop()
        assert load.failures == []
    assert "Traceback" not in served.process.log


async def test_a_connection_that_idles_is_told_before_it_is_closed(tmp_path: Path) -> None:
    async with (
        running_upstream() as upstream,
        serving(upstream, tmp_path, constants=UNHURRIED) as served,
        served.client() as client,
    ):
        assert "connection" not in (await client.get("/")).headers
        served.process.process.send_signal(signal.SIGTERM)
        await _until_refused(served.url)
        assert (await client.get("/")).headers["connection"] == "close"
        assert await served.process.ended() == 0


async def test_it_is_live_but_not_ready_while_requests_finish(tmp_path: Path) -> None:
    async with (
        running_upstream() as upstream,
        serving(upstream, tmp_path, "--workers", "2") as served,
        served.client() as client,
        httpx.AsyncClient(base_url=served.admin_url, trust_env=False, timeout=PATIENCE_S) as operator,
    ):
        held = asyncio.create_task(client.get("/held"))
        await upstream.reached.wait()
        stopping = asyncio.create_task(served.process.stop())
        await _until_draining(served.admin_url)
        assert (await operator.get("/live")).status_code == 200
        await _until_refused(served.url)
        assert not stopping.done()
        upstream.released.set()
        assert (await held).json() == {"upstream": "first"}
        assert await stopping == 0


async def test_a_stream_that_does_not_end_is_cut_at_the_bound(tmp_path: Path) -> None:
    async with (
        running_upstream() as upstream,
        serving(upstream, tmp_path, drain_s=1) as served,
        served.client() as client,
        client.stream("GET", "/endless") as response,
    ):
        pieces = response.aiter_raw()
        assert b"hello" in await anext(pieces)
        began = time.monotonic()
        assert await served.process.stop() == 0
        assert time.monotonic() - began > 1
        with pytest.raises(httpx.RemoteProtocolError):
            await anext(pieces)
    assert "Traceback" not in served.process.log


async def _until_draining(admin_url: str) -> None:
    async with httpx.AsyncClient(base_url=admin_url, trust_env=False, timeout=PATIENCE_S) as operator:
        async with asyncio.timeout(PATIENCE_S):
            while (await operator.get("/ready")).status_code != 503:
                await asyncio.sleep(0.02)


async def _until_refused(url: str) -> None:
    address = httpx.URL(url)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                _, writer = await asyncio.open_connection(address.host, address.port)
            except ConnectionError:
                return
            writer.close()
            await asyncio.sleep(0.02)
