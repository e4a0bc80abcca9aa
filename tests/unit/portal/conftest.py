from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from joining_kit import Town, running_town

from portal_gateway.sandbox import Sandbox, create_sandbox, running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rocketlane() -> AsyncIterator[tuple[Sandbox, str]]:
    """The emulator, for a whole module: a server takes longer to stop than most tests take."""
    sandbox = create_sandbox()
    async with running(sandbox.rocketlane) as url:
        yield sandbox, url


@pytest_asyncio.fixture(loop_scope="module")
async def town(rocketlane: tuple[Sandbox, str]) -> AsyncIterator[Town]:
    async with running_town(*rocketlane) as town:
        yield town
