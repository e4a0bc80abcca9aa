"""The connection with a peer that answers as a script says, and as no Redis would."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop
from hypothesis import example, given, settings
from hypothesis import strategies as st
from redis_server import RedisServer
from store_kit import PATIENCE_S, Ear, redis_store, why_unavailable

from portal_gateway.observe.events import Events
from portal_gateway.settings.cache import RedisAddress
from portal_gateway.store.base import StoreUnavailable
from portal_gateway.store.redis_connection import ConnectionLost, RedisConnection


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
        pytest.param(b"-MOVED to nowhere\r\n", "garbage", id="no-error-of-redis"),
        pytest.param(b"$5\r\nab\r\n", "timeout", id="too-short"),
        pytest.param(b"$3\r\na", "timeout", id="incomplete"),
        pytest.param(None, "closed", id="closed"),
    ],
)
async def test_what_is_no_answer(answer: bytes | None, reason: str) -> None:
    async with peer(answer) as address:
        events = Events()
        store = redis_store(str(address), events=events, timeout_s=0.2 if reason == "timeout" else PATIENCE_S)
        await why_unavailable(store.get("a"))
        assert events.counts == {("store_failed", "", reason): 1}
        await store.aclose()


@pytest.mark.parametrize("more", [b"more", b"$1\r\n2\r\n"])
async def test_what_comes_unasked_is_nobodys_answer(more: bytes) -> None:
    async with peer(b"$1\r\n1\r\n" + more) as address:
        store = redis_store(str(address))
        for _ in range(3):
            assert await store.get("a") == b"1"
        await store.aclose()


@settings(deadline=None)
@given(answer=st.binary(max_size=100) | st.binary(max_size=30).map(lambda line: b"-" + line + b"\r\n"))
@example(b">1\r\n+message\r\n")
@example(b">0\r\n")
@example(b"-\xff\r\n")
@example(b"*1\r\n-LOADING\r\n")
def test_whatever_is_answered_is_a_value_or_unavailable(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(answer)
        writer.close()

    async def scenario() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            store = redis_store(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            with contextlib.suppress(StoreUnavailable):
                await store.get("a")
            await store.aclose()

    asyncio.run(scenario())


async def test_answers_in_pieces() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        for byte in b"$5\r\nab\r\n!\r\n-OOM no\r\n$-1\r\n":
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        store = redis_store(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        first, second, third = await asyncio.gather(*(store.get(key) for key in "abc"), return_exceptions=True)
        assert (first, third) == (b"ab\r\n!", None)
        assert isinstance(second, StoreUnavailable)
        assert str(second) == "it answered OOM"
        await store.aclose()


async def test_callers_that_give_up_do_not_hide_that_no_answer_comes() -> None:
    async with peer() as address:
        events = Events()
        store = redis_store(str(address), events=events, timeout_s=0.05)
        call = asyncio.create_task(store.get("a"))
        await asyncio.sleep(0)
        call.cancel()
        async with asyncio.timeout(PATIENCE_S):
            while not events.counts:
                await asyncio.sleep(0.01)
        assert events.counts == {("store_failed", "", "timeout"): 1}
        await store.aclose()


async def test_nor_do_they_end_a_connection_on_which_answers_come(redis: RedisServer) -> None:
    store = redis_store(redis.url)
    await store.put("a", b"1", 60)
    for _ in range(10):
        call = asyncio.create_task(store.get("a"))
        await asyncio.sleep(0)
        call.cancel()
        assert await store.get("a") == b"1"
    assert redis.command("INFO", "stats").count("total_connections_received:3") == 1  # start(), the store, redis-cli
    await store.aclose()


async def test_calls_share_one_connection_and_those_that_wait_are_sent_together() -> None:
    arrived: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while commands := (await reader.read(65536)).count(b"GET"):
            arrived.append(commands)
            writer.write(b"$1\r\n1\r\n" * commands)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        store = redis_store(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        first = asyncio.create_task(store.get("a"))
        while not arrived:
            await asyncio.sleep(0)
        assert await asyncio.gather(*(store.get("a") for _ in range(500))) == [b"1"] * 500
        assert await first == b"1"
        assert arrived == [1, 500]
        await store.aclose()


async def test_those_that_wait_have_the_whole_time_out_once_they_are_sent() -> None:
    """Also when a server takes more than half of it."""
    timeout_s = 0.5

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while commands := (await reader.read(65536)).count(b"GET"):
            await asyncio.sleep(0.6 * timeout_s)
            writer.write(b"$1\r\n1\r\n" * commands)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        store = redis_store(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout_s=timeout_s)
        first = asyncio.create_task(store.get("a"))
        await asyncio.sleep(0.01)
        assert await store.get("a") == b"1"
        assert await first == b"1"
        await store.aclose()


async def test_those_that_wait_fail_with_those_that_were_sent() -> None:
    async with peer() as address:
        events = Events()
        store = redis_store(str(address), events=events, timeout_s=0.1)
        first = asyncio.create_task(why_unavailable(store.get("a")))
        await asyncio.sleep(0.01)
        assert await why_unavailable(store.get("a")) == "no answer in time"
        assert first.done()
        assert events.counts == {("store_failed", "", "timeout"): 1}
        await store.aclose()


async def test_a_connection_that_was_closed_while_nobody_used_it_is_no_trouble(redis: RedisServer) -> None:
    events = Events()
    store = redis_store(redis.url, events=events)
    for _ in range(3):
        await store.put("a", b"1", 60)
        redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        for _ in range(3):  # until the loop has seen it
            await asyncio.sleep(0)
        assert await store.get("a") == b"1"
    assert not events.counts
    await store.aclose()


async def test_an_error_shows_no_more_than_its_code() -> None:
    async with peer(
        b"-ERR unknown command 'GETDEL', with args beginning with: 'portal-gateway:1:secret'\r\n"
    ) as address:
        store = redis_store(str(address))
        assert await why_unavailable(store.take("a")) == "it answered ERR"
        await store.aclose()


@pytest.mark.parametrize("code", ["LOADING", "MASTERDOWN", "READONLY"])
async def test_a_server_that_takes_no_calls_now_is_connected_to_anew(code: str) -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        calls = (await reader.read(65536)).count(b"GET")
        writer.write((f"-{code} not now\r\n".encode() if connections == 1 else b"$1\r\n1\r\n") * calls)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        events = Events()
        store = redis_store(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}", events=events)
        reasons = await asyncio.gather(*(why_unavailable(store.get("a")) for _ in range(3)))
        assert reasons == [f"it answered {code}"] * 3
        assert await store.get("a") == b"1"
        assert events.counts == {("store_failed", "", "refused"): 3}
        await store.aclose()


@pytest.mark.parametrize(
    "address",
    [
        pytest.param(RedisAddress("127.0.0.1", 1), id="refused"),
        pytest.param(RedisAddress(path="/nowhere/redis.sock"), id="no-socket"),
        pytest.param(RedisAddress("a" * 70), id="no-host-name"),
        pytest.param(RedisAddress("no-such-host.invalid"), id="unknown-host"),
    ],
)
async def test_what_cannot_be_connected_to(address: RedisAddress) -> None:
    with pytest.raises(ConnectionLost, match=r"^cannot connect: ") as caught:
        await RedisConnection(address, None).open()
    assert caught.value.reason == "connect"


async def test_a_log_in_that_is_not_answered() -> None:
    async with peer() as address:
        events = Events()
        store = redis_store(str(address).replace("//", "//:s3cret@"), events=events, timeout_s=0.05)
        assert await why_unavailable(store.get("a")) == "no answer in time"
        assert events.counts == {("store_failed", "", "timeout"): 1}
        await store.aclose()


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
        events = Events()
        store = redis_store(healthy_redis.url, events=events, timeout_s=0.2)
        await store.put("a", b"1", 60)
        for _ in range(3):
            calls = [asyncio.create_task(store.get("a")) for _ in range(10)]
            for _ in range(3):  # until they are sent
                await asyncio.sleep(0)
            time.sleep(0.3)  # the answers come meanwhile
            assert await asyncio.gather(*calls) == [b"1"] * 10
        assert not events.counts
        await store.aclose()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(scenario())
