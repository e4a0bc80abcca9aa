"""Autobahn's WebSocket cases, over raw frames, straight to an echo server and through `portal-gateway serve`.

And the other way round: Autobahn is the app, and what it observes of an echoing client in front must be the same too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from fnmatch import fnmatchcase

import pytest
import pytest_asyncio
from autobahn_kit import Report, echo_server, report_on_client, report_on_server, running_cases
from serve_kit import Upstream, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECTIONS = {
    "framing": ["1.*"],
    "pings and pongs": ["2.*"],
    "reserved bits": ["3.*"],
    "opcodes": ["4.*"],
    "fragments": ["5.*"],
    "UTF-8": ["6.*"],
    "closing": ["7.*"],
    # Those from 9.7 on measure the time of 1000 round trips.
    "long messages": ["9.1.*", "9.2.*", "9.3.*", "9.4.*", "9.5.*", "9.6.*"],
    "fragmented by a library": ["10.*"],
    # The first of each kind of data and of parameters; each of the 216 sends a thousand messages.
    "compression": [*(f"12.{kind}.1" for kind in range(1, 6)), *(f"13.{kind}.1" for kind in range(1, 8))],
}
CASES = [case for cases in SECTIONS.values() for case in cases]
# Invalid UTF-8 in the middle of a message, whose end does not come for a while: the sidecar passes whole messages on.
NOTICED_LATER = ["6.4.1", "6.4.2"]

Reports = tuple[Report, Report]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seen_of_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Reports]:
    """What a client observes of an echo server: straight, and through."""
    async with echo_server() as url, serving(Upstream(url=url), tmp_path_factory.mktemp("server")) as sidecar:
        yield await asyncio.gather(report_on_server(url, *CASES), report_on_server(sidecar.url, *CASES))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seen_of_client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Reports]:
    """What a server observes of an echoing client: straight, and through."""
    async with (
        running_cases(*CASES) as (process, url),
        running_cases(*CASES) as (process_behind, url_behind),
        serving(Upstream(url=url_behind), tmp_path_factory.mktemp("client")) as sidecar,
    ):
        yield await asyncio.gather(report_on_client(process, url), report_on_client(process_behind, sidecar.url))
    assert "Traceback" not in sidecar.process.log


@pytest.mark.parametrize("section", SECTIONS)
async def test_a_server_behind_looks_the_same(section: str, seen_of_server: Reports) -> None:
    straight, through = (of(section, report) for report in seen_of_server)
    for name in NOTICED_LATER:
        assert straight.pop(name, {}).get("behavior", "OK") == "OK"
        assert through.pop(name, {}).get("behavior", "NON-STRICT") == "NON-STRICT"
    assert through == straight


@pytest.mark.parametrize("section", sorted(SECTIONS.keys() - {"compression"}))
async def test_a_client_in_front_looks_the_same(section: str, seen_of_client: Reports) -> None:
    straight, through = (of(section, report) for report in seen_of_client)
    assert through == straight


async def test_nothing_is_compressed_on_the_way_to_the_app(seen_of_client: Reports) -> None:
    straight, through = (of("compression", report) for report in seen_of_client)
    assert "OK" in {seen["behavior"] for seen in straight.values()}
    assert {seen["behavior"] for seen in through.values()} == {"UNIMPLEMENTED"}


def of(section: str, report: Report) -> Report:
    found = {
        name: seen for name, seen in report.items() if any(fnmatchcase(name, pattern) for pattern in SECTIONS[section])
    }
    assert found
    return found
