"""One ASGI request and its response over one upstream connection.

The common case, a request without a body that is answered within a tick of the pool, makes no task. A body is
sent by a task, which goes on to wait for the client's leaving; other requests get such a task at the first
tick they live to see.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container
from typing import Final

from portal_gateway.errors import MalformedRequest
from portal_gateway.http11.extensions import INTERIM, REQUEST_TRAILERS, TRAILERS
from portal_gateway.http11.fields import head_bytes
from portal_gateway.http11.framing import Framing
from portal_gateway.proxy.connection import UpstreamConnection
from portal_gateway.proxy.headers import (
    NO_TRAILERS,
    UpstreamRequest,
    announced_trailers,
    response_headers,
)
from portal_gateway.proxy.response import ResponseParser
from portal_gateway.wire.asgi import Message, Receive, Send
from portal_gateway.wire.headers import HeaderPairs

# How long an upstream may take for the 100 that a client expects; then the body is sent anyway, as RFC 9110
# section 10.1.1 demands of a client (curl waits as long).
CONTINUE_S: Final = 1.0


class ClientLeft(Exception):
    """The client closed its connection; there is nobody to answer."""


class Exchange:
    """`offers` are the extensions of the server in front."""

    _listener: asyncio.Task[None] | None = None

    def __init__(
        self,
        connection: UpstreamConnection,
        request: UpstreamRequest,
        receive: Receive,
        send: Send,
        offers: Container[str] = (),
    ) -> None:
        self._connection = connection
        self._request = request
        self._receive = receive
        self._send = send
        self._offers = offers
        self._may_listen = not (request.has_body and request.expects_continue)

    async def run(self) -> None:
        """Send the request, relay the response. Raises UpstreamError and ClientLeft, at any point.

        An error after the start of the response leaves it unfinished: never a truncation that looks complete.
        """
        request = self._request
        response = self._connection.begin(request.head, request.method, has_body=request.has_body, on_tick=self._listen)
        try:
            if request.has_body and (self._may_listen or await self._client_may_continue(response)):
                self._listen()
            await self._relay_response(response)
        finally:
            self._stop_listening()

    async def take_over(self, response: ResponseParser) -> None:
        """Relay the response to a request that has been sent already, and has no body. Raises as `run`."""
        self._connection.hand_over(self._listen)
        try:
            await self._relay_response(response)
        finally:
            self._stop_listening()

    async def _client_may_continue(self, response: ResponseParser) -> bool:
        """Whether the client shall send the body it has announced; asking for it tells it to."""
        try:
            async with asyncio.timeout(CONTINUE_S):
                while response.head is None and not response.continued:
                    await self._connection.more()
            self._may_listen = response.head is None
        except TimeoutError:
            self._may_listen = True
        return self._may_listen

    async def _relay_response(self, response: ResponseParser) -> None:
        connection, send = self._connection, self._send
        while response.head is None:
            await connection.more()
            if response.interim:
                await self._relay_interim(response)
        head = response.head
        start: Message = {
            "type": "http.response.start",
            "status": head.status,
            "headers": response_headers(head.headers, head.status),
        }
        announced = NO_TRAILERS
        if head.framing is Framing.CHUNKED and TRAILERS in self._offers:
            announced = announced_trailers(head.headers)
            if announced:
                start["trailers"] = True
                start["headers"].append((b"trailer", b", ".join(sorted(announced))))
        if not self._may_listen:
            # The client was not told to send its body, so what it sends next may be that or another request.
            start["headers"].append((b"connection", b"close"))
        await send(start)
        self._may_listen = True
        more = True
        while more:
            while not (response.buffered or response.complete):
                await connection.more()
            data, more = response.take(), not response.complete
            await send({"type": "http.response.body", "body": data, "more_body": more})
        if announced:
            trailers = [field for field in response.trailers if field[0] in announced]
            await send({"type": TRAILERS, "headers": trailers, "more_trailers": False})

    async def _relay_interim(self, response: ResponseParser) -> None:
        heads, response.interim = response.interim, []
        if INTERIM in self._offers:
            for head in heads:
                headers = response_headers(head.headers, head.status)
                await self._send({"type": INTERIM, "status": head.status, "headers": headers})

    def _listen(self) -> None:
        if self._listener is None and self._may_listen:
            self._listener = asyncio.get_running_loop().create_task(self._listen_to_client())

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
            self._listener = None  # which holds this exchange: two that hold each other are garbage for longer

    async def _listen_to_client(self) -> None:
        try:
            if self._request.has_body:
                await self._send_body()
            while (await self._receive())["type"] != "http.disconnect":
                pass
            raise ClientLeft
        except Exception as error:
            self._connection.fail(error)

    async def _send_body(self) -> None:
        """Pass the body on, framed as announced. Raises MalformedRequest if it does not keep to that."""
        connection, chunked = self._connection, self._request.framing is Framing.CHUNKED
        left = self._request.length
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientLeft
            data: bytes = message.get("body", b"")
            more = message.get("more_body", False)
            if chunked:
                connection.write(_chunk(data))
                if not more:
                    connection.write(_last_chunk(message.get(REQUEST_TRAILERS, ()), self._request.trailers))
            else:
                left -= len(data)
                if left < 0 or (left and not more):
                    raise MalformedRequest("the request's body differs from its Content-Length")
                connection.write(data)
            await connection.drain()
        connection.request_sent()


def _chunk(data: bytes) -> bytes:
    """`data` as a chunk of RFC 9112 section 7.1, an empty one being nothing."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def _last_chunk(trailers: HeaderPairs, announced: Container[bytes]) -> bytes:
    return head_bytes(b"0", [field for field in trailers if field[0] in announced])
