"""Whatever is done to both stores, they answer the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from redis_server import RedisServer
from store_kit import redis_store

from portal_gateway.store.base import Store
from portal_gateway.store.memory import MemoryStore

KEYS = st.sampled_from(["a", "b", "c", "lease"])
VALUES = st.one_of(st.sampled_from([b"mine", b"other"]), st.binary(max_size=20))
TTLS = st.floats(60, 1e6)


@pytest.mark.timeout(300)
def test_memory_and_redis_answer_the_same(healthy_redis: RedisServer) -> None:
    class Stores(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.runner = asyncio.Runner()
            # The clock stands still: what takes no time at all in one takes little in the other.
            self.memory = MemoryStore(clock=lambda: 1000.0)
            self.redis = redis_store(healthy_redis.url)

        def teardown(self) -> None:
            self.runner.run(self.redis.aclose())
            self.runner.close()

        def both(self, call: Callable[[Store], Coroutine[Any, Any, Any]]) -> tuple[Any, Any]:
            return self.runner.run(call(self.memory)), self.runner.run(call(self.redis))

        def same(self, call: Callable[[Store], Coroutine[Any, Any, Any]]) -> None:
            one, other = self.both(call)
            assert one == other
            assert type(one) is type(other)

        @rule(key=KEYS)
        def get(self, key: str) -> None:
            self.same(lambda store: store.get(key))

        @rule(key=KEYS, value=VALUES, ttl_s=TTLS)
        def put(self, key: str, value: bytes, ttl_s: float) -> None:
            self.same(lambda store: store.put(key, value, ttl_s))

        @rule(key=KEYS, value=VALUES, ttl_s=TTLS)
        def add(self, key: str, value: bytes, ttl_s: float) -> None:
            self.same(lambda store: store.add(key, value, ttl_s))

        @rule(guard=KEYS, expected=VALUES, key=KEYS, value=VALUES, ttl_s=TTLS)
        def put_if(self, guard: str, expected: bytes, key: str, value: bytes, ttl_s: float) -> None:
            self.same(lambda store: store.put_if(guard, expected, key, value, ttl_s))

        @rule(key=KEYS)
        def take(self, key: str) -> None:
            self.same(lambda store: store.take(key))

        @rule(keys=st.lists(KEYS, max_size=3))
        def drop(self, keys: list[str]) -> None:
            self.same(lambda store: store.drop(*keys))

        @rule(key=KEYS, expected=VALUES)
        def drop_if(self, key: str, expected: bytes) -> None:
            self.same(lambda store: store.drop_if(key, expected))

        @rule(
            key=st.sampled_from(["budget-1", "budget-2"]),
            burst=st.integers(1, 5),
            max_wait_s=st.sampled_from([0.0, 1000.0, 1e5]),
        )
        def spend(self, key: str, burst: int, max_wait_s: float) -> None:
            # One call in 10 000 s, so that the moments between the calls matter to no comparison.
            one, other = self.both(lambda store: store.spend(key, 0.006, burst, max_wait_s))
            assert one == pytest.approx(other, abs=100)

    run_state_machine_as_test(
        Stores,
        settings=settings(
            max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
