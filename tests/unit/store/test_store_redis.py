"""What replicas share, and what not."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
from redis_server import RedisServer
from store_kit import Ear, redis_store

from portal_gateway.store.redis import RedisStore


@pytest.fixture
def prefix() -> str:
    return f"test-{uuid.uuid4().hex}:"


@pytest.fixture
async def replicas(healthy_redis: RedisServer, prefix: str) -> AsyncIterator[list[RedisStore]]:
    stores = [redis_store(healthy_redis.url, prefix=prefix) for _ in range(4)]
    yield stores
    for store in stores:
        await store.aclose()


async def test_what_one_puts_all_get(replicas: list[RedisStore]) -> None:
    await replicas[0].put("a", b"1", 60)
    assert [await store.get("a") for store in replicas] == [b"1"] * 4
    assert [await store.take("a") for store in replicas] == [b"1", None, None, None]


async def test_they_spend_one_budget(replicas: list[RedisStore]) -> None:
    waits = await asyncio.gather(*(store.spend("a", 1, 10, 0) for store in replicas for _ in range(25)))
    assert waits.count(0) == 10


async def test_one_of_them_gets_the_lease(replicas: list[RedisStore]) -> None:
    added = await asyncio.gather(*(store.add("lease", b"%d" % n, 60) for n, store in enumerate(replicas)))
    assert sum(added) == 1
    given_back = [await store.drop_if("lease", b"%d" % n) for n, store in enumerate(replicas)]
    assert given_back == added


async def test_all_hear_what_one_publishes(replicas: list[RedisStore]) -> None:
    ears = [Ear() for _ in replicas]
    for ear, store in zip(ears, replicas, strict=True):
        store.listen(ear.heard, ear.missed)
        await store.get("a")
        await ear.until(lambda ear: ear.misses == 1)
    await replicas[0].publish(b"hello")
    for ear in ears:
        await ear.until(lambda ear: ear.messages == [b"hello"])


async def test_installations_with_another_prefix_are_apart(
    replicas: list[RedisStore], healthy_redis: RedisServer
) -> None:
    other, ear = redis_store(healthy_redis.url), Ear()
    other.listen(ear.heard, ear.missed)
    await replicas[0].put("a", b"1", 60)
    assert await other.get("a") is None
    await ear.until(lambda ear: ear.misses == 1)
    await replicas[0].publish(b"not for it")
    await other.publish(b"for it")
    await ear.until(lambda ear: bool(ear.messages))
    assert ear.messages == [b"for it"]
    await other.aclose()


async def test_every_key_has_the_prefix_and_a_version_and_expires(
    replicas: list[RedisStore], healthy_redis: RedisServer, prefix: str
) -> None:
    store = replicas[0]
    await store.put("put", b"1", 60)
    await store.add("add", b"1", 60)
    await store.put_if("put", b"1", "put_if", b"1", 60)
    await store.spend("spend", 6, 1, 0)
    keys = healthy_redis.command("KEYS", f"{prefix}*").splitlines()
    assert sorted(keys) == [f"{prefix}1:{name}" for name in ("add", "put", "put_if", "spend")]
    for key in keys:
        assert 0 < int(healthy_redis.command("PTTL", key)) <= 60_000


async def test_a_value_lives_as_long_as_it_was_put_for(
    replicas: list[RedisStore], healthy_redis: RedisServer, prefix: str
) -> None:
    await replicas[0].put("a", b"1", 1234.5)
    assert 1_200_000 < int(healthy_redis.command("PTTL", f"{prefix}1:a")) <= 1_234_500
    await replicas[0].put("b", b"1", 0.0001)  # rounded up: there is no time to live of 0
