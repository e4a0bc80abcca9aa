"""A WebSocket of a client joined to one of the upstream (RFC 6455).

The upstream's handshake comes first, so that the client gets the upstream's own answer: its subprotocol and
cookies, or its refusal. A server that offers a tunnel lets all else pass untouched. Under any other ASGI server whole
messages are relayed; there each side negotiates its own extensions, towards the upstream none.
"""

from __future__ import annotations

import asyncio
import io
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.frames import CloseCode
from websockets.http11 import Request
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI

from portal_gateway.errors import GatewayError, UpstreamTimeout, UpstreamUnavailable
from portal_gateway.http11.tunnel import TUNNEL
from portal_gateway.proxy.headers import end_to_end, request_headers, request_target, serialize
from portal_gateway.proxy.limits import Limits, Timeouts
from portal_gateway.proxy.origin import Origin
from portal_gateway.proxy.tunnel import accepts, open_tunnel, switching_headers
from portal_gateway.wire.asgi import Message, RawHeaders, Receive, Scope, Send
from portal_gateway.wire.headers import first
from portal_gateway.wire.trust import TrustedPeers

# Messages from the upstream that wait for the client before reading pauses; each may be as long as allowed.
_QUEUED_FRAMES = 2
_DENIAL = "websocket.http.response"
_UPGRADE = [(b"connection", b"Upgrade"), (b"upgrade", b"websocket")]


class WebSocketRelay:
    """Serves one websocket scope. What fails before the handshake is over is answered here, not raised."""

    def __init__(self, origin: Origin, trusted: TrustedPeers, timeouts: Timeouts, limits: Limits) -> None:
        self._origin = origin
        self._trusted = trusted
        self._timeouts = timeouts
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (await receive())["type"] != "websocket.connect":
            return
        if TUNNEL in (scope.get("extensions") or ()):
            await self._tunnel(scope, send)
            return
        try:
            upstream = await self._open(self._handshake(scope))
        except InvalidStatus as refusal:
            response = refusal.response
            await _deny(scope, send, response.status_code, _raw(response.headers), bytes(response.body))
            return
        except GatewayError as error:
            await _apologize(scope, send, error)
            return
        try:
            await send(_acceptance(upstream))
            await self._relay(upstream, receive, send)
        finally:
            upstream.transport.abort()

    async def _tunnel(self, scope: Scope, send: Send) -> None:
        try:
            headers = request_headers(scope, self._trusted, self._origin.authority)
            head = serialize("GET", request_target(scope), [*headers, *_UPGRADE])
            upstream = await open_tunnel(self._origin, head, self._timeouts, self._limits)
        except GatewayError as error:
            await _apologize(scope, send, error)
            return
        try:
            answer = upstream.answer
            if answer.status != 101:
                await _deny(scope, send, answer.status, answer.headers, upstream.refusal())
            elif not accepts(answer, first(headers, b"sec-websocket-key") or b""):
                await _apologize(scope, send, UpstreamUnavailable("the app did not open the WebSocket"))
            else:
                await send({"type": "websocket.accept", "headers": switching_headers(answer), TUNNEL: upstream})
                await upstream.closed()
        finally:
            upstream.transport.abort()

    def _handshake(self, scope: Scope) -> ClientProtocol:
        target = request_target(scope)
        headers = [
            (name, value)
            for name, value in request_headers(scope, self._trusted, self._origin.authority)
            if not name.startswith(b"sec-websocket-")
        ]
        serialize("GET", target, headers)  # for its refusals
        subprotocols = [Subprotocol(name) for name in scope.get("subprotocols", ()) if name]
        return _Handshake(target, headers, subprotocols, self._limits.websocket_message_bytes)

    async def _open(self, handshake: ClientProtocol) -> ClientConnection:
        """Connect and shake hands. Raises UpstreamError, or InvalidStatus with the upstream's refusal."""
        connection = None
        try:
            async with asyncio.timeout(self._timeouts.connect):
                connection = await self._connect(handshake)
            async with asyncio.timeout(self._timeouts.head):
                await connection.handshake(user_agent_header=None)
        except BaseException as error:
            if connection is not None:
                connection.transport.abort()
            if isinstance(error, TimeoutError):
                raise UpstreamTimeout("the app did not open the WebSocket in time") from error
            if isinstance(error, InvalidHandshake | OSError) and not isinstance(error, InvalidStatus):
                raise UpstreamUnavailable("the app did not open the WebSocket") from error
            raise
        return connection

    async def _connect(self, handshake: ClientProtocol) -> ClientConnection:
        # Not websockets' own `connect`: it follows redirects, which are the client's to follow. No pings: an
        # app that is busy for a while must not lose here what it would keep without us.
        return await self._origin.connect(
            lambda: ClientConnection(
                handshake,
                ping_interval=None,
                close_timeout=self._timeouts.connect,
                max_queue=_QUEUED_FRAMES,
            )
        )

    async def _relay(self, upstream: ClientConnection, receive: Receive, send: Send) -> None:
        """Pass messages both ways until one side closes; the other side gets its code and reason."""
        client_gone = False
        from_client = asyncio.create_task(self._relay_from_client(upstream, receive))
        try:
            while True:
                data = await _next_message(upstream)
                try:
                    await send(_message(data))
                except OSError:
                    # The other task sees the client's close, with its code, and closes the upstream.
                    client_gone = True
        except ConnectionClosed as closed:
            if not (client_gone or from_client.done()):
                await _close_client(send, closed)
        finally:
            from_client.cancel()

    async def _relay_from_client(self, upstream: ClientConnection, receive: Receive) -> None:
        try:
            while (message := await receive())["type"] == "websocket.receive":
                text = message.get("text")
                async with asyncio.timeout(self._timeouts.idle):
                    await upstream.send(message["bytes"] if text is None else text)
            await _close_upstream(upstream, message.get("code", 1005), message.get("reason") or "")
        except ConnectionClosed:
            pass
        except TimeoutError:
            upstream.transport.abort()


