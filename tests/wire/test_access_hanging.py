"""A vendor that takes calls and never answers: what that costs a page, compared with the same page of the bare app."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from load_kit import ENVIRON, FULL, Page, Tenant, Visitor, config, p99, say, until_link
from processes import free_port, running_process, until_listening, write_config

from portal_gateway.sandbox.server import running

VIEWS = 10_000 if FULL else 600
USERS = 1000
KNOWN = [f"u{number}" for number in range(0, 10, 2)]
BUDGET_S = 0.15
TTL_S = 1.0
TIMEOUT_S = 5.0 if FULL else 0.5
# Every run has a few views only, on a machine that does other things too.
NOISE_S = 0.0 if FULL else 0.25


@dataclass(frozen=True)
class Views:
    """Pages, and the same pages without the gateway, seen in turn by several visitors at once."""

    user_ids: list[str]
    pages: list[Page]
    bare: list[Page]

    def __str__(self) -> str:
        return f"{len(self.pages)} views: {figures(self.pages)}; without the gateway: {figures(self.bare)}"


@pytest.mark.timeout(600)
async def test_a_page_waits_for_its_budget_and_not_at_all_once_the_vendor_is_left_alone(tmp_path: Path) -> None:
    tenant = Tenant(latency_s=0.0)
    async with running(tenant) as vendor_url:
        access = {"budget_ms": BUDGET_S * 1000, "ttl": TTL_S}
        values = config(vendor_url, portal={"access": access, "timeout_s": TIMEOUT_S})
        async with pages_host(write_config(tmp_path / "gateway.yaml", values)) as url:
            for user_id in KNOWN:
                await until_link(url, user_id)
            await asyncio.sleep(TTL_S)  # the answers are older than their ttl then
            tenant.hangs = True
            tenant.calls.clear()
            hanging = await views(url, 20)
            for user_id in KNOWN:
                await until_link(url, user_id)
            left_alone = await views(url, 1)
    assert all(page.whole for page in hanging.pages + left_alone.pages), "no page fails"
    # A hanging vendor gets some calls before it is left alone, and one now and then after that.
    assert 5 <= tenant.calls.total() <= 60, tenant.calls
    say(f"vendor hanging, {hanging}")
    say(f"breaker open, {left_alone}")
    assert p99(seconds(hanging.pages)) - p99(seconds(hanging.bare)) <= BUDGET_S + NOISE_S
    added_s = quietest_p99(left_alone.pages) - quietest_p99(left_alone.bare)
    say(f"which adds {added_s * 1000:.2f} ms to the p99 of the quietest twentieth")
    assert added_s < 0.001 + NOISE_S
    for user_id, page in zip(left_alone.user_ids, left_alone.pages, strict=True):
        assert page.has_link is (user_id in KNOWN), "an old yes is shown, and nothing else is"


@asynccontextmanager
async def pages_host(file: Path) -> AsyncIterator[str]:
    """In a process of its own: how long a page takes must not depend on what this one does meanwhile."""
    port = free_port()
    command = (sys.executable, "-m", "uvicorn", "pages_host:app", "--port", str(port), "--log-level", "warning")
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environ = {**ENVIRON, "PAGES_HOST_CONFIG": str(file), "PYTHONPATH": paths}
    async with running_process(*command, environ=environ) as server:
        await until_listening(port, server)
        yield f"http://127.0.0.1:{port}"


async def views(url: str, visitors: int) -> Views:
    seen = Views([], [], [])

    async def visit(first: int) -> None:
        async with Visitor(url) as visitor:
            for number in range(first, VIEWS, visitors):
                user_id = f"u{number % USERS}"
                page, bare = await visitor.view("/", user_id), await visitor.view("/bare", user_id)
                seen.user_ids.append(user_id)
                seen.pages.append(page)
                seen.bare.append(bare)

    await asyncio.gather(*map(visit, range(visitors)))
    return seen


def quietest_p99(pages: list[Page]) -> float:
    """Of twenty parts of the run: other work on the machine slows some of them down."""
    size = len(pages) // 20
    return min(p99(seconds(pages[at : at + size])) for at in range(0, len(pages), size))


def seconds(pages: list[Page]) -> list[float]:
    return [page.seconds for page in pages]


def figures(pages: list[Page]) -> str:
    times = seconds(pages)
    return f"median {statistics.median(times) * 1000:.2f} ms, p99 {p99(times) * 1000:.2f} ms"
