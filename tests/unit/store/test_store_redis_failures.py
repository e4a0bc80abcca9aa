"""A real server that is killed, paused, restarted, full or read only while it is used."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import AsyncIterator

import pytest
from redis_server import RedisServer, running_redis
from store_kit import Clock, Ear, redis_store, why_unavailable

from portal_gateway.observe.events import Events
from portal_gateway.store import redis_listener
from portal_gateway.store.base import StoreUnavailable
from portal_gateway.store.redis import RedisStore
from portal_gateway.store.redis_trouble import COOL_DOWN_S, FAILURES_TO_COOL_DOWN

LONG_S = 60.0
SHORT_TIMEOUT_S = 0.05
TIMEOUT = ("store_failed", "", "timeout")


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(redis: RedisServer, events: Events, clock: Clock) -> AsyncIterator[RedisStore]:
    """Calls that wait for a server that does not answer are given up after 50 ms."""
    store = redis_store(redis.url, events=events, timeout_s=SHORT_TIMEOUT_S, clock=clock)
    yield store
    await store.aclose()


async def until_answered(store: RedisStore, clock: Clock) -> None:
    """The machine may be too busy for a time-out of 50 ms."""
    async with asyncio.timeout(30):
        while True:
            try:
                await store.get("x")
            except StoreUnavailable:
                clock.now += COOL_DOWN_S
                continue
            return


async def fail(store: RedisStore, times: int) -> None:
    for _ in range(times):
        await why_unavailable(store.get("a"))


async def test_nothing_is_connected_to_before_the_first_call() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        store = redis_store(f"redis://127.0.0.1:{listener.getsockname()[1]}", timeout_s=SHORT_TIMEOUT_S)
        store.listen(lambda message: None, lambda: None)
        await asyncio.sleep(0)
        with pytest.raises(BlockingIOError):
            listener.accept()
        await why_unavailable(store.get("a"))
        listener.accept()[0].close()
        await store.aclose()


async def test_a_server_that_is_not_there_yet(
    redis: RedisServer, store: RedisStore, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    redis.kill()
    await fail(store, 20)
    redis.start()
    assert await why_unavailable(store.get("a")) == "away"
    clock.now += COOL_DOWN_S
    await until_answered(store, clock)
    away, back = caplog.messages
    assert away.startswith(f"{redis.url} is away: cannot connect: ")
    assert back.startswith(f"{redis.url} is back after ")


async def test_a_killed_server_costs_a_few_calls_and_then_nothing(
    redis: RedisServer, store: RedisStore, clock: Clock, events: Events
) -> None:
    await until_answered(store, clock)
    events.counts.clear()
    redis.kill()
    await fail(store, 50)
    tried = FAILURES_TO_COOL_DOWN
    assert events.counts["store_failed", "", "cool_down"] == 50 - tried
    assert events.counts["store_failed", "", "connect"] in (tried, tried - 1)  # the first may be "closed"


async def test_a_restart_between_calls_costs_one_call_at_most(redis: RedisServer) -> None:
    store = redis_store(redis.url)
    for _ in range(5):
        await store.put("a", b"1", LONG_S)
        redis.restart()
        with contextlib.suppress(StoreUnavailable):
            await store.get("a")
        assert await store.get("a") is None
    await store.aclose()


async def test_a_paused_server_costs_three_time_outs(
    redis: RedisServer, store: RedisStore, clock: Clock, events: Events, caplog: pytest.LogCaptureFixture
) -> None:
    await until_answered(store, clock)
    events.counts.clear()
    caplog.clear()
    redis.pause()
    await fail(store, 50)
    assert events.counts == {
        TIMEOUT: FAILURES_TO_COOL_DOWN,
        ("store_failed", "", "cool_down"): 50 - FAILURES_TO_COOL_DOWN,
    }
    clock.now += COOL_DOWN_S
    await fail(store, 50)  # of which one tried
    assert events.counts[TIMEOUT] == FAILURES_TO_COOL_DOWN + 1
    redis.resume()
    clock.now += COOL_DOWN_S
    await until_answered(store, clock)
    away, back = caplog.messages
    assert away == f"{redis.url} is away: no answer in time"
    assert back.startswith(f"{redis.url} is back after ")


async def test_calls_that_wait_together_fail_together(
    redis: RedisServer, store: RedisStore, clock: Clock, events: Events
) -> None:
    await until_answered(store, clock)
    events.counts.clear()
    redis.pause()
    reasons = await asyncio.gather(*(why_unavailable(store.get("a")) for _ in range(500)))
    assert set(reasons) == {"no answer in time"}
    assert events.counts[TIMEOUT] == 1


async def test_while_one_call_tries_the_others_do_not_wait(
    redis: RedisServer, store: RedisStore, clock: Clock, events: Events
) -> None:
    redis.pause()
    await fail(store, FAILURES_TO_COOL_DOWN)
    clock.now += COOL_DOWN_S
    reasons = await asyncio.gather(*(why_unavailable(store.get("a")) for _ in range(100)))
    assert sorted(set(reasons)) == ["away", "no answer in time"]
    assert reasons.count("away") == 99


async def test_out_of_memory_refuses_what_needs_more(
    tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    events = Events()
    options = ("--maxmemory-policy", "noeviction")
    with running_redis(tmp_path_factory.mktemp("redis"), *options) as server:
        store = redis_store(server.url, events=events)
        await store.put("a", b"1", LONG_S)
        server.command("CONFIG", "SET", "maxmemory", "1")
        for _ in range(5):
            assert await why_unavailable(store.put("b", b"1", LONG_S)) == "it answered OOM"
            assert await why_unavailable(store.add("b", b"1", LONG_S)) == "it answered OOM"
            assert await why_unavailable(store.put_if("a", b"1", "b", b"1", LONG_S)) == "it answered OOM"
            assert await why_unavailable(store.spend("c", 60, 1, 1)) == "it answered OOM"
            assert await store.get("a") == b"1"
        assert await store.drop_if("a", b"1")
        server.command("CONFIG", "SET", "maxmemory", "0")
        assert await store.add("b", b"1", LONG_S)
        assert await store.put_if("b", b"1", "a", b"1", LONG_S)
        assert await store.spend("c", 60, 1, 1) == 0
        await store.put("b", b"1", LONG_S)
        await store.aclose()
    assert caplog.messages == [f"{server.url} refuses put: OOM", f"{server.url} no longer refuses anything"]
    assert events.counts == {("store_failed", "", "refused"): 20}


async def test_a_server_that_became_a_replica(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    store = redis_store(redis.url)
    await store.put("a", b"1", LONG_S)
    redis.command("REPLICAOF", "127.0.0.1", "1")
    assert await why_unavailable(store.put("a", b"2", LONG_S)) == "it answered READONLY"
    assert await store.get("a") == b"1"
    redis.command("REPLICAOF", "NO", "ONE")
    await store.put("a", b"3", LONG_S)
    await store.aclose()
    assert caplog.messages == [f"{redis.url} refuses put: READONLY", f"{redis.url} no longer refuses anything"]


async def test_callers_that_go_away_leave_the_others_their_answers(redis: RedisServer) -> None:
    store = redis_store(redis.url)
    for n in range(100):
        await store.put(f"key-{n}", b"%d" % n, LONG_S)
    for round_ in range(20):
        calls = [asyncio.create_task(store.get(f"key-{n}")) for n in range(100)]
        for _ in range(round_ % 4):
            await asyncio.sleep(0)
        for call in calls[round_ % 3 :: 3]:
            call.cancel()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        for n, answer in enumerate(answers):
            assert isinstance(answer, asyncio.CancelledError) or answer == b"%d" % n
    await store.aclose()


async def test_a_caller_that_goes_away_while_connecting_leaves_the_others_the_connection(redis: RedisServer) -> None:
    store = redis_store(redis.url)
    first, second = asyncio.create_task(store.get("a")), asyncio.create_task(store.get("a"))
    await asyncio.sleep(0)
    first.cancel()
    assert await second is None
    assert first.cancelled()
    assert len(redis.command("CLIENT", "LIST", "TYPE", "normal").splitlines()) == 2  # the store and redis-cli
    await store.aclose()


async def test_whatever_happens_nobody_gets_what_belongs_to_another(redis: RedisServer, events: Events) -> None:
    """Many callers, while the server is killed and paused. Each value tells its key."""
    cool_downs_pass_at_once = itertools.count(step=COOL_DOWN_S).__next__
    store = redis_store(redis.url, events=events, timeout_s=SHORT_TIMEOUT_S, clock=cool_downs_pass_at_once)
    done = asyncio.Event()
    right = 0

    async def call_all_the_time(name: str) -> None:
        nonlocal right
        n = 0
        while not done.is_set():
            n += 1
            key = f"{name}-{n % 5}"
            try:
                await store.put(key, key.encode(), LONG_S)
                assert await store.get(key) in (key.encode(), None)
                assert await store.take(key) in (key.encode(), None)
                right += 1
            except StoreUnavailable:
                await asyncio.sleep(0)

    callers = [asyncio.create_task(call_all_the_time(f"caller-{n}")) for n in range(20)]
    for round_ in range(12):
        before = right
        while right < before + 200:
            await asyncio.sleep(0)
        if round_ % 2:
            await asyncio.to_thread(redis.restart)
        else:
            before = events.counts[TIMEOUT]
            redis.pause()
            while events.counts[TIMEOUT] == before:
                await asyncio.sleep(0)
            redis.resume()
    done.set()
    await asyncio.gather(*callers)
    await store.aclose()


async def test_closing_does_not_wait_for_a_server_that_does_not_answer(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    store = redis_store(redis.url)
    store.listen(lambda message: None, lambda: None)
    await store.get("a")
    redis.pause()
    waiting = [asyncio.create_task(why_unavailable(store.get("a"))) for _ in range(10)]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):  # calls have 10
        await store.aclose()
        assert set(await asyncio.gather(*waiting)) == {"closed by us"}
    assert await why_unavailable(store.get("a")) == "closed"
    assert caplog.messages == []


async def test_closing_while_connecting(redis: RedisServer) -> None:
    redis.pause()
    store = redis_store(f"redis://:password@127.0.0.1:{redis.port}")
    waiting = asyncio.create_task(why_unavailable(store.get("a")))
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await store.aclose()
        await waiting


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The listener asks the server often whether it is there."""
    monkeypatch.setattr(redis_listener, "SILENCE_S", 0.1)


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("trouble", ["restart", "pause"])
async def test_the_listener_comes_back_and_says_that_it_missed_something(
    redis: RedisServer, events: Events, trouble: str
) -> None:
    store = redis_store(redis.url, events=events)
    ear = Ear()
    store.listen(ear.heard, ear.missed)
    await store.get("a")
    await ear.until(lambda ear: ear.misses == 1)
    if trouble == "restart":
        redis.restart()
    else:
        redis.pause()
        while not events.counts[TIMEOUT]:
            await asyncio.sleep(0)
        redis.resume()
    await ear.until(lambda ear: ear.misses == 2)
    await store.publish(b"hello")
    await ear.until(lambda ear: ear.messages == [b"hello"])
    await store.aclose()


@pytest.mark.usefixtures("often")
async def test_the_listener_ends_the_cool_down(redis: RedisServer, clock: Clock) -> None:
    store = redis_store(redis.url, clock=clock)
    ear = Ear()
    store.listen(ear.heard, ear.missed)
    redis.kill()
    await fail(store, 10)
    redis.start()
    await ear.until(lambda ear: ear.misses == 1)
    assert await store.get("a") is None  # and the clock stood still
    await store.aclose()


async def test_the_listener_may_be_cut_off_alone(redis: RedisServer) -> None:
    store = redis_store(redis.url)
    ear = Ear()
    store.listen(ear.heard, ear.missed)
    await store.get("a")
    await ear.until(lambda ear: ear.misses == 1)
    redis.command("CLIENT", "KILL", "TYPE", "pubsub")
    await ear.until(lambda ear: ear.misses == 2)
    await store.publish(b"hello")
    await ear.until(lambda ear: ear.messages == [b"hello"])
    await store.aclose()
