"""A page of any size: what it costs in memory, when its first byte comes, and who waits for whom."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from gateway_kit import HTML, LINK, LOADER, ScriptedProvider, fill_session, http_scope, planhat, settings, wrapped

from portal_gateway import PortalGatewayMiddleware

MB = 1024 * 1024
PAGE_MB = 64
# Above what the gateway takes at rest.
MAX_BYTES = 2 * MB
HEAD = b"<!doctype html><title>t</title><body class=long><nav><ul></ul></nav><div id=log>\n"
TAIL = b"<p id=late>the end</p></div></body></html>\n"
LINE = b'<p class="line"><a href="/orders/1">Order</a> of <b>today</b>, with <i>some</i> markup, text &amp; so on</p>\n'
CHUNK = LINE * (64 * 1024 // len(LINE))
GZIP = (b"content-encoding", b"gzip")


class Reader:
    """The server's side: counts what comes, keeps nothing but the beginning and the end."""

    def __init__(self, unpack: Callable[[bytes], bytes] = bytes) -> None:
        self._unpack = unpack
        self.size = 0
        self.first = b""
        self.last = b""
        self.begun = asyncio.Event()
        self.may_read = asyncio.Event()
        self.may_read.set()

    async def send(self, message: Any) -> None:
        await self.may_read.wait()
        if message["type"] == "http.response.body":
            body = self._unpack(message.get("body", b""))
            self.size += len(body)
            self.first = (self.first + body[:1000])[:1000]
            self.last = (self.last + body)[-1000:]
            if body:
                self.begun.set()


async def chunks(size: int) -> AsyncIterator[bytes]:
    yield HEAD
    for _ in range(size // len(CHUNK)):
        yield CHUNK
    yield TAIL


def gateway_for(app: Any, rule: dict[str, Any], monkeypatch: pytest.MonkeyPatch, **portal: Any) -> Any:
    provider = portal.pop("provider", None) or ScriptedProvider()
    config = settings(portals={"success": planhat(rule, **portal)})
    return wrapped(app, config, {"success": provider}, monkeypatch)


async def _peak_above_idle(gateway: PortalGatewayMiddleware, send: Any) -> int:
    await gateway(http_scope(user="jane"), None, Reader().send)  # what the first request builds stays
    gc.collect()
    tracemalloc.start()
    try:
        idle = tracemalloc.get_traced_memory()[0]
        await gateway(http_scope(user="jane"), None, send)
        return tracemalloc.get_traced_memory()[1] - idle
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("rule", "found_in"),
    [
        pytest.param({"at": "nav > ul"}, "first", id="at-the-beginning"),
        pytest.param({"at": "body"}, "last", id="body"),
        pytest.param({"at": "#late", "position": "before"}, "last", id="at-the-end"),
        pytest.param({"at": "#late", "mode": "loader"}, "last", id="loader-at-the-end"),
        pytest.param({"at": ".nowhere"}, "", id="nowhere"),
    ],
)
async def test_a_long_page_takes_little_memory(
    rule: dict[str, Any], found_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        fill_session(scope)
        await send({"type": "http.response.start", "status": 200, "headers": [HTML]})
        async for chunk in chunks(sizes.pop(0)):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body"})

    sizes = [MB, PAGE_MB * MB]
    gateway = gateway_for(app, rule, monkeypatch)
    reader = Reader()
    peak = await _peak_above_idle(gateway, reader.send)
    assert peak < MAX_BYTES
    assert reader.size >= PAGE_MB * MB - len(CHUNK)
    snippet = LOADER if rule.get("mode") == "loader" else LINK
    assert (snippet in reader.first, snippet in reader.last) == (found_in == "first", found_in == "last")
    await gateway.gateway.aclose()


async def test_so_does_one_that_came_compressed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        fill_session(scope)
        await send({"type": "http.response.start", "status": 200, "headers": [HTML, GZIP]})
        await send({"type": "http.response.body", "body": packed})

    pack = zlib.compressobj(1, wbits=31)
    packed = b"".join([pack.compress(chunk) async for chunk in chunks(PAGE_MB * MB)]) + pack.flush()
    gateway = gateway_for(app, {"at": "#late"}, monkeypatch)
    bodies: list[bytes] = []

    async def keep(message: Any) -> None:
        bodies.append(message.get("body", b""))

    peak = await _peak_above_idle(gateway, keep)
    # Not the 64 MB that it unpacks to: only the packed page may pile up, as it goes out.
    assert len(packed) < MB
    assert peak < MAX_BYTES + len(packed)
    unpack = zlib.decompressobj(wbits=31)
    last = b""
    for body in bodies:
        data = body
        while data:
            last = (last[-1000:] + unpack.decompress(data, MB))[-2000:]
            data = unpack.unconsumed_tail
    assert unpack.eof
    assert LINK in last
    await gateway.gateway.aclose()


@pytest.mark.parametrize("at", ["#late", "body", "nav > ul"])
@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_the_first_byte_waits_for_nothing(at: str, coding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither for the vendor, who is asked and does not answer, nor for the rest of the page."""
    goes_on = asyncio.Event()
    pack = zlib.compressobj(wbits=31)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        fill_session(scope)
        headers = [HTML, GZIP] if coding == "gzip" else [HTML]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for piece in (HEAD, TAIL):
            body = pack.compress(piece) + pack.flush(zlib.Z_SYNC_FLUSH) if coding == "gzip" else piece
            await send({"type": "http.response.body", "body": body, "more_body": True})
            await goes_on.wait()
        await send({"type": "http.response.body", "body": pack.flush() if coding == "gzip" else b""})

    vendor = ScriptedProvider()
    vendor.gate = asyncio.Event()
    gateway = gateway_for(app, {"at": at}, monkeypatch, provider=vendor, access={"budget_ms": 10_000})
    reader = Reader(zlib.decompressobj(wbits=31).decompress) if coding == "gzip" else Reader()
    request = asyncio.ensure_future(gateway(http_scope(user="jane"), None, reader.send))
    async with asyncio.timeout(5):
        await reader.begun.wait()
    assert not request.done()
    assert HEAD.startswith(reader.first)
    assert reader.first.endswith(b"<ul>" if at == "nav > ul" else b"<div id=log>\n"), "up to the place itself"
    goes_on.set()
    vendor.gate.set()
    await request
    assert LINK in reader.first
    await gateway.gateway.aclose()


async def test_a_reader_that_stalls_holds_the_app_back(monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal made
        fill_session(scope)
        await send({"type": "http.response.start", "status": 200, "headers": [HTML]})
        async for chunk in chunks(MB):
            made += 1
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body"})

    gateway = gateway_for(app, {"at": "#late"}, monkeypatch)
    reader = Reader()
    reader.may_read.clear()
    request = asyncio.ensure_future(gateway(http_scope(user="jane"), None, reader.send))
    for _ in range(100):
        await asyncio.sleep(0)
    assert made <= 2
    reader.may_read.set()
    await request
    assert made > 10
    assert LINK in reader.last
    await gateway.gateway.aclose()