class _Handshake(ClientProtocol):
    """Sends the client's own request target, Host and headers in the handshake."""

    def __init__(self, target: bytes, headers: RawHeaders, subprotocols: list[Subprotocol], max_size: int) -> None:
        uri = WebSocketURI(secure=False, host="unused", port=80, path="/", query="")
        super().__init__(uri, subprotocols=subprotocols or None, max_size=max_size)
        self._target = target
        self._headers = headers

    def connect(self) -> Request:
        own = super().connect().headers
        del own["Host"]
        headers = Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in self._headers])
        headers.update(own)
        return Request(self._target.decode("latin-1"), headers)


def _acceptance(upstream: ClientConnection) -> Message:
    assert upstream.response is not None
    headers = [
        (name, value)
        for name, value in end_to_end(_raw(upstream.response.headers))
        if not name.startswith(b"sec-websocket-")
    ]
    return {"type": "websocket.accept", "subprotocol": upstream.subprotocol, "headers": headers}


async def _apologize(scope: Scope, send: Send, error: GatewayError) -> None:
    text = [(b"content-type", b"text/plain; charset=utf-8")]
    await _deny(scope, send, error.status, text, error.message.encode())


async def _deny(scope: Scope, send: Send, status: int, headers: RawHeaders, body: bytes) -> None:
    """Refuse the handshake: with the whole response where the server can send one, else with a close."""
    if _DENIAL not in scope.get("extensions", ()):
        code = CloseCode.POLICY_VIOLATION if status < 500 else CloseCode.INTERNAL_ERROR
        await send({"type": "websocket.close", "code": int(code), "reason": ""})
        return
    kept = [(name, value) for name, value in end_to_end(headers) if name != b"content-length"]
    kept.append((b"content-length", b"%d" % len(body)))
    await send({"type": f"{_DENIAL}.start", "status": status, "headers": kept})
    await send({"type": f"{_DENIAL}.body", "body": body, "more_body": False})


async def _close_client(send: Send, closed: ConnectionClosed) -> None:
    """Close as the upstream did, or as we had to (1009 for a message too big).

    Without any close frame the app just ends, and the server drops the connection: 1006 for the client too.
    """
    frame = closed.rcvd or closed.sent
    if frame is None:
        return
    code = CloseCode.NORMAL_CLOSURE if frame.code == CloseCode.NO_STATUS_RCVD else frame.code
    with suppress(OSError):
        await send({"type": "websocket.close", "code": int(code), "reason": frame.reason})


async def _close_upstream(upstream: ClientConnection, code: int, reason: str) -> None:
    """Close as the client did. 1005 and 1006 stand for the absence of a code and cannot be sent."""
    if code == CloseCode.ABNORMAL_CLOSURE:
        upstream.transport.abort()
    elif code == CloseCode.NO_STATUS_RCVD:
        async with upstream.send_context():
            upstream.protocol.send_close()
    else:
        await upstream.close(code, reason)


async def _next_message(upstream: ClientConnection) -> str | bytes:
    """The next message, in however many fragments it comes: `recv` takes 4096, browsers take any number."""
    fragments = upstream.recv_streaming()
    first = await anext(fragments)
    whole: Any = None
    async for fragment in fragments:
        if whole is None:
            whole = io.StringIO() if isinstance(first, str) else io.BytesIO()
            whole.write(first)
        whole.write(fragment)
    return first if whole is None else whole.getvalue()


def _message(data: str | bytes) -> Message:
    if isinstance(data, str):
        return {"type": "websocket.send", "text": data}
    return {"type": "websocket.send", "bytes": data}


def _raw(headers: Headers) -> RawHeaders:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.raw_items()]
