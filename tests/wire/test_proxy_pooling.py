from __future__ import annotations

import asyncio
from typing import Any

import pytest
from proxy_harness import (
    PATIENCE_S,
    Passage,
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
from portal_gateway.proxy.connection import UpstreamConnection
from portal_gateway.proxy.limits import Limits, Timeouts
from portal_gateway.proxy.pool import TICK_S, ConnectionPool

pytestmark = pytest.mark.usefixtures("each_way")

STREAM = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n"


async def endless(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends the first event of a stream and waits for the proxy to hang up."""
    await state.read_head(reader)
    writer.write(STREAM)
    await reader.read()


async def silent(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await state.read_head(reader)
    await reader.read()


async def test_one_connection_serves_many_requests_of_many_clients() -> None:
    async with upstream(answering(ok())) as app, proxied(app.port) as sidecar:
        for _ in range(20):
            assert (await ask(sidecar.port, get())).body == b"ok"
        assert app.accepted == 1
        assert (sidecar.pool.idle_count, sidecar.pool.busy_count) == (1, 0)


async def test_a_fault_of_our_own_gives_a_connection_back_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given back twice, it would serve two clients at the same time."""
    async with upstream(answering(ok())) as app, proxied(app.port) as sidecar:
        with monkeypatch.context() as patch:
            patch.setattr(Passage, "over", lambda *_: 1 / 0)
            async with client(sidecar.port) as connection:
                connection.write(get(b"/", b"connection: close"))
                await connection.reader.read()
        assert (sidecar.pool.idle_count, sidecar.pool.busy_count) == (1, 0)
        assert (await ask(sidecar.port, get())).body == b"ok"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(ok(b"ok", b"connection: close"), id="close"),
        pytest.param(b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", id="http-1.0"),
        pytest.param(ok() + ok(), id="second-response"),
        pytest.param(ok() + b"x", id="garbage"),
    ],
)
async def test_connections_that_cannot_be_trusted_are_not_reused(answer: bytes) -> None:
    async with upstream(answering(answer)) as app, proxied(app.port) as sidecar:
        for _ in range(3):
            assert (await ask(sidecar.port, get())).body == b"ok"
        assert app.accepted == 3
        assert sidecar.pool.idle_count == 0
        await app.until(lambda state: state.open == 0)


async def test_a_response_that_nobody_asked_for_closes_an_idle_connection() -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        writer.write(ok())
        await release.wait()
        writer.write(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
        await reader.read()

    release, limits = asyncio.Event(), Limits(idle_expiry_s=600)
    async with upstream(handler) as app, proxied(app.port, limits=limits) as sidecar:
        assert (await ask(sidecar.port, get())).status == 200
        release.set()
        await app.until(lambda state: state.open == 0)
        assert (await ask(sidecar.port, get())).status == 200
        assert app.accepted == 2


class GoesStale:
    """Keep-alive at first; the second request on a connection is met by its end."""

    def __init__(self, *, reset: bool) -> None:
        self.reset = reset

    async def __call__(self, state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        writer.write(ok())
        await reader.readexactly(1)
        if self.reset:
            reset_on_close(writer)


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("method", [b"GET", b"DELETE"])
async def test_a_stale_connection_is_retried_once_for_what_may_be_repeated(method: bytes, reset: bool) -> None:
    async with upstream(GoesStale(reset=reset)) as app, proxied(app.port) as sidecar:
        await ask(sidecar.port, get())
        assert (await ask(sidecar.port, get(method=method))).status == 200
        assert (app.accepted, sidecar.errors) == (2, [])


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(get(b"/", b"content-length: 0", method=b"POST"), id="post"),
        pytest.param(get(b"/", b"content-length: 1", method=b"PUT") + b"x", id="put-with-body"),
    ],
)
async def test_a_stale_connection_is_not_retried_for_anything_else(request_: bytes) -> None:
    async with upstream(GoesStale(reset=False)) as app, proxied(app.port) as sidecar:
        await ask(sidecar.port, get())
        assert (await ask(sidecar.port, request_)).status == 502
        assert app.accepted == 1


async def test_a_fresh_connection_that_breaks_is_not_retried() -> None:
    async with upstream(once(b"")) as app, proxied(app.port) as sidecar:
        assert (await ask(sidecar.port, get())).status == 502
        assert app.accepted == 1


async def test_a_broken_head_on_a_kept_connection_is_not_retried() -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        writer.write(ok())
        await state.read_head(reader)
        writer.write(b"HTTP/1.1 200 O")

    async with upstream(handler) as app, proxied(app.port) as sidecar:
        await ask(sidecar.port, get())
        assert (await ask(sidecar.port, get())).status == 502
        assert app.accepted == 1


async def test_the_retry_uses_a_new_connection_even_if_others_are_idle() -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        await both.wait()
        writer.write(ok())
        if state.accepted < 3:
            await reader.readexactly(1)
        else:
            await reader.read()

    both = asyncio.Event()
    async with upstream(handler) as app, proxied(app.port) as sidecar:
        asked = [asyncio.create_task(ask(sidecar.port, get())) for _ in range(2)]
        await app.until(lambda state: len(state.heads) == 2)
        both.set()
        await asyncio.gather(*asked)
        assert sidecar.pool.idle_count == 2
        assert (await ask(sidecar.port, get())).status == 200
        assert app.accepted == 3


async def test_no_more_connections_than_allowed() -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await state.read_head(reader)
            at_once.append(sidecar.pool.busy_count)
            writer.write(ok())

    at_once: list[int] = []
    async with upstream(handler) as app, proxied(app.port, limits=Limits(max_connections=3)) as sidecar:
        responses = await asyncio.gather(*(ask(sidecar.port, get()) for _ in range(30)))
        assert {response.status for response in responses} == {200}
        assert app.accepted <= 3
        assert max(at_once) <= 3


async def test_waiting_for_a_connection_is_bounded() -> None:
    limits, timeouts = Limits(max_connections=1), Timeouts(connect=0.2)
    async with (
        upstream(endless) as app,
        proxied(app.port, limits=limits, timeouts=timeouts) as sidecar,
        client(sidecar.port) as first,
    ):
        first.write(get())
        assert (await first.head()).status == 200
        assert (await ask(sidecar.port, get())).status == 504
        assert isinstance(sidecar.errors[0], UpstreamTimeout)
        assert app.accepted == 1


async def test_a_waiting_request_gets_the_place_of_a_connection_that_is_closed() -> None:
    async with (
        upstream(once(ok(b"ok", b"connection: close"))) as app,
        proxied(app.port, limits=Limits(max_connections=1)) as sidecar,
    ):
        responses = await asyncio.gather(*(ask(sidecar.port, get()) for _ in range(10)))
        assert [response.status for response in responses] == [200] * 10
        assert app.accepted == 10


async def test_places_come_back_after_failures_of_every_kind() -> None:
    with listening_socket() as taken:
        port = taken.getsockname()[1]
    limits = Limits(max_connections=1)
    async with proxied(port, limits=limits) as sidecar:
        for _ in range(3):
            response = await ask(sidecar.port, get())
            assert (response.status, response.values(b"x-error")) == (502, [b"upstream_unavailable"])
    async with upstream(once(b"nonsense")) as app, proxied(app.port, limits=limits) as sidecar:
        for _ in range(3):
            assert (await ask(sidecar.port, get())).status == 502
        assert app.accepted == 3


async def used_connection(pool: ConnectionPool) -> UpstreamConnection:
    """A connection after an exchange, fit for another and not yet released."""
    connection = await pool.acquire()
    response = connection.begin(get(), "GET")
    while response.head is None:
        await connection.more()
    return connection


@pytest.mark.parametrize("fresh", [True, False], ids=["wants-a-fresh-one", "finds-it-closing"])
async def test_a_waiter_does_not_take_a_connection_that_is_not_for_it(fresh: bool) -> None:
    async with (
        upstream(answering(ok())) as app,
        proxied(app.port, limits=Limits(max_connections=1), timeouts=Timeouts(connect=1)) as sidecar,
    ):
        pool = sidecar.pool
        held = await used_connection(pool)
        waiting = asyncio.create_task(pool.acquire(fresh=fresh))
        await asyncio.sleep(0)
        pool.release(held)
        if not fresh:
            held.abort()
        assert await waiting is not held
        assert app.accepted == 2
        pool.release(await waiting)


async def test_an_idle_connection_that_is_closing_is_passed_over() -> None:
    async with upstream(answering(ok())) as app, proxied(app.port) as sidecar:
        pool = sidecar.pool
        older, newer = await used_connection(pool), await used_connection(pool)
        pool.release(older)
        pool.release(newer)
        newer.abort()
        assert await pool.acquire() is older
        pool.release(older)


@pytest.mark.parametrize("reusable", [True, False], ids=["served-a-connection", "served-a-place"])
async def test_a_waiter_cancelled_as_it_is_served_gives_back_what_it_got(reusable: bool) -> None:
    loop = asyncio.get_running_loop()
    async with (
        upstream(answering(ok())) as app,
        proxied(app.port, limits=Limits(max_connections=1), timeouts=Timeouts(connect=1)) as sidecar,
    ):
        pool = sidecar.pool
        held = await used_connection(pool)
        waiting = asyncio.create_task(pool.acquire())
        await asyncio.sleep(0)
        # Each cancels after the waiter has been served and before it runs again: a connection is handed over
        # here, a place in the next turn of the loop, when the socket is gone.
        if reusable:
            pool.release(held)
            waiting.cancel()
        else:
            held.abort()
            pool.release(held)
            loop.call_soon(waiting.cancel)
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        assert (await ask(sidecar.port, get())).status == 200
        assert app.accepted == 2


async def test_a_waiter_cancelled_before_it_is_served_is_passed_over() -> None:
    async with (
        upstream(answering(ok())) as app,
        proxied(app.port, limits=Limits(max_connections=1), timeouts=Timeouts(connect=1)) as sidecar,
    ):
        pool = sidecar.pool
        held = await pool.acquire()
        first, second = (asyncio.create_task(pool.acquire()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        held.abort()
        pool.release(held)
        pool.release(await second)
        assert first.cancelled()
        assert (await ask(sidecar.port, get())).status == 200


async def test_idle_connections_are_few_and_expire() -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await state.read_head(reader)
            await all_here.wait()
            writer.write(ok())

    all_here = asyncio.Event()
    limits = Limits(max_idle=2, idle_expiry_s=0.1)
    async with upstream(handler) as app, proxied(app.port, limits=limits) as sidecar:
        asked = [asyncio.create_task(ask(sidecar.port, get())) for _ in range(5)]
        await app.until(lambda state: len(state.heads) == 5)
        all_here.set()
        await asyncio.gather(*asked)
        assert sidecar.pool.idle_count == 2
        await app.until(lambda state: state.open == 0)
        assert sidecar.pool.idle_count == 0


async def test_the_most_recent_connection_is_used_first() -> None:
    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = state.accepted
        while True:
            await state.read_head(reader)
            served.append(number)
            if len(served) <= 2:
                await gates[number].wait()
            writer.write(ok())

    served: list[int] = []
    gates = {1: asyncio.Event(), 2: asyncio.Event()}
    async with upstream(handler) as app, proxied(app.port) as sidecar:
        asked = {}
        for number in (1, 2):
            asked[number] = asyncio.create_task(ask(sidecar.port, get()))
            await app.until(lambda state, number=number: len(state.heads) == number)  # type: ignore[misc]
        for number in (2, 1):
            gates[number].set()
            await asked[number]
        for _ in range(3):
            await ask(sidecar.port, get())
        assert served == [1, 2, 1, 1, 1]


@pytest.mark.parametrize("handler", [endless, silent], ids=["in-the-body", "before-the-head"])
async def test_a_client_that_leaves_frees_the_upstream_at_once(handler: Any) -> None:
    async with upstream(handler) as app, proxied(app.port) as sidecar:
        async with client(sidecar.port) as browser:
            browser.write(get())
            await app.until(lambda state: len(state.heads) == 1)
            if handler is endless:
                await browser.head()
        loop = asyncio.get_running_loop()
        left_at = loop.time()
        await app.until(lambda state: state.open == 0)
        assert loop.time() - left_at < 20 * TICK_S
        assert sidecar.pool.busy_count == 0
        assert sidecar.errors == []


async def test_a_client_that_leaves_in_its_upload_frees_the_upstream() -> None:
    async with upstream(silent) as app, proxied(app.port) as sidecar:
        async with client(sidecar.port) as browser:
            browser.write(get(b"/", b"content-length: 100", method=b"POST") + b"half")
            await app.until(lambda state: len(state.heads) == 1)
        await app.until(lambda state: state.open == 0)
        assert sidecar.errors == []


async def test_shutdown_closes_idle_and_busy_connections() -> None:
    async with upstream(endless) as app:
        async with proxied(app.port) as sidecar, client(sidecar.port) as browser:
            browser.write(get())
            started = await browser.head()
            await sidecar.proxy.aclose()
            assert (await browser.rest_of(started)).broken
            assert isinstance(sidecar.errors[0], UpstreamUnavailable)
            assert (await ask(sidecar.port, get())).status == 502
        await app.until(lambda state: state.open == 0)


async def test_lifespan_is_answered_and_closes_the_pool() -> None:
    async with upstream(answering(ok())) as app:
        async with proxied(app.port) as sidecar:
            await ask(sidecar.port, get())
            assert app.open == 1
        async with asyncio.timeout(PATIENCE_S):
            await app.until(lambda state: state.open == 0)
