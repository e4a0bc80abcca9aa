"""The connection with a peer that answers as a script says, and as no Redis would."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop
from redis_server import RedisServer
from store_kit import PATIENCE_S, Ear, redis_store, why_unavailable

from portal_gateway.observe.events import Events
from portal_gateway.settings.cache import RedisAddress, parse_redis_url
from portal_gateway.store.redis_connection import ConnectionLost, Refused, connect


@asynccontextmanager
async def peer(*answers: bytes | None) -> AsyncIterator[RedisAddress]:
    """A server that answers one piece of input after the other; None closes the connection."""
    writers = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        for answer in answers:
            if not await reader.read(65536) or answer is None:
                break
            writer.write(answer)
        else:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield RedisAddress("127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for writer in writers:
            writer.close()
            await writer.wait_closed()
        await server.wait_closed()


async def reason_of(call: Awaitable[object]) -> str:
    with pytest.raises(ConnectionLost) as caught:
        await call
    return caught.value.reason


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", "garbage", id="http"),
        pytest.param(b"$5\r\nab\r\n", "timeout", id="too-short"),
        pytest.param(b"+OK\r\nmore", None, id="too-long"),
        pytest.param(b"+OK\r\n+OK\r\n", None, id="one-too-many"),
        pytest.param(b"$3\r\na", "timeout", id="incomplete"),
        pytest.param(None, "closed", id="closed"),
    ],
)
async def test_what_is_no_answer(answer: bytes | None, reason: str | None) -> None:
    async with peer(answer) as address:
        connection = await connect(address, None, timeout_s=PATIENCE_S)
        if reason is None:  # the answer counts, what comes after it does not
            assert await connection.call("GET", "a", timeout_s=PATIENCE_S) == b"OK"
            await connection.closed
        else:
            assert await reason_of(connection.call("GET", "a", timeout_s=0.2)) == reason
        assert not connection.usable
        await reason_of(connection.call("GET", "a", timeout_s=PATIENCE_S))
        await connection.aclose()


async def test_answers_in_pieces() -> None:
    async with peer() as address:
        connection = await connect(address, None, timeout_s=PATIENCE_S)
        calls = [asyncio.create_task(connection.call("GET", key, timeout_s=PATIENCE_S)) for key in "abc"]
        await asyncio.sleep(0)
        for byte in b"$5\r\nab\r\n!\r\n-OOM no\r\n$-1\r\n":
            connection.data_received(bytes([byte]))
        first, second, third = await asyncio.gather(*calls, return_exceptions=True)
        assert (first, third) == (b"ab\r\n!", None)
        assert isinstance(second, Refused)
        assert second.code == "OOM"
        await connection.aclose()


async def test_callers_that_give_up_do_not_hide_that_no_answer_comes() -> None:
    async with peer() as address:
        connection = await connect(address, None, timeout_s=PATIENCE_S)
        call = asyncio.create_task(connection.call("GET", "a", timeout_s=0.05))
        await asyncio.sleep(0)
        call.cancel()
        async with asyncio.timeout(PATIENCE_S):
            await connection.closed
        assert await reason_of(connection.call("GET", "a", timeout_s=PATIENCE_S)) == "timeout"


async def test_nor_do_they_end_a_connection_on_which_answers_come() -> None:
    async with peer(b"+OK\r\n") as address:
        connection = await connect(address, None, timeout_s=PATIENCE_S)
        call = asyncio.create_task(connection.call("GET", "a", timeout_s=0.2))
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait([connection.closed], timeout=0.4)
        assert connection.usable
        await connection.aclose()


async def test_an_error_shows_no_more_than_its_code() -> None:
    async with peer(
        b"-ERR unknown command 'GETDEL', with args beginning with: 'portal-gateway:1:secret'\r\n"
    ) as address:
        store = redis_store(str(address))
        assert await why_unavailable(store.take("a")) == "it answered ERR"
        await store.aclose()


async def test_a_server_that_loads_its_data_is_connected_to_anew() -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.read(65536)
        writer.write(b"-LOADING Redis is loading the dataset in memory\r\n" if connections == 1 else b"$1\r\n1\r\n")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        events = Events()
        store = redis_store(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}", events=events)
        assert await why_unavailable(store.get("a")) == "it answered LOADING"
        assert await store.get("a") == b"1"
        assert events.counts == {("store_failed", "", "refused"): 1}
        await store.aclose()


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        pytest.param(RedisAddress("127.0.0.1", 1), "connect", id="refused"),
        pytest.param(RedisAddress(path="/nowhere/redis.sock"), "connect", id="no-socket"),
        pytest.param(RedisAddress("a" * 70), "connect", id="no-host-name"),
        pytest.param(RedisAddress("no-such-host.invalid"), "connect", id="unknown-host"),
    ],
)
async def test_what_cannot_be_connected_to(address: RedisAddress, reason: str) -> None:
    assert await reason_of(connect(address, None, timeout_s=PATIENCE_S)) == reason


async def test_a_log_in_that_is_not_answered() -> None:
    async with peer() as address:
        locked = RedisAddress(address.host, address.port, password="s3cret")
        assert await reason_of(connect(locked, None, timeout_s=0.05)) == "timeout"


BOTH_LOOPS = pytest.mark.parametrize(
    "new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)


@BOTH_LOOPS
def test_under_the_loops_that_servers_use(
    redis: RedisServer, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def scenario() -> None:
        for url in (redis.url, f"unix://{redis.socket}"):
            store, ear = redis_store(url), Ear()
            store.listen(ear.heard, ear.missed)
            await asyncio.gather(*(store.put(f"key-{n}", b"%d" % n, 60) for n in range(100)))
            assert await asyncio.gather(*(store.get(f"key-{n}") for n in range(100))) == [b"%d" % n for n in range(100)]
            await ear.until(lambda ear: ear.misses == 1)
            await store.publish(b"hello")
            await ear.until(lambda ear: ear.messages == [b"hello"])
            redis.restart()
            await ear.until(lambda ear: ear.misses == 2)
            assert await store.get("key-1") is None
            await store.aclose()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(scenario())


@BOTH_LOOPS
def test_an_answer_counts_even_if_the_loop_was_busy_until_after_the_time_out(
    healthy_redis: RedisServer, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def scenario() -> None:
        connection = await connect(parse_redis_url(healthy_redis.url), None, timeout_s=PATIENCE_S)
        for _ in range(3):
            calls = [asyncio.create_task(connection.call("PING", timeout_s=0.05)) for _ in range(10)]
            await asyncio.sleep(0)
            time.sleep(0.1)  # the answers come meanwhile
            assert await asyncio.gather(*calls) == [b"PONG"] * 10
        await connection.aclose()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(scenario())
