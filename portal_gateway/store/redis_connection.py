"""One connection to Redis or Valkey, which all callers share.

Commands are written as they come and answered in that order (RESP2, https://redis.io/docs/latest/develop/reference/
protocol-spec/), so no caller waits for another, a caller that goes away leaves nothing behind but an answer that nobody
takes, and there is no pool to run dry. hiredis does the parsing.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import hiredis

from portal_gateway.settings.cache import RedisAddress

Heard = Callable[[bytes], None]


class ConnectionLost(Exception):
    """There is no connection (any more). `reason` is a slug, the text is for the log."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Refused(Exception):
    """An error is the answer. `code` is its first word, such as OOM; the rest may repeat keys and values."""

    def __init__(self, text: str) -> None:
        self.code = text.split(" ", 1)[0]
        super().__init__(f"it answered {self.code}")


class RedisConnection(asyncio.Protocol):
    """A connection, open or lost. `heard` gets what is published to the channels that are subscribed to on it."""

    def __init__(self, heard: Heard | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(replyError=Refused, notEnoughData=_NOTHING)
        self._waiting: deque[tuple[asyncio.Future[Any], asyncio.TimerHandle]] = deque()
        self._heard = heard
        self._transport: asyncio.Transport | None = None
        self._lost: ConnectionLost | None = None
        self.closed: asyncio.Future[None] = self._loop.create_future()

    @property
    def usable(self) -> bool:
        return self._lost is None

    async def call(self, *command: str | bytes | int, timeout_s: float) -> Any:
        """The answer. Raises Refused if it is an error, and ConnectionLost if there is none in time."""
        if self._lost is not None or self._transport is None:
            raise self._lost or ConnectionLost("closed", "not connected")
        answer: asyncio.Future[Any] = self._loop.create_future()
        # The timer ends with the answer, not with the caller: callers that soon give up must not hide that none comes.
        timer = self._loop.call_later(timeout_s, self._expire, answer)
        self._waiting.append((answer, timer))
        self._transport.write(hiredis.pack_command(command))  # type: ignore[arg-type]
        result = await answer
        if type(result) is Refused:
            raise result
        return result

    def abort(self, lost: ConnectionLost) -> None:
        """Close at once; all who wait learn why."""
        if self._lost is None:
            self._lost = lost
            if self._transport is not None:
                self._transport.abort()
            for answer, timer in self._waiting:
                timer.cancel()
                if not answer.done():  # its caller was cancelled
                    answer.set_exception(lost)
            self._waiting.clear()

    async def aclose(self) -> None:
        self.abort(ConnectionLost("closed", "closed by us"))
        await self.closed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def connection_lost(self, error: Exception | None) -> None:
        self.abort(ConnectionLost("closed", str(error) if error else "the connection was closed"))
        if not self.closed.done():
            self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (answer := self._reader.gets()) is not _NOTHING:
                self._answered(answer)
        except hiredis.ProtocolError as error:
            self.abort(ConnectionLost("garbage", f"no Redis: {error}"))

    def _answered(self, answer: Any) -> None:
        if type(answer) is list and answer and answer[0] == b"message":
            if self._heard is not None:
                self._heard(answer[2])
            return
        if not self._waiting:
            self.abort(ConnectionLost("garbage", "no Redis: an answer that nobody asked for"))
            return
        waiting, timer = self._waiting.popleft()
        timer.cancel()
        if not waiting.done():
            waiting.set_result(answer)

    def _expire(self, answer: asyncio.Future[Any]) -> None:
        # A loop that was kept busy finds the timer and the answer due at once, and takes the answer first.
        if any(answer is waiting for waiting, _ in self._waiting):
            self.abort(ConnectionLost("timeout", "no answer in time"))


async def connect(
    address: RedisAddress, tls: ssl.SSLContext | None, *, timeout_s: float, heard: Heard | None = None
) -> RedisConnection:
    """A connection that is logged in. Raises ConnectionLost, after `timeout_s` at the latest."""
    try:
        async with asyncio.timeout(timeout_s):
            connection = await _opened(address, tls, heard)
            try:
                await _log_in(connection, address, timeout_s)
            except BaseException:
                connection.abort(ConnectionLost("closed", "not logged in"))
                raise
            return connection
    except Refused as refused:
        raise ConnectionLost("login", f"at log-in {refused}") from None
    except TimeoutError:
        raise ConnectionLost("timeout", f"not connected within {timeout_s * 1000:.0f} ms") from None
    except ssl.SSLError as error:
        detail = getattr(error, "verify_message", "") or error.reason
        raise ConnectionLost("tls", f"TLS failed: {detail}") from None
    except (OSError, ValueError) as error:  # ValueError: a name that cannot be one
        raise ConnectionLost("connect", f"cannot connect: {error}") from None


async def _opened(address: RedisAddress, tls: ssl.SSLContext | None, heard: Heard | None) -> RedisConnection:
    loop = asyncio.get_running_loop()
    if address.path:
        _, connection = await loop.create_unix_connection(lambda: RedisConnection(heard), address.path)
    else:
        _, connection = await loop.create_connection(
            lambda: RedisConnection(heard), address.host, address.port, ssl=tls
        )
    return connection


async def _log_in(connection: RedisConnection, address: RedisAddress, timeout_s: float) -> None:
    if address.password:
        user = (address.username,) if address.username else ()
        await connection.call("AUTH", *user, address.password, timeout_s=timeout_s)
    if address.database:
        await connection.call("SELECT", address.database, timeout_s=timeout_s)


_NOTHING = object()
