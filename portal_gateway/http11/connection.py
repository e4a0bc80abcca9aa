"""A client's connection: requests one after the other, each handed to the app, and what ends the connection.

The class stands where uvicorn has its own HTTP protocols; uvicorn's server, signals and WebSockets stay in use.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import socket
import struct
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl

from portal_gateway.http11.body import BodyError
from portal_gateway.http11.cycle import HIGH_WATER_BYTES, Cycle, Shortcut
from portal_gateway.http11.deadlines import Deadlines
from portal_gateway.http11.extensions import EXTENSIONS
from portal_gateway.http11.framing import Framing
from portal_gateway.http11.gathered_writes import GatheredWrites
from portal_gateway.http11.limits import ClientLimits
from portal_gateway.http11.request_head import BadRequest, RequestHead, check_unfinished, parse_request_head
from portal_gateway.http11.response_head import plain_response
from portal_gateway.http11.scope import request_scope
from portal_gateway.wire.asgi import Scope

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

logger = logging.getLogger("portal_gateway.http11")

_NEVER: Final = math.inf
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


def http11_protocol(
    limits: ClientLimits = ClientLimits(),
    shortcut: Shortcut | None = None,
    refusals: Counter[int] | None = None,
) -> type[asyncio.Protocol]:
    """For uvicorn's setting `http`: what makes the connections of one server.

    `refusals` are the answers of the server itself, which the app knows nothing of, by status.
    """
    refusals = Counter() if refusals is None else refusals
    return cast(
        type[asyncio.Protocol], functools.partial(Connection, limits, shortcut, refusals, GatheredWrites(), Deadlines())
    )


class Connection:
    """See the module. `unread` bytes are those that nobody has made sense of yet.

    All of an asyncio.Protocol but its name: attributes of a class that has a base in Python are slow when compiled.
    """

    def __init__(
        self,
        limits: ClientLimits,
        shortcut: Shortcut | None,
        refusals: Counter[int],
        writes: GatheredWrites,
        deadlines: Deadlines,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.limits = limits
        self.loop = _loop or asyncio.get_running_loop()
        self._shortcut = shortcut
        self._refusals = refusals
        self._writes = writes
        self._deadlines = deadlines
        self._config = config
        self._server_state = server_state
        self._app_state = app_state
        self._app = cast(Any, config.loaded_app)
        self._cycle: Cycle | None = None
        self._unread = b""
        self._looked_at = 0
        self._lingering = False
        self._reading_paused = False
        self._writable: asyncio.Event | None = None
        self._read_deadline = _NEVER
        self._write_deadline = _NEVER
        self._unsent = 0
        self.writing_paused = False
        self.is_stopping = False

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._server_state.connections.add(cast(Any, self))
        self._deadlines.add(self)
        self._read_deadline = self.loop.time() + self.limits.keep_alive_s
        # What the scopes of all requests have in common.
        self._scope: Scope = {
            "type": "http",
            "asgi": {"version": self._config.asgi_version, "spec_version": "2.3"},
            "server": get_local_addr(self.transport),
            "client": get_remote_addr(self.transport),
            "scheme": "https" if is_ssl(self.transport) else "http",
            "root_path": self._config.root_path,
            "extensions": EXTENSIONS,
        }

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            return
        self._unread = self._unread + data if self._unread else data
        self._advance()

    def eof_received(self) -> None:
        """The transport closes itself."""

    def connection_lost(self, error: Exception | None) -> None:
        self._server_state.connections.discard(cast(Any, self))
        self._deadlines.discard(self)
        if self._cycle is not None:
            self._cycle.disconnect()
            self._cycle = None
        self.resume_writing()

    def pause_writing(self) -> None:
        self.writing_paused = True
        self._limit_sending()

    def resume_writing(self) -> None:
        self.writing_paused = False
        if not self.transport.is_closing():  # else the rest has to leave in time, too
            self._write_deadline = _NEVER
        if self._writable is not None:
            self._writable.set()
        if self._cycle is not None:
            self._cycle.writable()

    # What uvicorn's server and `Deadlines` call.

    def shutdown(self) -> None:
        """Close when the response under way is sent, now if there is none."""
        self.is_stopping = True
        if self._cycle is None or self._lingering:
            self._close()

    def check(self, now: float) -> None:
        """Act on deadlines that have passed at `now`."""
        if now >= self._write_deadline:
            unsent = self.transport.get_write_buffer_size()
            if unsent >= self._unsent:
                self.transport.abort()
                return
            self._limit_sending()
        if now >= self._read_deadline:
            self._read_deadline = _NEVER
            self._client_is_late()

    # What the cycle calls.

    def write(self, data: bytes) -> None:
        self._writes.write(self.transport, data)

    async def drain(self) -> None:
        """Wait until the client has taken most of what was written."""
        if self._writable is None:
            self._writable = asyncio.Event()
        self._writable.clear()
        if self.writing_paused:
            await self._writable.wait()

    def body_awaited(self) -> None:
        """The app has taken what there was of the body."""
        self._resume_reading()
        self._read_deadline = self.loop.time() + self.limits.body_s

    def cycle_over(self, cycle: Cycle) -> None:
        """The response is complete."""
        self._server_state.total_requests += 1
        if cycle.keeps_alive and cycle.has_whole_body and not self.is_stopping:
            self._cycle = None
            if self._reading_paused:
                self._resume_reading()
            self._read_deadline = self.loop.time() + self.limits.keep_alive_s
            if self._unread:
                self._advance()
        elif self._unread or not cycle.has_whole_body:
            self._linger()
        else:
            self._close()

    def break_off(self) -> None:
        """Leave the response unfinished. The end of the connection must not look like the end of the body."""
        sock = self.transport.get_extra_info("socket")
        if self._cycle is not None and self._cycle.ends_with_connection and sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._close()

    def refuse(self, bad: BadRequest) -> None:
        """Answer in place of the app, and close."""
        logger.info("refused a request with %d: %s", bad.status, bad.message)
        self._refusals[bad.status] += 1
        self.write(plain_response(bad.status, bad.message))
        self._linger()

    # Reading.

    def _advance(self) -> None:
        """Make of the unread bytes what can be made of them now."""
        while self._unread and not self._lingering:
            cycle = self._cycle
            if cycle is None:
                going_on = self._read_head()
            elif not cycle.has_whole_body:
                going_on = self._read_body(cycle)
            else:
                # A request ahead of its turn.
                if len(self._unread) > HIGH_WATER_BYTES:
                    self._pause_reading()
                return
            if not going_on:
                return

    def _read_head(self) -> bool:
        """Whether there was a whole one."""
        data = self._unread
        # One empty line before a request is allowed (RFC 9112 section 2.2): old clients sent it behind a body.
        start = 2 if data.startswith(b"\r\n") else 0
        end = data.find(b"\r\n\r\n", max(start, self._looked_at - 3))
        try:
            if end < 0:
                if self._looked_at <= start:
                    self._read_deadline = self.loop.time() + self.limits.head_s
                check_unfinished(data, start, self._looked_at, self.limits)
                self._looked_at = len(data)
                return False
            request = parse_request_head(data[start:end], self.limits)
        except BadRequest as bad:
            self.refuse(bad)
            return False
        self._looked_at = 0
        if request.is_websocket and self._config.ws_protocol_class is not None:
            self._hand_over(data[start:])
            return False
        self._unread = data[end + 4 :]
        self._begin(request)
        return True

    def _read_body(self, cycle: Cycle) -> bool:
        """Whether there was all of it."""
        try:
            taken = cycle.feed(self._unread)
        except BodyError as error:
            self._give_up(BadRequest(400, str(error)))
            return False
        self._unread = self._unread[taken:]
        if cycle.has_whole_body:
            self._read_deadline = _NEVER
            return True
        if cycle.is_full:
            self._read_deadline = _NEVER
            self._pause_reading()
        elif cycle.waits_for_body:
            self._read_deadline = self.loop.time() + self.limits.body_s
        return False

    def _begin(self, request: RequestHead) -> None:
        scope = request_scope(self._scope, request, self._app_state)
        cycle = None
        if self._shortcut is not None and request.framing is Framing.NONE:
            cycle = self._shortcut(self, request, scope)
        self._cycle = cycle = cycle or Cycle(self, request, scope)
        self._read_deadline = self.loop.time() + self.limits.body_s if cycle.waits_for_body else _NEVER
        cycle.begin(self._app, self._server_state.tasks)

    def _hand_over(self, data: bytes) -> None:
        """From here on it is a WebSocket, to which `data`, the handshake and what follows it, is new."""
        self._server_state.connections.discard(cast(Any, self))
        self._deadlines.discard(self)
        self._unread = b""
        self._writes.flush(self.transport)
        make = cast(Callable[..., asyncio.Protocol], self._config.ws_protocol_class)
        protocol = make(config=self._config, server_state=self._server_state, app_state=self._app_state)
        protocol.connection_made(self.transport)
        protocol.data_received(data)
        self.transport.set_protocol(protocol)

    def _pause_reading(self) -> None:
        if not self._reading_paused and not self.transport.is_closing():
            self._reading_paused = True
            self.transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused and not self.transport.is_closing():
            self._reading_paused = False
            self.transport.resume_reading()

    # Ending.

    def _client_is_late(self) -> None:
        if self._cycle is not None and not self._lingering:
            self._give_up(BadRequest(408, "the rest of the request's body did not come in time"))
        elif self._unread:
            self.refuse(BadRequest(408, "the rest of the request's head did not come in time"))
        else:
            self._close()

    def _give_up(self, bad: BadRequest) -> None:
        """The body of the request under way cannot be read to its end."""
        cycle = self._cycle
        assert cycle is not None
        cycle.disconnect()
        if cycle.has_started:
            self.break_off()
        else:
            self.refuse(bad)

    def _linger(self) -> None:
        """Close, but not before the client has seen the response: unread bytes would turn the close into a reset."""
        if self.is_stopping or not self.transport.can_write_eof() or self.transport.is_closing():
            self._close()
            return
        self._lingering = True
        self._unread = b""
        self._resume_reading()
        self._writes.flush(self.transport)
        self.transport.write_eof()
        self._read_deadline = self.loop.time() + self.limits.linger_s

    def _close(self) -> None:
        self._writes.flush(self.transport)
        self.transport.close()
        self._limit_sending()

    def _limit_sending(self) -> None:
        """From now on the client has to take more of the response from time to time."""
        self._unsent = self.transport.get_write_buffer_size()
        if self._unsent:
            self._write_deadline = self.loop.time() + self.limits.send_s
