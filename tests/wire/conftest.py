"""The vendors and the site of a test module, which all its tests share: starting them costs more than most tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from frameworks_support import NewSite, Site, Stage, Vendors
from proxy_harness import Sidecar, Way

from portal_gateway.sandbox.demo import running_vendors
from portal_gateway.sandbox.serve import create_sandbox


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vendors() -> AsyncIterator[Vendors]:
    """The vendors run, and their credentials are in the environment."""
    sandbox = create_sandbox()
    async with running_vendors(sandbox, "127.0.0.1") as urls:
        vendors = Vendors(sandbox, *urls)
        with pytest.MonkeyPatch.context() as monkeypatch:
            for name, value in vendors.environ.items():
                monkeypatch.setenv(name, value)
            yield vendors


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(new_site: NewSite) -> AsyncIterator[Site]:
    """The site that the module's own fixture `new_site` makes."""
    async with new_site(Stage()) as site:
        yield site


@pytest.fixture(params=[Way.APP, Way.STRAIGHT], ids=lambda way: way.name.lower())
def both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test is run with sidecars that leave requests to the app, and with such that pass them on themselves."""
    monkeypatch.setattr(Sidecar, "way", request.param)


@pytest.fixture(params=Way, ids=lambda way: way.name.lower())
def each_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test is run for each way in which the sidecars that it makes pass requests on."""
    monkeypatch.setattr(Sidecar, "way", request.param)
