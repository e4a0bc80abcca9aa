"""One request and its response, as the app sees them: ASGI's `receive` and `send`.

What `send` is told is done by `start`, `send_body` and so on, which wait for nothing. So a response can be sent without
the app, too: `Shortcut` is what finds requests that need none of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from portal_gateway.http11.body import Body, ChunkedBody, LengthBody
from portal_gateway.http11.extensions import INTERIM, REQUEST_TRAILERS, TRAILERS
from portal_gateway.http11.fields import head_bytes
from portal_gateway.http11.framing import Framing
from portal_gateway.http11.request_head import BadRequest, RequestHead
from portal_gateway.http11.response_head import STATUS_LINES, ResponseHead, response_head
from portal_gateway.wire.asgi import ASGIApp, Message, RawHeaders, Scope
from portal_gateway.wire.headers import as_pairs

if TYPE_CHECKING:
    from portal_gateway.http11.connection import Connection

logger = logging.getLogger("portal_gateway.http11")

# Body bytes that wait for the app before reading pauses (uvicorn's figure).
HIGH_WATER_BYTES: Final = 64 * 1024
# From so many bytes on, handing a second piece to the kernel costs less than copying it behind the first.
_JOINED_BYTES: Final = 16 * 1024
_CONTINUE: Final = STATUS_LINES[100] + b"\r\n\r\n"


class Cycle:
    """The connection feeds the request's body in; `Connection.cycle_over` is called once the response is sent."""

    # Most requests have no body, and of most nobody waits for the end.
    _reader: Body | None = None
    _body_bytes = 0
    # Whether the app has been given the last of the body.
    _body_ended = False
    _changed: asyncio.Event | None = None
    _response: ResponseHead | None = None
    # The head, which leaves with the first bytes of the body or, without any, when the event loop has turned.
    _pending = b""
    _left = 0
    _sends_trailers = False
    has_whole_body = True
    #: Of the response, once it has started.
    status = 0
    body_bytes_sent = 0
    disconnected = False
    over = False
    task: asyncio.Task[None] | None = None

    def __init__(self, connection: Connection, request: RequestHead, scope: Scope) -> None:
        self._connection = connection
        self._request = request
        self._body: list[bytes] = []
        self._expects_continue = request.expects_continue
        self.scope = scope
        if request.framing is not Framing.NONE:
            self._reader = _body_reader(connection, request)
            self.has_whole_body = self._reader.complete

    # What the connection asks.

    @property
    def has_started(self) -> bool:
        """Whether the response has begun."""
        return self._response is not None

    @property
    def keeps_alive(self) -> bool:
        """Whether another request may follow the response that was sent."""
        return self._response is not None and self._response.keep_alive

    @property
    def ends_with_connection(self) -> bool:
        """Whether the end of the connection is the end of the response's body."""
        return self._response is not None and self._response.framing is Framing.CLOSE

    @property
    def is_full(self) -> bool:
        """Whether the client should send no more of the body for now."""
        return self._body_bytes > HIGH_WATER_BYTES

    @property
    def waits_for_body(self) -> bool:
        """Whether it is the client's turn. One that expects a 100 waits itself."""
        return not self.has_whole_body and not self._expects_continue

    def feed(self, data: bytes) -> int:
        """Take in bytes of the body; how many of `data` are done with. Raises BodyError."""
        assert self._reader is not None
        taken = self._reader.feed(data, 0, self._body)
        self.has_whole_body = self._reader.complete
        self._body_bytes += taken
        self._wake()
        return taken

    def disconnect(self) -> None:
        """The client is gone, or no more of its request can be read: the app learns it from `receive`."""
        self.disconnected = True
        self._wake()

    def writable(self) -> None:
        """The client has taken most of what was written."""

    # The app's side.

    def begin(self, app: ASGIApp, tasks: set[Any]) -> None:
        """Start what answers the request, as one of `tasks` if it takes one."""
        self.task = self._connection.loop.create_task(self.run(app, tasks))
        tasks.add(self.task)

    async def run(self, app: ASGIApp, tasks: set[Any]) -> None:
        """Call the app as one of `tasks`. A response that it leaves unfinished never looks complete."""
        try:
            await app(self.scope, self.receive, self.send)
        except Exception as error:
            logger.error("the app failed", exc_info=error)
        except BaseException:
            self._connection.break_off()
            raise
        finally:
            tasks.discard(self.task)
        if not (self.over or self.disconnected):
            self._unfinished()

    def _unfinished(self) -> None:
        if self._response is not None:
            self._connection.break_off()
        else:
            self._connection.refuse(BadRequest(500, "Internal Server Error"))

    async def receive(self) -> Message:
        if self._expects_continue and self._response is None and not self.disconnected:
            self._connection.write(_CONTINUE)
            self._expects_continue = False
            self._connection.body_awaited()
        while not (self.disconnected or self.over):
            if self._body or (not self._body_ended and self.has_whole_body):
                return self._take_body()
            if self._changed is None:
                self._changed = asyncio.Event()
            self._changed.clear()
            await self._changed.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self._connection.writing_paused and not self.disconnected:
            await self._connection.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if self._response is None:
            if kind == "http.response.start":
                headers = as_pairs(message.get("headers", ()))
                self.start(message["status"], headers, trailers=message.get("trailers", False))
                self._connection.loop.call_soon(self._flush)
            elif kind == INTERIM:
                self.send_interim(message["status"], as_pairs(message["headers"]))
            else:
                raise RuntimeError(f"the response has not started, but the app sent {kind!r}")
        elif kind == "http.response.body" and not self.over:
            self.send_body(message.get("body", b""), more=message.get("more_body", False))
        elif kind == TRAILERS:
            if self._sends_trailers and not self.over:  # a client of HTTP/1.0 gets none
                self.send_trailers(as_pairs(message.get("headers", ())))
        else:
            raise RuntimeError(f"the app sent {kind!r} where the response has no place for it")

    # The response.

    def start(self, status: int, headers: RawHeaders, *, trailers: bool = False) -> None:
        """Begin the response, whose head waits for the first of the body, or for `_flush`.

        Raises ValueError for a head that must not be sent.
        """
        request = self._request
        self._response = response = response_head(
            status,
            headers,
            method=request.method,
            version=request.version,
            # What is left of a body when the response ends would be taken for the next request.
            keep_alive=request.keep_alive and self.has_whole_body and not self._connection.is_stopping,
        )
        self.status = status
        self._left = response.length
        self._sends_trailers = trailers and response.framing is Framing.CHUNKED
        self._pending = response.data

    def send_interim(self, status: int, headers: RawHeaders) -> None:
        """An interim response; HTTP/1.0 has none."""
        if self._request.version == "1.1" and 100 < status < 200 and status != 101:
            self._connection.write(head_bytes(STATUS_LINES[status], headers))

    def send_body(self, body: bytes, *, more: bool) -> None:
        """A piece of the body, the last one unless there is `more` or trailers follow."""
        response = self._response
        assert response is not None
        if response.framing is Framing.CHUNKED:
            pieces = [self._pending, b"%x\r\n" % len(body), body, b"\r\n"] if body else [self._pending]
            if not (more or self._sends_trailers):
                pieces.append(b"0\r\n\r\n")
        elif response.framing is Framing.NONE:
            pieces = [self._pending]
        else:
            if response.framing is Framing.LENGTH:
                self._left -= len(body)
                if self._left < 0 or (self._left and not more):
                    raise RuntimeError("the app sent a body that differs from its Content-Length")
            pieces = [self._pending, body]
        self._write(pieces, len(body))
        if not (more or self._sends_trailers):
            self._end()

    def send_trailers(self, headers: RawHeaders) -> None:
        """What ends a response that was started with `trailers`."""
        # A header block without its start line, which the last chunk takes the place of.
        self._write([self._pending, head_bytes(b"0", headers)], 0)
        self._end()

    def _take_body(self) -> Message:
        ended = self.has_whole_body
        message: Message = {"type": "http.request", "body": b"".join(self._body), "more_body": not ended}
        self._body.clear()
        self._body_bytes = 0
        self._body_ended = ended
        if ended:
            if self._reader is not None and self._reader.trailers:
                message[REQUEST_TRAILERS] = self._reader.trailers
        else:
            self._connection.body_awaited()
        return message

    def _write(self, pieces: list[bytes], body_bytes: int) -> None:
        self._pending = b""
        self.body_bytes_sent += body_bytes
        if body_bytes > _JOINED_BYTES:
            for piece in filter(None, pieces):
                self._connection.write(piece)
        elif data := b"".join(pieces):
            self._connection.write(data)

    def _flush(self) -> None:
        if self._pending:
            self._write([self._pending], 0)

    def _end(self) -> None:
        self.over = True
        self._wake()
        self._connection.cycle_over(self)

    def _wake(self) -> None:
        if self._changed is not None:
            self._changed.set()


# What answers a request without a body in the app's place; None if the app has to.
Shortcut: TypeAlias = Callable[["Connection", RequestHead, Scope], Cycle | None]


def _body_reader(connection: Connection, request: RequestHead) -> Body:
    if request.framing is Framing.CHUNKED:
        return ChunkedBody(connection.limits.head_bytes, connection.limits.fields)
    return LengthBody(request.length)
