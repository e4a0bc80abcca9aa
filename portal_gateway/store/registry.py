"""From the settings of the cache to the store. Redis' code is imported when it is configured."""

from __future__ import annotations

from portal_gateway.observe.events import Events
from portal_gateway.settings.cache import CacheSettings
from portal_gateway.store.base import Store
from portal_gateway.store.memory import MemoryStore


def open_store(settings: CacheSettings | None, events: Events | None = None) -> Store:
    """The store that is configured, or one in this process. Connects to nothing; trouble is counted by `events`."""
    if settings is None:
        return MemoryStore()
    from portal_gateway.store.redis import RedisStore

    return RedisStore(
        settings.address(),
        ca_file=settings.ca_file,
        prefix=settings.prefix,
        timeout_s=settings.timeout_ms / 1000,
        events=events or Events(),
    )
