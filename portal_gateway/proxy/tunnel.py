"""The upstream's end of a WebSocket that passes through untouched: its handshake, then bytes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re

from portal_gateway.errors import UpstreamTimeout, UpstreamUnavailable
from portal_gateway.http11.fields import FieldError, FieldMemo, parse_fields
from portal_gateway.http11.framing import Framing
from portal_gateway.http11.tunnel import TunnelEnd
from portal_gateway.proxy.headers import end_to_end
from portal_gateway.proxy.limits import Limits, Timeouts
from portal_gateway.proxy.origin import Origin
from portal_gateway.proxy.response import BadResponse, ResponseHead, ResponseParser
from portal_gateway.wire.asgi import RawHeaders
from portal_gateway.wire.headers import first, tokens

# Of a response that says why there is no WebSocket.
_REFUSAL_BYTES = 1024 * 1024
_INTERIM = re.compile(rb"HTTP/1\.1 1(\d\d)[ \r]")
_STATUS_BYTES = len(b"HTTP/1.1 101 ")
_FIELDS = FieldMemo()
_MAX_FIELDS = 1000
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


async def open_tunnel(origin: Origin, head: bytes, timeouts: Timeouts, limits: Limits) -> UpstreamEnd:
    """The upstream's end once it has answered the handshake `head`, with a 101 or a refusal. Raises UpstreamError."""
    end: UpstreamEnd | None = None
    try:
        async with asyncio.timeout(timeouts.connect):
            end = await origin.connect(lambda: UpstreamEnd(timeouts.idle, limits.head_bytes))
        async with asyncio.timeout(timeouts.head):
            await end.shake_hands(head)
    except BaseException as error:
        if end is not None:
            end.transport.abort()
        if isinstance(error, TimeoutError):
            raise UpstreamTimeout("the app did not open the WebSocket in time") from error
        if isinstance(error, OSError | BadResponse):
            raise UpstreamUnavailable("the app did not open the WebSocket") from error
        raise
    return end


def accepts(head: ResponseHead, key: bytes) -> bool:
    """Whether a 101 answers the client's `key` (RFC 6455 section 4.1)."""
    digest = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
    return (
        b"websocket" in tokens(head.headers, b"upgrade")
        and b"upgrade" in tokens(head.headers, b"connection")
        and first(head.headers, b"sec-websocket-accept") == digest
    )


class UpstreamEnd(TunnelEnd):
    """`answer` is there after `shake_hands`, and the body of a refusal."""

    sends_masked = True
    answer: ResponseHead
    # What has come of the handshake, then what came behind it.
    _unread = b""
    # Reads any answer but a 101.
    _refusal: ResponseParser | None = None

    def __init__(self, stall_s: float, max_head_bytes: int) -> None:
        super().__init__(stall_s)
        self._max_head_bytes = max_head_bytes
        self._answered: asyncio.Future[None] = self._loop.create_future()
        self._lost: asyncio.Future[None] = self._loop.create_future()

    async def shake_hands(self, head: bytes) -> None:
        """Raises BadResponse, OSError."""
        self.transport.write(head)
        await self._answered

    def refusal(self) -> bytes:
        return b"" if self._refusal is None else self._refusal.take()

    async def closed(self) -> None:
        await self._lost

    def join(self, other: TunnelEnd) -> None:
        super().join(other)
        if self._unread:
            super().data_received(self._unread)
            self._unread = b""
        if self.transport.is_closing():
            other.finish()
        else:
            self.transport.resume_reading()

    # asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            super().data_received(data)
            return
        try:
            if self._is_answered_by(data):
                self.transport.pause_reading()
                self._settle(None)
        except BadResponse as error:
            self._settle(error)

    def eof_received(self) -> None:
        if self._refusal is not None:
            try:
                self._refusal.feed_eof()
                self._settle(None)
            except BadResponse as error:
                self._settle(error)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._settle(BadResponse("closed the connection before the response was complete"))
        if not self._lost.done():
            self._lost.set_result(None)

    def _is_answered_by(self, data: bytes) -> bool:
        """Whether the answer is complete with `data`. Raises BadResponse."""
        if self._refusal is None:
            self._unread += data
            while interim := _INTERIM.match(self._unread):
                end = self._unread.find(b"\r\n\r\n")
                if end < 0:
                    break
                head, self._unread = self._unread[:end], self._unread[end + 4 :]
                if interim[1] == b"01":
                    self.answer = _switching(head)
                    return True
            if len(self._unread) > self._max_head_bytes:
                raise BadResponse(f"more than {self._max_head_bytes} bytes of headers")
            if interim or len(self._unread) < _STATUS_BYTES:
                return False
            data, self._unread = self._unread, b""
            self._refusal = ResponseParser("GET", self._max_head_bytes)
        self._refusal.feed(data)
        if self._refusal.buffered > _REFUSAL_BYTES:
            raise BadResponse(f"a refusal of more than {_REFUSAL_BYTES} bytes")
        if self._refusal.head is not None:
            self.answer = self._refusal.head
        return self._refusal.complete

    def _settle(self, error: Exception | None) -> None:
        if self._answered.done():
            return
        if error is None:
            self._answered.set_result(None)
        else:
            self._answered.set_exception(error)


def _switching(head: bytes) -> ResponseHead:
    _, _, block = head.partition(b"\r\n")
    try:
        return ResponseHead(101, parse_fields(block, _FIELDS, _MAX_FIELDS), Framing.NONE, keep_alive=False)
    except FieldError as error:
        raise BadResponse(str(error)) from error


def switching_headers(head: ResponseHead) -> RawHeaders:
    """The headers of a 101 as the client gets them, Connection and Upgrade left out."""
    return [(name, value) for name, value in end_to_end(head.headers) if name != b"content-length"]
