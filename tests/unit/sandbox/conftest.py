"""A sandbox that stands still in time, and a client for each of its apps."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from portal_gateway.sandbox import Sandbox, create_host_app, create_sandbox
from portal_gateway.sandbox.clock import FixedClock

NOW = 1_800_000_000.0  # a full minute, so that quota windows begin here


@pytest.fixture
def sandbox() -> Sandbox:
    return create_sandbox(clock=FixedClock(NOW))


@pytest.fixture
async def planhat(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    """Calls the API with the right token."""
    transport = httpx.ASGITransport(sandbox.planhat)
    headers = {"Authorization": f"Bearer {sandbox.planhat_token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://planhat.test", headers=headers) as client:
        yield client


@pytest.fixture
async def rocketlane(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    """Calls the API with the right key."""
    transport = httpx.ASGITransport(sandbox.rocketlane)
    headers = {"api-key": sandbox.rocketlane_api_key}
    async with httpx.AsyncClient(transport=transport, base_url="http://rocketlane.test", headers=headers) as client:
        yield client


@pytest.fixture
async def host() -> AsyncIterator[httpx.AsyncClient]:
    """A browser at the demo's host app, not signed in."""
    transport = httpx.ASGITransport(create_host_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://host.test") as client:
        yield client
