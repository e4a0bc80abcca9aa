"""A connection to Redis or Valkey, which is redis-py's, and what goes wrong with it in our words.

redis-py's client is not used. It takes a connection of a pool and some 80 µs of CPU for each call, so a few hundred
callers at once, as after a start, are not served within a time-out of milliseconds, and a caller that is cancelled
costs a connection. Its connections know the protocol; what goes over one and when is up to us (redis_link.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Any

from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from portal_gateway.settings.cache import RedisAddress

Command = tuple[str | bytes | int, ...]

CLOSE_TIMEOUT_S = 1.0


class ConnectionLost(Exception):
    """There is no connection (any more). `reason` is a slug, the text is for the log."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Refused(Exception):
    """An error is the answer. `code` is its first word, such as OOM; the rest may repeat keys and values."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(f"it answered {code}")


class RedisConnection:
    """A connection that can be opened anew after it was lost. Its methods raise ConnectionLost.

    How long something may take is up to the caller: a call that is cancelled closes the connection.
    """

    def __init__(self, address: RedisAddress, tls: ssl.SSLContext | None) -> None:
        self._connection = _connection(address, tls)

    @property
    def is_open(self) -> bool:
        """Whether it has been opened and not been lost, as far as is known."""
        return bool(self._connection.is_connected)

    async def open(self) -> None:
        """Connect and log in, unless that is done."""
        try:
            if self.is_open and await self._connection.can_read():
                # Nobody has asked anything, so this is the end, or something that no Redis sends.
                await self.abort()
            await self._connection.connect()  # type: ignore[no-untyped-call]
        except Exception as error:
            raise _not_opened(error) from None

    async def send(self, *commands: Command) -> None:
        try:
            await self._connection.send_packed_command(self._connection.pack_commands(commands))
        except Exception as error:
            raise _in_our_words(error) from None

    async def answer(self, *, wait_s: float | None = None) -> Any:
        """The next answer, or None if there is none within `wait_s`. Raises Refused if it is an error."""
        try:
            return await self._connection.read_response(timeout=wait_s)
        except Exception as error:
            raise _in_our_words(error) from None

    async def abort(self) -> None:
        """Close without waiting for the other end."""
        await self._connection.disconnect(nowait=True)

    async def aclose(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._connection.disconnect()


class _TlsConnection(SSLConnection):
    """With a context made beforehand: to read all authorities of the system takes longer than a call may."""

    def __init__(self, tls: ssl.SSLContext, **options: Any) -> None:
        super().__init__(**options)
        self.ssl_context.context = tls


def _connection(address: RedisAddress, tls: ssl.SSLContext | None) -> AbstractConnection:
    options: dict[str, Any] = {
        "db": address.database,
        "username": address.username or None,
        "password": address.password or None,
        # Each would be a round trip more: to agree on RESP3, and to tell the server what library this is.
        "protocol": 2,
        "driver_info": None,
        "socket_timeout": None,
        "socket_connect_timeout": None,
    }
    if address.path:
        return UnixDomainSocketConnection(path=address.path, **options)
    if tls is not None:
        return _TlsConnection(tls, host=address.host, port=address.port, **options)
    return Connection(host=address.host, port=address.port, **options)


def _in_our_words(error: Exception) -> ConnectionLost | Refused:
    # To redis-py some answers are errors of the connection, such as LOADING, and it closes it.
    if isinstance(error, RedisError) and error.status_code:
        return Refused(str(error.status_code))
    if isinstance(error, ResponseError):
        return Refused(str(error).split(" ", 1)[0])
    if isinstance(error, RedisConnectionError):
        return ConnectionLost("closed", str(error))
    # InvalidResponse, and what comes of answers that look as if they were Redis'.
    return ConnectionLost("garbage", f"no Redis: {error}")


def _not_opened(error: Exception) -> ConnectionLost:
    found = _in_our_words(error)
    if isinstance(found, Refused):
        return ConnectionLost("login", f"at log-in {found}")
    cause = error.__context__
    if isinstance(cause, ssl.SSLError):
        return ConnectionLost("tls", f"TLS failed: {getattr(cause, 'verify_message', '') or cause.reason}")
    if isinstance(cause, OSError | ValueError):  # ValueError: a name that cannot be one
        return ConnectionLost("connect", f"cannot connect: {cause}")
    return found
