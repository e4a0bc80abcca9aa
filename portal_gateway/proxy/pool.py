"""The connections to one upstream: the most recently used one first, never more than the limit.

A connection holds its place from the attempt to connect until its socket is gone, wherever it is in between:
that is the one place where places are given back, so none is lost or counted twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from portal_gateway.errors import UpstreamTimeout, UpstreamUnavailable
from portal_gateway.http11.gathered_writes import GatheredWrites
from portal_gateway.proxy.connection import UpstreamConnection
from portal_gateway.proxy.limits import Limits, Timeouts
from portal_gateway.proxy.origin import Origin

# How often time-outs, idle connections and clients of slow requests are looked at. A client that leaves is to
# be noticed within 100 ms; a request that is over before the first tick pays for none of it.
TICK_S: Final = 0.05


class ConnectionPool:
    """Keep-alive connections to `origin`. Belongs to one event loop; opens nothing before it is needed."""

    def __init__(self, origin: Origin, timeouts: Timeouts, limits: Limits) -> None:
        self._origin = origin
        self._timeouts = timeouts
        self._limits = limits
        self._writes = GatheredWrites()
        self._idle: deque[UpstreamConnection] = deque()
        self._busy: set[UpstreamConnection] = set()
        self._open: set[UpstreamConnection] = set()
        self._waiters: deque[asyncio.Future[UpstreamConnection | None]] = deque()
        self._places_taken = 0
        self._ticker: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def idle_count(self) -> int:
        return len(self._idle)

    @property
    def busy_count(self) -> int:
        return len(self._busy)

    async def acquire(self, *, fresh: bool = False) -> UpstreamConnection:
        """A connection for one exchange, newly opened if `fresh`; give it back with `release`.

        Raises UpstreamTimeout if none is ours within the connect time-out, UpstreamUnavailable.
        """
        connection = None if fresh else self.take_idle()
        if connection is not None:
            return connection
        connection = await self._open_or_wait(fresh)
        if self._closed:
            connection.abort()
            raise UpstreamUnavailable("the gateway is shutting down")
        return self._taken(connection)

    def take_idle(self) -> UpstreamConnection | None:
        """As `acquire`, if there is one at hand."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable:
                return self._taken(connection)
        return None

    def release(self, connection: UpstreamConnection) -> None:
        """Take back a connection after its exchange, however that ended; closed unless fit for another."""
        self._busy.discard(connection)
        if not connection.end() or self._closed:
            connection.abort()
        elif waiter := self._next_waiter():
            waiter.set_result(connection)
        else:
            self._idle.append(connection)
            if len(self._idle) > self._limits.max_idle:
                self._idle.popleft().abort()

    async def aclose(self) -> None:
        """Close every connection; whoever waits for one or uses one gets UpstreamUnavailable."""
        self._closed = True
        if self._ticker is not None:
            self._ticker.cancel()
        while waiter := self._next_waiter():
            waiter.set_exception(UpstreamUnavailable("the gateway is shutting down"))
        for connection in tuple(self._open):
            connection.fail(UpstreamUnavailable("the gateway is shutting down"))
        # Transports close their sockets in the next turn of the loop.
        await asyncio.sleep(0)

    def _taken(self, connection: UpstreamConnection) -> UpstreamConnection:
        self._busy.add(connection)
        if self._ticker is None:
            self._keep_ticking()
        return connection

    async def _open_or_wait(self, fresh: bool) -> UpstreamConnection:
        try:
            async with asyncio.timeout(self._timeouts.connect):
                while self._places_taken >= self._limits.max_connections:
                    granted = await self._wait()
                    if granted is None:
                        return await self._connect()
                    if granted.is_usable and not fresh:
                        return granted
                    granted.abort()
                self._places_taken += 1
                return await self._connect()
        except TimeoutError as error:
            raise UpstreamTimeout(f"no connection to the app within {self._timeouts.connect:g} s") from error

    async def _wait(self) -> UpstreamConnection | None:
        """A connection that became free, or None: a place has been taken for us."""
        if self._idle:
            # Only a request for a fresh connection waits beside idle ones; it gets the place of the oldest.
            self._idle.popleft().abort()
        waiter: asyncio.Future[UpstreamConnection | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled() and waiter.exception() is None:
                self._return(waiter.result())
            raise

    def _return(self, granted: UpstreamConnection | None) -> None:
        """A waiter was cancelled at the moment it was served."""
        if granted is None:
            self._free_place()
        else:
            granted.abort()

    async def _connect(self) -> UpstreamConnection:
        """Open a connection in a place that has been taken; given back on failure."""
        try:
            connection = await self._origin.connect(
                lambda: UpstreamConnection(self._timeouts, self._limits, self._writes, self._lost)
            )
            if connection.is_lost:
                raise ConnectionResetError("closed at once")
        except BaseException as error:
            self._free_place()
            if isinstance(error, OSError) and not isinstance(error, TimeoutError):
                raise UpstreamUnavailable("the app behind the gateway cannot be reached") from error
            raise
        self._open.add(connection)
        return connection

    def _lost(self, connection: UpstreamConnection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
        if connection in self._open:
            self._open.remove(connection)
            self._free_place()

    def _free_place(self) -> None:
        if waiter := self._next_waiter():
            waiter.set_result(None)
        else:
            self._places_taken -= 1

    def _next_waiter(self) -> asyncio.Future[UpstreamConnection | None] | None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                return waiter
        return None

    def _keep_ticking(self) -> None:
        if self._ticker is None:
            self._ticker = asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        self._ticker = None
        now = asyncio.get_running_loop().time()
        for connection in tuple(self._busy):
            connection.tick(now)
        while self._idle and now - self._idle[0].idle_since > self._limits.idle_expiry_s:
            self._idle.popleft().abort()
        if self._busy or self._idle:
            self._keep_ticking()
