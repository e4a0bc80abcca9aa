"""A client's connection that asks to become a WebSocket: the app decides, and then it is a tunnel.

The class stands where uvicorn has its own WebSocket protocols. It speaks no WebSocket itself: an app accepts with the
key TUNNEL in its message, the end of the tunnel at the app behind, and with all headers of the handshake.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl

from portal_gateway.http11.deadlines import Deadlines
from portal_gateway.http11.fields import head_bytes
from portal_gateway.http11.limits import ClientLimits
from portal_gateway.http11.request_head import parse_request_head
from portal_gateway.http11.response_head import STATUS_LINES, plain_response
from portal_gateway.http11.scope import request_scope
from portal_gateway.http11.tunnel import TUNNEL, TunnelEnd
from portal_gateway.wire.asgi import Message, RawHeaders, Scope
from portal_gateway.wire.headers import values

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

logger = logging.getLogger("portal_gateway.http11")

# What a client may send before it is answered; RFC 6455 section 4.1 has it wait.
_EARLY_BYTES = 64 * 1024
_DENIAL = "websocket.http.response"
_SERVICE_RESTART = 1012


def websocket_protocol(limits: ClientLimits = ClientLimits()) -> type[asyncio.Protocol]:
    """For uvicorn's setting `ws`, beside `http11_protocol` for `http`."""
    return cast(type[asyncio.Protocol], functools.partial(WebSocketConnection, limits, Deadlines()))


class WebSocketConnection(TunnelEnd):
    """See the module. The first bytes that it is given hold the whole head of the handshake."""

    _task: asyncio.Task[None] | None = None
    _denial: Message | None = None
    _is_answered = False

    def __init__(
        self,
        limits: ClientLimits,
        deadlines: Deadlines,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(limits.send_s)
        self._limits = limits
        self._deadlines = deadlines
        self._config = config
        self._server_state = server_state
        self._app_state = app_state
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._early = b""
        self.is_stopping = False

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._server_state.connections.add(cast(Any, self))
        self._deadlines.add(self)

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            super().data_received(data)
        elif self._task is None:
            head, _, self._early = data.partition(b"\r\n\r\n")
            self._begin(head)
        elif not self._is_answered:
            self._early += data
            if len(self._early) > _EARLY_BYTES:
                self.transport.pause_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self._server_state.connections.discard(cast(Any, self))
        self._deadlines.discard(self)
        super().connection_lost(error)
        self._events.put_nowait({"type": "websocket.disconnect", "code": 1006})
        if self.other is None and self._task is not None:
            self._task.cancel()  # nobody waits for the app's answer any more

    # What uvicorn's server and `Deadlines` call.

    def shutdown(self) -> None:
        """Close now, and say so to both."""
        self.is_stopping = True
        if self.other is not None:
            self.finish(_SERVICE_RESTART)
            self.other.finish(_SERVICE_RESTART)
        elif not self._is_answered:
            self._answer(plain_response(503, "the server stops"))

    def check(self, now: float) -> None:
        super().check(now)
        if self.other is not None:
            self.other.check(now)

    # The app.

    def _begin(self, head: bytes) -> None:
        request = parse_request_head(head, self._limits)  # whoever handed it over has found it well-formed
        common: Scope = {
            "type": "websocket",
            "asgi": {"version": self._config.asgi_version, "spec_version": "2.4"},
            "server": get_local_addr(self.transport),
            "client": get_remote_addr(self.transport),
            "scheme": "wss" if is_ssl(self.transport) else "ws",
            "root_path": self._config.root_path,
            "extensions": {_DENIAL: {}, TUNNEL: {}},
            "subprotocols": _subprotocols(request.headers),
        }
        scope = request_scope(common, request, self._app_state)
        del scope["method"]
        self._events.put_nowait({"type": "websocket.connect"})
        app = cast(Any, self._config.loaded_app)
        self._task = self._loop.create_task(app(scope, self._events.get, self._send))
        self._server_state.tasks.add(self._task)
        self._task.add_done_callback(self._app_ended)

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "websocket.accept":
            self._accept(message["headers"], message[TUNNEL])
        elif kind == f"{_DENIAL}.start":
            self._denial = message
        elif kind == f"{_DENIAL}.body":
            assert self._denial is not None
            assert not message.get("more_body"), "a refusal comes in one piece"
            status_line = STATUS_LINES[self._denial["status"]]
            headers = [*self._denial["headers"], (b"connection", b"close")]
            self._answer(head_bytes(status_line, headers) + message["body"])
        elif kind == "websocket.close":
            self._answer(plain_response(403, "this is no WebSocket"))
        else:
            raise RuntimeError(f"unexpected message {kind!r}: this server only passes WebSockets on")

    def _accept(self, headers: RawHeaders, behind: TunnelEnd) -> None:
        switching = [*headers, (b"connection", b"Upgrade"), (b"upgrade", b"websocket")]
        self.send(head_bytes(STATUS_LINES[101], switching))
        self._is_answered = True
        behind.join(self)
        if self._early:
            self.data_received(self._early)
            self._early = b""
        if self.transport.is_closing():
            behind.finish()
        else:
            self.transport.resume_reading()

    def _answer(self, response: bytes) -> None:
        """Whatever is not a WebSocket ends the connection."""
        if not self._is_answered:
            self._is_answered = True
            self.send(response)
            self.finish()

    def _app_ended(self, task: asyncio.Task[None]) -> None:
        self._server_state.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("a WebSocket's handshake failed", exc_info=task.exception())
        self._answer(plain_response(500, "there is no answer"))
        self.finish()


def _subprotocols(headers: RawHeaders) -> list[str]:
    lines = [value.decode("latin-1").split(",") for value in values(headers, b"sec-websocket-protocol")]
    return [name.strip() for line in lines for name in line if name.strip()]
