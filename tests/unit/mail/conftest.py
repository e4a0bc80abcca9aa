from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis_server import RedisServer, running_redis


@pytest.fixture(scope="package")
def mail_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server that all tests share, each of which begins by emptying it."""
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server
