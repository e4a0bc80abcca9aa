from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest_asyncio
from site_kit import Site

from portal_gateway.sandbox import Sandbox, create_sandbox
from portal_gateway.sandbox.demo import demo_config, running_vendors


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vendors() -> AsyncIterator[tuple[Sandbox, tuple[str, str]]]:
    """Both emulators, for a whole module: a server takes longer to stop than most tests take."""
    sandbox = create_sandbox()
    async with running_vendors(sandbox, "127.0.0.1") as urls:
        yield sandbox, urls


@pytest_asyncio.fixture(loop_scope="module")
async def make_site(vendors: tuple[Sandbox, tuple[str, str]]) -> AsyncIterator[Callable[..., Awaitable[Site]]]:
    sandbox, urls = vendors
    sandbox.reset()
    async with AsyncExitStack() as stack:

        async def make(change: Callable[[dict[str, Any]], None] = lambda _config: None) -> Site:
            config = demo_config(*urls)
            for portal in config["portals"].values():
                portal.update(access={"budget_ms": 5000}, timeout_s=5)
            change(config)
            site = Site(sandbox, config, stack)
            stack.push_async_callback(site.gateway.aclose)
            return site

        yield make
