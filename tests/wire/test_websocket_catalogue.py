"""Autobahn's WebSocket cases, over raw frames, straight to an echo server and through the sidecar.

And the other way round: Autobahn is the app, and what it observes of an echoing client in front must be the same too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from autobahn_kit import Report, echo_server, report_on_client, report_on_server, running_cases
from proxy_harness import proxied
from serve_kit import Upstream, serving

# Framing, pings and pongs, reserved bits, opcodes, fragments, UTF-8, closing, fragments of a library's own.
PROTOCOL = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"]
# Up to 16 MB at once and in fragments of 64 bytes and more; a thousand messages, compressed.
LONG = ["9.1.*", "9.3.*", "12.1.1", "13.1.1"]
# How WebSockets are passed on: untouched by `serve`, message by message under any other ASGI server.
WAYS = {"serve": [PROTOCOL, LONG], "messages": [PROTOCOL]}
# Invalid UTF-8 in the middle of a message, whose end does not come for a while: noticed when the message is whole.
NOTICED_LATER = ["6.4.1", "6.4.2"]

Reports = tuple[Report, Report]


@asynccontextmanager
async def in_front_of(url: str, way: str, directory: Path) -> AsyncIterator[str]:
    """A sidecar, as a process if it is `serve`."""
    if way == "serve":
        async with serving(Upstream(url=url), directory) as served:
            yield served.url
    else:
        async with proxied(url) as sidecar:
            yield f"http://127.0.0.1:{sidecar.port}"


@pytest.mark.parametrize("way", WAYS)
async def test_a_server_behind_looks_the_same(way: str, tmp_path: Path) -> None:
    async with echo_server() as url, in_front_of(url, way, tmp_path) as proxy:

        async def observed(cases: list[str]) -> Reports:
            return await asyncio.gather(report_on_server(url, *cases), report_on_server(proxy, *cases))

        differing = [await differences(cases, observed) for cases in WAYS[way]]
    assert differing == [NOTICED_LATER if way == "messages" else [], *([] for _ in WAYS[way][1:])]


@pytest.mark.parametrize("way", WAYS)
async def test_a_client_in_front_looks_the_same(way: str, tmp_path: Path) -> None:
    async def observed(cases: list[str]) -> Reports:
        async with (
            running_cases(*cases) as (process, url),
            running_cases(*cases) as (process_behind, url_behind),
            in_front_of(url_behind, way, tmp_path) as proxy,
        ):
            return await asyncio.gather(report_on_client(process, url), report_on_client(process_behind, proxy))

    assert [await differences(cases, observed) for cases in WAYS[way]] == [[] for _ in WAYS[way]]


async def differences(cases: list[str], observed: Callable[[list[str]], Awaitable[Reports]]) -> list[str]:
    """Those of the cases that differ each time: they have deadlines of a second, which a busy machine may miss."""
    straight, through = await observed(cases)
    assert straight
    for _ in range(2):
        cases = [case for case in straight if straight[case] != through[case]]
        if not cases:
            return []
        straight, through = await observed(cases)
    return [case for case in straight if straight[case] != through[case]]
