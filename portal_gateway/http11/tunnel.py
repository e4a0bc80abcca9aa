"""A connection that has become a WebSocket, joined to another one: bytes pass both ways as they come.

Messages, fragments, pings and extensions are between the two who talk (RFC 6455). What is looked at is where frames
begin, because a tunnel that has to end says so to both in a frame of its own.
"""

from __future__ import annotations

import asyncio
import math
import os
import socket
from typing import cast

#: What a server offers in `scope["extensions"]` that takes a `TunnelEnd` under this key of `websocket.accept`.
TUNNEL = "portal_gateway.tunnel"

# A peer that has vanished without a word is found out within about two minutes, however quiet the WebSocket is.
_KEEP_ALIVE_OPTIONS = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
_NEVER = math.inf


class FrameEdges:
    """Looks where the frames in a stream end (RFC 6455 section 5.2). No IO."""

    # Bytes of the frame under way that are still to come, and the beginning of a frame that does not tell its size yet.
    _left = 0
    _beginning = b""

    @property
    def at_edge(self) -> bool:
        """Whether another frame may follow now."""
        return not (self._left or self._beginning)

    def feed(self, data: bytes) -> None:
        if self._beginning:
            data, self._beginning = self._beginning + data, b""
        at = self._left
        while at < len(data):
            size = _frame_size(data, at)
            if size is None:
                self._left, self._beginning = 0, data[at:]
                return
            at += size
        self._left = at - len(data)


def _frame_size(data: bytes, at: int) -> int | None:
    """Of the frame that begins at `at`, as far as that can be seen."""
    if len(data) < at + 2:
        return None
    is_masked, length = data[at + 1] & 0x80, data[at + 1] & 0x7F
    longer = {126: 2, 127: 8}.get(length, 0)
    if longer:
        if len(data) < at + 2 + longer:
            return None
        length = int.from_bytes(data[at + 2 : at + 2 + longer], "big")
    return 2 + longer + (4 if is_masked else 0) + length


def close_frame(code: int, *, masked: bool) -> bytes:
    """A Close frame without a reason; a client's are masked (RFC 6455 sections 5.3 and 5.5.1)."""
    payload = code.to_bytes(2, "big")
    if not masked:
        return b"\x88\x02" + payload
    key = os.urandom(4)
    return b"\x88\x82" + key + bytes(byte ^ key[index] for index, byte in enumerate(payload))


class TunnelEnd(asyncio.Protocol):
    """The connection at one end. `stall_s` is how long its peer may take nothing of what waits for it.

    Bytes that come in before the two ends are joined are the subclass's.
    """

    transport: asyncio.Transport
    other: TunnelEnd | None = None
    # The frames that this end sends are a client's.
    sends_masked = False

    def __init__(self, stall_s: float) -> None:
        self._stall_s = stall_s
        self._loop = asyncio.get_running_loop()
        self._edges = FrameEdges()
        self._deadline = _NEVER
        self._unsent = 0

    def join(self, other: TunnelEnd) -> None:
        self.other, other.other = other, self

    def send(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def finish(self, code: int | None = None) -> None:
        """Close when the peer has taken what waits for it, or takes nothing for too long. `code` tells it why."""
        if code is not None and self.other is not None and self.other._edges.at_edge:
            self.send(close_frame(code, masked=self.sends_masked))
        if not self.transport.is_closing():
            self.transport.close()
            self._watch()

    def check(self, now: float) -> None:
        """Give up a peer that has taken nothing for too long."""
        if now < self._deadline:
            return
        if self.transport.get_write_buffer_size() < self._unsent:
            self._watch()
        else:
            self._deadline = _NEVER
            self.transport.abort()

    def _watch(self) -> None:
        self._unsent = self.transport.get_write_buffer_size()
        self._deadline = self._loop.time() + self._stall_s

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _KEEP_ALIVE_OPTIONS.items():
                if hasattr(socket, name):  # Linux, mostly
                    sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def data_received(self, data: bytes) -> None:
        assert self.other is not None
        self._edges.feed(data)
        self.other.send(data)

    def eof_received(self) -> None:
        """Who sends no more has left: the transport closes itself."""

    def connection_lost(self, error: Exception | None) -> None:
        self._deadline = _NEVER
        if self.other is not None:
            self.other.finish()

    def pause_writing(self) -> None:
        self._watch()
        if self.other is not None and not self.other.transport.is_closing():
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if not self.transport.is_closing():  # else the rest has to leave in time, too
            self._deadline = _NEVER
        if self.other is not None and not self.other.transport.is_closing():
            self.other.transport.resume_reading()
