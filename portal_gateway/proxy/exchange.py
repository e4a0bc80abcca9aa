"""One ASGI request and its response over one upstream connection.

The common case, a request without a body that is answered within a tick of the pool, makes no task. A body is
sent by a task, which goes on to wait for the client's leaving; other requests get such a task at the first
tick they live to see.
"""

from __future__ import annotations

import asyncio

from portal_gateway.http11.framing import Framing
from portal_gateway.proxy.connection import UpstreamConnection
from portal_gateway.proxy.headers import MalformedRequest, UpstreamRequest, response_headers
from portal_gateway.wire.asgi import Receive, Send

# How long an upstream may take for the 100 that a client expects; then the body is sent anyway, as RFC 9110
# section 10.1.1 demands of a client (curl waits as long).
CONTINUE_S = 1.0


class ClientLeft(Exception):
    """The client closed its connection; there is nobody to answer."""


class Exchange:
    def __init__(self, connection: UpstreamConnection, request: UpstreamRequest, receive: Receive, send: Send) -> None:
        self._connection = connection
        self._request = request
        self._receive = receive
        self._send = send
        self._listener: asyncio.Task[None] | None = None
        self._may_listen = not (request.has_body and request.expects_continue)

    async def run(self) -> None:
        """Send the request, relay the response. Raises UpstreamError and ClientLeft, at any point.

        An error after the start of the response leaves it unfinished: never a truncation that looks complete.
        """
        connection = self._connection
        connection.begin(self._request.method, self._listen)
        connection.write(self._request.head)
        try:
            if not self._request.has_body:
                connection.request_sent()
            elif self._may_listen or await self._client_may_continue():
                self._listen()
            await self._relay_response()
        finally:
            if self._listener is not None:
                self._listener.cancel()

    async def _client_may_continue(self) -> bool:
        """Whether the client shall send the body it has announced; asking for it tells it to."""
        try:
            async with asyncio.timeout(CONTINUE_S):
                self._may_listen = await self._connection.continued()
        except TimeoutError:
            self._may_listen = True
        return self._may_listen

    async def _relay_response(self) -> None:
        connection = self._connection
        head = await connection.head()
        headers = response_headers(head.headers, head.status)
        if not self._may_listen:
            # The client was not told to send its body, so what it sends next may be that or another request.
            headers.append((b"connection", b"close"))
        await self._send({"type": "http.response.start", "status": head.status, "headers": headers})
        self._may_listen = True
        more = True
        while more:
            data = await connection.read()
            more = not connection.complete
            await self._send({"type": "http.response.body", "body": data, "more_body": more})

    def _listen(self) -> None:
        if self._listener is None and self._may_listen:
            self._listener = asyncio.get_running_loop().create_task(self._listen_to_client())

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
                connection.write(_chunk(data, last=not more))
            else:
                left -= len(data)
                if left < 0 or (left and not more):
                    raise MalformedRequest("the request's body differs from its Content-Length")
                connection.write(data)
            await connection.drain()
        connection.request_sent()


def _chunk(data: bytes, *, last: bool) -> bytes:
    """`data` as a chunk of RFC 9112 section 7.1, an empty one being nothing; the end if `last`."""
    chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
    return chunk + b"0\r\n\r\n" if last else chunk
