from __future__ import annotations

import asyncio
import hashlib
import tracemalloc

import pytest
from proxy_harness import PATIENCE_S, Upstream, client, get, ok, proxied, upstream

from portal_gateway.proxy.limits import Timeouts

pytestmark = pytest.mark.usefixtures("each_way")

MB = 1024 * 1024
# What lies between the two ends of a stalled stream: four socket buffers, uvicorn's and our own.
BUFFERS_BYTES = 24 * MB


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_large_upload_arrives_whole(chunked: bool) -> None:
    body = bytes(range(256)) * 4 * 1024 * 10

    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        digest = hashlib.sha256()
        if chunked:
            while size := int(await reader.readuntil(b"\r\n"), 16):
                digest.update((await reader.readexactly(size + 2))[:-2])
            await reader.readexactly(2)
        else:
            digest.update(await reader.readexactly(len(body)))
        writer.write(ok(digest.hexdigest().encode()))
        await reader.read()

    async with upstream(handler) as app, proxied(app.port) as sidecar, client(sidecar.port) as browser:
        if chunked:
            browser.write(get(b"/", b"transfer-encoding: chunked", method=b"POST"))
            step = 100_000
            for at in range(0, len(body), step):
                piece = body[at : at + step]
                browser.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                await browser.writer.drain()
            browser.writer.write(b"0\r\n\r\n")
        else:
            browser.write(get(b"/", b"content-length: %d" % len(body), method=b"POST") + body)
        response = await browser.response()
        assert response.body == hashlib.sha256(body).hexdigest().encode()
        assert sidecar.pool.idle_count == 1


async def test_a_slow_client_holds_the_upstream_back_and_fills_no_memory() -> None:
    piece, pieces = b"x" * MB, 100
    sent = 0

    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await state.read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (len(piece) * pieces))
        for _ in range(pieces):
            writer.write(piece)
            try:
                async with asyncio.timeout(None if resumed.is_set() else 1):
                    await writer.drain()
            except TimeoutError:
                stalled.set()
                await resumed.wait()
                await writer.drain()
            sent += len(piece)

    stalled, resumed = asyncio.Event(), asyncio.Event()
    timeouts = Timeouts(idle=0.5)  # must not strike while the client is the slow side
    async with upstream(handler) as app, proxied(app.port, timeouts=timeouts) as sidecar:
        async with client(sidecar.port) as browser:
            reader = browser.reader
            tracemalloc.start()
            browser.write(get())
            await reader.readuntil(b"\r\n\r\n")
            async with asyncio.timeout(PATIENCE_S):
                await stalled.wait()
            assert sent < BUFFERS_BYTES
            assert tracemalloc.get_traced_memory()[1] < 8 * MB
            tracemalloc.stop()
            resumed.set()
            received = 0
            while received < len(piece) * pieces:
                data = await reader.read(MB)
                assert data
                received += len(data)
        assert sidecar.errors == []


