"""The apps behind the proxy: which one a request is for, and what is known of each."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from portal_gateway.errors import UpstreamError
from portal_gateway.proxy.limits import Limits, Timeouts
from portal_gateway.proxy.origin import Origin
from portal_gateway.proxy.pool import ConnectionPool
from portal_gateway.wire.path_prefixes import PathPrefixes


class Upstream:
    """One app, the connections to it, and how it does: `failures` by code; `is_failing` if the last request was one."""

    def __init__(self, origin: Origin, timeouts: Timeouts, limits: Limits) -> None:
        self.origin = origin
        self.pool = ConnectionPool(origin, timeouts, limits)
        self.failures: Counter[str] = Counter()
        self.is_failing = False

    def failed(self, error: UpstreamError) -> None:
        self.failures[error.code] += 1
        self.is_failing = True


class Upstreams:
    """`urls` by the prefix of the paths that are theirs, "/" among them; `http[s]://HOST[:PORT]` or `unix:/PATH`.

    The same URL under several prefixes is one upstream. `ca_file` holds the certificates that those of https ones must
    come from, instead of the system's. Raises ValueError for what is no such URL.
    """

    def __init__(
        self,
        urls: Mapping[str, str],
        *,
        ca_file: Path | None = None,
        timeouts: Timeouts = Timeouts(),
        limits: Limits = Limits(),
    ) -> None:
        self.timeouts = timeouts
        self.limits = limits
        self._by_url = {
            url: Upstream(Origin.parse(url, ca_file), timeouts, limits) for url in dict.fromkeys(urls.values())
        }
        self._by_prefix = PathPrefixes({prefix: self._by_url[url] for prefix, url in urls.items()})

    @property
    def all(self) -> list[Upstream]:
        return list(self._by_url.values())

    def route(self, raw_path: bytes) -> Upstream:
        """The upstream of a path as it was sent, without its query."""
        return self._by_prefix.find(raw_path)

    async def aclose(self) -> None:
        """Close all connections; requests still under way fail."""
        await asyncio.gather(*(upstream.pool.aclose() for upstream in self.all))
