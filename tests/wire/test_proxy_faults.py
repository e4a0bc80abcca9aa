from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from proxy_harness import (
    Upstream,
    answering,
    ask,
    client,
    get,
    listening_socket,
    ok,
    once,
    proxied,
    reset_on_close,
    upstream,
)

from portal_gateway.errors import UpstreamTimeout, UpstreamUnavailable
from portal_gateway.proxy.limits import Limits, Timeouts

pytestmark = pytest.mark.usefixtures("each_way")

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"HTTP/1.1 2", id="half-a-status-line"),
        pytest.param(HEAD + b"content-length: 3\r\n", id="half-a-head"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n", id="only-an-interim-response"),
        pytest.param(b"<html>", id="no-http"),
        pytest.param(HEAD + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", id="cl-te"),
        pytest.param(HEAD + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd", id="cl-cl"),
        pytest.param(HEAD + b"x: a\r\n b\r\ncontent-length: 0\r\n\r\n", id="fold"),
        pytest.param(HEAD + b"x: " + b"y" * 100_000 + b"\r\ncontent-length: 0\r\n\r\n", id="long-head"),
        pytest.param(HEAD + b"x: y\r\n" * 50_000, id="endless-head"),
        pytest.param(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n", id="unasked-upgrade"),
        pytest.param(b"HTTP/1.1 999 X\r\ncontent-length: 0\r\n\r\n", id="status-999"),
    ],
)
async def test_what_is_wrong_before_the_response_starts_is_a_502(answer: bytes, reset: bool) -> None:
    async with upstream(once(answer, reset=reset)) as app, proxied(app.port) as sidecar:
        response = await ask(sidecar.port, get())
        assert (response.status, response.values(b"x-error")) == (502, [b"upstream_unavailable"])
        assert isinstance(sidecar.errors[0], UpstreamUnavailable)
        assert sidecar.pool.idle_count == sidecar.pool.busy_count == 0


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
@pytest.mark.parametrize(
    ("head", "body"),
    [
        pytest.param(HEAD + b"content-length: 30\r\n\r\n", b"short", id="short"),
        pytest.param(CHUNKED, b"5\r\nshort\r\n", id="no-last-chunk"),
        pytest.param(CHUNKED, b"30\r\nshort", id="half-a-chunk"),
        pytest.param(CHUNKED, b"5\r\nshort\r\nzz\r\n", id="bad-chunk-size"),
        pytest.param(CHUNKED, b"5\r\nshort-but-longer\r\n", id="chunk-longer-than-said"),
        pytest.param(CHUNKED, b"5\r\nshort\r\n0\r\nx: " + b"y" * 100_000, id="endless-trailer"),
    ],
)
async def test_what_goes_wrong_in_the_body_never_looks_complete(
    head: bytes, body: bytes, reset: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        writer.write(head)
        await started.wait()
        writer.write(body)
        await writer.drain()
        if reset:
            reset_on_close(writer)

    started = asyncio.Event()
    with caplog.at_level(logging.INFO):
        async with upstream(handler) as app, proxied(app.port) as sidecar, client(sidecar.port) as browser:
            browser.write(get())
            response = await browser.head()
            started.set()
            response = await browser.rest_of(response)
            assert response.broken
            assert b"short".startswith(response.body[:5])
            assert isinstance(sidecar.errors[0], UpstreamUnavailable)
            assert sidecar.pool.idle_count == sidecar.pool.busy_count == 0
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_reset_ends_a_body_until_close_as_broken() -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        writer.write(HEAD + b"\r\npart")
        await writer.drain()
        await started.wait()
        reset_on_close(writer)

    started = asyncio.Event()
    async with upstream(handler) as app, proxied(app.port) as sidecar, client(sidecar.port) as browser:
        browser.write(get())
        response = await browser.head()
        started.set()
        assert (await browser.rest_of(response)).broken


async def test_nobody_listens() -> None:
    with listening_socket() as sock:
        port = sock.getsockname()[1]
    async with proxied(port) as sidecar:
        response = await ask(sidecar.port, get())
        assert response.status == 502
        assert b"cannot be reached" in response.body
        assert b"127.0.0.1" not in response.body


async def test_an_unknown_host() -> None:
    async with proxied("http://upstream.invalid") as sidecar:
        assert (await ask(sidecar.port, get())).status == 502


async def test_a_tls_upstream_that_speaks_plainly() -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with upstream(handler) as app, proxied(f"https://127.0.0.1:{app.port}") as sidecar:
        assert (await ask(sidecar.port, get())).status == 502


async def waits(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await state.read_head(reader)
    await reader.read()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nx: y\r\n", b"HTTP/1.1 103 X\r\n\r\n"])
async def test_no_head_in_time_is_a_504(answer: bytes) -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await waits(state, reader, writer)

    async with upstream(handler) as app, proxied(app.port, timeouts=Timeouts(head=0.2)) as sidecar:
        response = await ask(sidecar.port, get())
        assert (response.status, response.values(b"x-error")) == (504, [b"upstream_timeout"])
        await app.until(lambda state: state.open == 0)


async def test_a_stalled_body_breaks_the_response(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + b"4\r\npart\r\n")
        await waits(state, reader, writer)

    async with upstream(handler) as app, proxied(app.port, timeouts=Timeouts(idle=0.2)) as sidecar:
        response = await ask(sidecar.port, get())
        assert (response.status, response.body, response.broken) == (200, b"part", True)
        assert isinstance(sidecar.errors[0], UpstreamTimeout)
        await app.until(lambda state: state.open == 0)
    assert not [record for record in caplog.records if record.exc_info]


async def test_an_upstream_that_does_not_read_the_body_is_a_504() -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        await over.wait()

    over = asyncio.Event()
    timeouts = Timeouts(idle=0.3)
    async with (
        upstream(handler) as app,
        proxied(app.port, timeouts=timeouts) as sidecar,
        client(sidecar.port) as browser,
    ):
        browser.write(get(b"/", b"content-length: 50000000", method=b"POST") + b"x" * 50_000_000)
        assert (await browser.response()).status == 504
        over.set()


async def test_a_slow_upload_is_the_clients_affair() -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        await reader.readexactly(1)
        await state.notify()
        writer.write(ok(await reader.readexactly(1)))

    timeouts = Timeouts(head=0.2, idle=0.2)
    async with (
        upstream(handler) as app,
        proxied(app.port, timeouts=timeouts) as sidecar,
        client(sidecar.port) as browser,
    ):
        browser.write(get(b"/", b"content-length: 2", method=b"POST") + b"a")
        await asyncio.sleep(0.5)  # more than both time-outs
        browser.write(b"b")
        assert (await browser.response()).body == b"b"


async def test_bytes_keep_a_slow_stream_alive() -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        writer.write(CHUNKED)
        for _ in range(6):
            await asyncio.sleep(0.1)
            writer.write(b"1\r\nx\r\n")
        writer.write(b"0\r\n\r\n")

    async with upstream(handler) as app, proxied(app.port, timeouts=Timeouts(head=0.3, idle=0.3)) as sidecar:
        response = await ask(sidecar.port, get())
        assert (response.body, response.broken) == (b"x" * 6, False)


async def test_the_head_limit_is_a_setting() -> None:
    answer = ok(b"", b"x: " + b"y" * 500)
    async with upstream(answering(answer)) as app:
        async with proxied(app.port, limits=Limits(head_bytes=400)) as sidecar:
            assert (await ask(sidecar.port, get())).status == 502
        async with proxied(app.port, limits=Limits(head_bytes=600)) as sidecar:
            assert (await ask(sidecar.port, get())).status == 200


@pytest.mark.parametrize("body", [b"abc", b"abcdefg"], ids=["shorter", "longer"])
async def test_a_body_that_belies_its_length_is_not_passed_on_as_a_request(body: bytes) -> None:
    """A server cannot deliver this; an app between the server and the proxy could."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        if messages:
            return messages.pop()
        return await asyncio.get_running_loop().create_future()

    async def send(message: Any) -> None:
        sent.append(message)

    sent: list[Any] = []
    async with upstream(waits) as app, proxied(app.port) as sidecar:
        scope = {
            "type": "http",
            "method": "POST",
            "scheme": "http",
            "raw_path": b"/",
            "query_string": b"",
            "client": None,
            "headers": [(b"host", b"h"), (b"content-length", b"5")],
        }
        await sidecar(scope, receive, send)
        assert sent[0]["status"] == 400
        await app.until(lambda state: state.open == 0)