async def test_a_slow_upstream_holds_the_client_back() -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        await resumed.wait()
        left = size
        while left:
            left -= len(await reader.read(MB))
        writer.write(ok(b"all"))

    size, resumed, written = 100 * MB, asyncio.Event(), 0
    async with upstream(handler) as app, proxied(app.port) as sidecar, client(sidecar.port) as browser:
        browser.write(get(b"/", b"content-length: %d" % size, method=b"PUT"))
        piece = b"x" * MB
        for _ in range(size // MB):
            browser.writer.write(piece)
            written += MB
            try:
                async with asyncio.timeout(None if resumed.is_set() else 1):
                    await browser.writer.drain()
            except TimeoutError:
                assert written < BUFFERS_BYTES
                resumed.set()
                await browser.writer.drain()
        assert resumed.is_set()
        assert (await browser.response()).body == b"all"


async def test_the_first_event_of_a_stream_comes_at_once() -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for number in range(3):
            event = b"data: %d\n\n" % number
            writer.write(b"%x\r\n%b\r\n" % (len(event), event))
            await seen[number].wait()
        writer.write(b"0\r\n\r\n")

    seen = [asyncio.Event() for _ in range(3)]
    async with upstream(handler) as app, proxied(app.port) as sidecar, client(sidecar.port) as browser:
        browser.write(get())
        response = await browser.head()
        assert response.values(b"content-type") == [b"text/event-stream"]
        for number in range(3):
            # The upstream sends the next event only after this one has been seen.
            assert bytes((await browser.event()).data) == b"data: %d\n\n" % number
            seen[number].set()
        assert not (await browser.rest_of(response)).broken


async def test_both_directions_stream_at_the_same_time() -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while size := int(await reader.readuntil(b"\r\n"), 16):
            data = await reader.readexactly(size + 2)
            writer.write(b"%x\r\n%b" % (size, data))
        await reader.readexactly(2)
        writer.write(b"0\r\n\r\n")
        await reader.read()

    async with upstream(handler) as app, proxied(app.port) as sidecar, client(sidecar.port) as browser:
        browser.write(get(b"/", b"transfer-encoding: chunked", method=b"POST"))
        response = await browser.head()
        for word in (b"one", b"two", b"three"):
            browser.write(b"%x\r\n%b\r\n" % (len(word), word))
            assert bytes((await browser.event()).data) == word
        browser.write(b"0\r\n\r\n")
        assert not (await browser.rest_of(response)).broken
        assert sidecar.pool.idle_count == 1


@pytest.mark.parametrize("close", [True, False])
async def test_an_early_response_to_an_unfinished_upload(close: bool) -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        await reader.readexactly(1000)
        extra = [b"connection: close"] if close else []
        writer.write(ok(b"too much", *extra, status=b"413 Content Too Large"))
        if not close:
            await reader.read()

    async with upstream(handler) as app, proxied(app.port) as sidecar, client(sidecar.port) as browser:
        browser.write(get(b"/", b"content-length: 10000000", method=b"POST") + b"x" * 100_000)
        response = await browser.response()
        assert (response.status, response.body, response.broken) == (413, b"too much", False)
        # The rest of the upload belongs to nobody: the upstream's connection must not be used again.
        assert sidecar.pool.idle_count == 0
        await app.until(lambda state: state.open == 0)


EXPECTING = get(b"/", b"expect: 100-continue", b"content-length: 4", method=b"POST")


async def test_the_clients_100_is_the_upstreams() -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await state.read_head(reader)
        assert b"\r\nexpect: 100-continue\r\n" in head
        await allowed.wait()
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        writer.write(ok(await reader.readexactly(4)))
        await reader.read()

    allowed = asyncio.Event()
    async with upstream(handler) as app, proxied(app.port) as sidecar, client(sidecar.port) as browser:
        browser.write(EXPECTING)
        await app.until(lambda state: len(state.heads) == 1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await browser.reader.readexactly(1)
        allowed.set()
        async with asyncio.timeout(PATIENCE_S):
            assert await browser.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        browser.write(b"body")
        assert (await browser.response()).body == b"body"
        assert sidecar.pool.idle_count == 1


async def test_a_refusal_instead_of_the_100_spares_the_body_and_ends_the_connection() -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        writer.write(ok(b"no", status=b"417 Expectation Failed"))
        await reader.read()

    async with upstream(handler) as app, proxied(app.port) as sidecar, client(sidecar.port) as browser:
        response = await browser.request(EXPECTING)
        assert (response.status, response.values(b"connection")) == (417, [b"close"])
        await app.until(lambda state: state.open == 0)


async def test_an_upstream_that_ignores_the_expectation_gets_the_body_anyway() -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        writer.write(ok(await reader.readexactly(4)))

    async with upstream(handler) as app, proxied(app.port) as sidecar, client(sidecar.port) as browser:
        browser.write(EXPECTING)
        async with asyncio.timeout(PATIENCE_S):
            assert await browser.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        browser.write(b"body")
        assert (await browser.response()).body == b"body"


async def test_a_client_that_leaves_a_paused_download_frees_the_upstream() -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * MB)
            await writer.drain()

    async with upstream(handler) as app, proxied(app.port) as sidecar:
        async with client(sidecar.port) as browser:
            browser.write(get())
            await browser.head()
        await app.until(lambda state: state.open == 0)
        assert sidecar.pool.busy_count == 0
