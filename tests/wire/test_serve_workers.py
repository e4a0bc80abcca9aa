"""Several workers: one that dies or hangs is replaced, none outlives the process that started it."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from processes import PATIENCE_S
from serve_kit import Served, running_upstream, serving

QUICK = {"supervisor.HUNG_S": 3.0, "supervisor.TICK_S": 0.1, "worker.POST_S": 0.1}


async def test_a_worker_that_dies_is_replaced_and_its_figures_stay(tmp_path: Path) -> None:
    async with running_upstream() as upstream, serving(upstream, tmp_path, "--workers", "2") as served:
        for _ in range(10):
            await _ask(served)
        victim = min(served.workers())
        await _until_the_other_knows(served, victim, requests=10)
        os.kill(victim, signal.SIGKILL)
        await served.process.printed(rf"worker \d \(process {victim}\) ended by SIGKILL; another takes its place")
        await _until_workers(served, 2)
        assert victim not in served.workers()
        for _ in range(5):
            await _ask(served)
        assert await served.until("requests_total", lambda value: value >= 15) == 15
        assert await served.process.stop() == 0


async def test_a_worker_that_hangs_is_replaced(tmp_path: Path) -> None:
    async with running_upstream() as upstream, serving(upstream, tmp_path, "--workers", "2", constants=QUICK) as served:
        await served.until("workers", lambda value: value == 2, state="serving")
        victim = max(served.workers())
        os.kill(victim, signal.SIGSTOP)
        await served.process.printed(rf"worker \d \(process {victim}\) hangs; it is killed")
        await served.process.printed(rf"\(process {victim}\) ended by SIGKILL")
        await _until_workers(served, 2)
        assert victim not in served.workers()
        await _ask(served)
        assert await served.process.stop() == 0


async def test_workers_stop_when_the_one_that_looks_after_them_is_gone(tmp_path: Path) -> None:
    async with running_upstream() as upstream, serving(upstream, tmp_path, "--workers", "2") as served:
        await served.until("workers", lambda value: value == 2, state="serving")
        workers = served.workers()
        served.process.process.kill()
        async with asyncio.timeout(PATIENCE_S):
            while any(_is_running(pid) for pid in workers):
                await asyncio.sleep(0.02)


async def test_one_control_c_is_enough(tmp_path: Path) -> None:
    """A terminal sends it to all processes at once."""
    async with running_upstream() as upstream, serving(upstream, tmp_path, "--workers", "2") as served:
        await served.until("workers", lambda value: value == 2, state="serving")
        for pid in served.workers():
            os.kill(pid, signal.SIGINT)
        await _ask(served)
        assert await served.process.stop(signal.SIGINT) == 0
    assert "Traceback" not in served.process.log


async def _until_the_other_knows(served: Served, victim: int, requests: int) -> None:
    """Until `victim` has told what it counted; it is stopped then, so that it counts nothing more."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            os.kill(victim, signal.SIGSTOP)
            if (await served.metrics()).value("portal_gateway_requests_total") == requests:
                return
            os.kill(victim, signal.SIGCONT)
            await asyncio.sleep(0.1)


async def _ask(served: Served) -> None:
    async with served.client() as client:
        assert (await client.get("/")).status_code == 200


async def _until_workers(served: Served, count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while len(served.workers()) != count:
            await asyncio.sleep(0.02)


def _is_running(pid: int) -> bool:
    """Whether a process still does something; one whose parent is gone may stay as a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
