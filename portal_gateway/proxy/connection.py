"""One connection to the upstream: one exchange at a time, back-pressure both ways, time-outs by tick.

An exchange is `begin`, then `write` and `drain` for the request's body and `request_sent`; its response fills the
parser that `begin` gives. A task waits for that with `more`; who is no task gives `begin` a function to be called.
Whatever goes wrong is kept as one `error` and told to who reads the response, after the bytes that came before it.
Nothing here makes a task or a timer: the pool calls `tick` some times a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

from portal_gateway.errors import UpstreamTimeout, UpstreamUnavailable
from portal_gateway.http11.gathered_writes import GatheredWrites
from portal_gateway.proxy.limits import Limits, Timeouts
from portal_gateway.proxy.response import BadResponse, ResponseParser

# Body bytes that wait for the client before reading pauses; a read of up to 256 KB may come on top.
HIGH_WATER_BYTES: Final = 64 * 1024


class StaleConnection(UpstreamUnavailable):
    """A kept-alive connection turned out to be closed before any byte of the response came."""


class UpstreamConnection:
    """See the module. `on_lost` is called once, when the socket is gone.

    All of an asyncio.Protocol but its name: attributes of a class that has a base in Python are slow when compiled.
    """

    def __init__(
        self,
        timeouts: Timeouts,
        limits: Limits,
        writes: GatheredWrites,
        on_lost: Callable[[UpstreamConnection], None],
    ) -> None:
        self._timeouts = timeouts
        self._limits = limits
        self._writes = writes
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._response: ResponseParser | None = None
        self._on_tick: Callable[[], None] | None = None
        self._on_more: Callable[[], None] | None = None
        self._exchanges = 0
        self._sent = False
        self._reading_paused = False
        self._writing_paused = False
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._is_awaited = False
        self._moved_at = 0.0
        self.error: Exception | None = None
        self.idle_since = 0.0
        self.is_usable = True
        self.is_lost = False

    # The exchange.

    def begin(
        self,
        head: bytes,
        method: str,
        *,
        has_body: bool = False,
        on_tick: Callable[[], None] | None = None,
        on_more: Callable[[], None] | None = None,
    ) -> ResponseParser:
        """Start an exchange by sending the head of its request.

        Until it ends, `on_tick` is called at each tick, and `on_more` whenever the response or an error has come.
        """
        response = self._response = ResponseParser(method, self._limits.head_bytes)
        self._on_tick = on_tick
        self._on_more = on_more
        self._is_awaited = on_more is not None
        self._exchanges += 1
        self._sent = not has_body
        self.write(head)
        return response

    def hand_over(self, on_tick: Callable[[], None]) -> None:
        """From now on a task reads the response, with `more`."""
        self._on_tick = on_tick
        self._on_more = None
        self._is_awaited = False

    def hold(self) -> None:
        """Nobody wants more of the response for now: the client is the slow side."""
        self._is_awaited = False

    def resume(self) -> None:
        """More of the response is wanted."""
        if self._reading_paused:
            self._resume_reading()
        self._is_awaited = True
        self._moved_at = self._loop.time()

    def write(self, data: bytes) -> None:
        """Send bytes of the request; dropped once the connection has failed, of which the reader learns."""
        if self.is_usable:
            self._moved_at = self._loop.time()
            self._writes.write(self._transport, data)

    async def drain(self) -> None:
        """Wait until the upstream has taken most of what was written."""
        if self._writing_paused and not self.is_lost:
            self._writer = self._loop.create_future()
            try:
                await self._writer
            finally:
                self._writer = None

    def request_sent(self) -> None:
        """The request is complete; from now on the time-out for the response's head counts."""
        self._sent = True
        self._moved_at = self._loop.time()

    async def more(self) -> None:
        """Wait until more of the response has arrived. Raises UpstreamError, or what `fail` was called with."""
        if self.error is not None:
            raise self.error
        self.resume()
        self._reader = self._loop.create_future()
        try:
            await self._reader
        finally:
            self._reader = None
            self._is_awaited = False

    def end(self) -> bool:
        """Forget the exchange; whether the connection can serve another one."""
        response, self._response, self._on_tick, self._on_more = self._response, None, None, None
        if response is None or not response.complete or response.head is None:
            return False
        if self._reading_paused:
            self._resume_reading()
        self.idle_since = self._loop.time()
        return self._sent and response.is_clean and response.head.keep_alive and self.is_usable

    # What ends it early.

    def fail(self, error: Exception) -> None:
        """Close at once; the reader gets `error`. A response that has already arrived stays readable."""
        if self.error is None:
            self.error = error
        self.abort()
        self._tell()
        _wake(self._writer)

    def abort(self) -> None:
        self.is_usable = False
        self._transport.abort()

    def tick(self, now: float) -> None:
        """Look at the time-outs. No one waits for the upstream while the client is the slow side."""
        if self._on_tick is not None:
            self._on_tick()
        if not self._is_awaited and self._writer is None:
            return
        awaiting_head = self._response is not None and self._response.head is None
        if awaiting_head and self._writer is None:
            if self._sent and now - self._moved_at > self._timeouts.head:
                self.fail(UpstreamTimeout(f"the app did not answer within {self._timeouts.head:g} s"))
        elif now - self._moved_at > self._timeouts.idle:
            self.fail(UpstreamTimeout(f"the app stalled for {self._timeouts.idle:g} s"))

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        response = self._response
        if response is None:
            # Nobody asked: a late second response, or a farewell such as 408.
            self.abort()
            return
        self._moved_at = self._loop.time()
        try:
            response.feed(data)
        except BadResponse as error:
            self.fail(UpstreamUnavailable(f"the app's response is malformed: {error}"))
            return
        self._tell()
        if response.buffered > HIGH_WATER_BYTES and self.is_usable:
            self._reading_paused = True
            self._transport.pause_reading()

    def eof_received(self) -> None:
        # The transport closes itself.
        self.is_usable = False
        self._ended(None)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True
        self.is_usable = False
        self._ended(error)
        _wake(self._writer)
        self._on_lost(self)

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._moved_at = self._loop.time()
        _wake(self._writer)

    def _ended(self, error: Exception | None) -> None:
        """The upstream sends no more: the regular end of some responses, an error for all others."""
        response = self._response
        if response is None or response.complete or self.error is not None:
            return
        if error is None:
            try:
                response.feed_eof()
            except BadResponse as bad:
                error = bad
        if error is None:
            self._tell()
        elif self._exchanges > 1 and not response.started:
            self.fail(StaleConnection("the app closed the connection"))
        else:
            self.fail(UpstreamUnavailable(f"the app broke off: {error}"))

    def _tell(self) -> None:
        if self._on_more is not None:
            self._on_more()
        else:
            _wake(self._reader)

    def _resume_reading(self) -> None:
        self._reading_paused = False
        if not self._transport.is_closing():
            self._transport.resume_reading()


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
