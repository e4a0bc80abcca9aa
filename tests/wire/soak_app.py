"""The app behind a soak: what a path does is what its name says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping

from frameworks_support import PAGE
from proxy_harness import Upstream, ok, reset_on_close
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

PIECE = bytes(range(256)) * 64
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)\r\n")
_CHUNKED = re.compile(rb"(?i)\r\ntransfer-encoding: *chunked\r\n")


async def app(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serves a connection."""
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ", 2)[1].decode()
        await _ANSWERS[path](head, reader, writer)
        if writer.is_closing():
            return
        await writer.drain()


Answer = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def _fixed(response: bytes) -> Answer:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = response.index(b"\r\n\r\n") + 4 if head.startswith(b"HEAD ") else None
        writer.write(response[:end])

    return answer


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def _echo(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(ok(await read_body(reader, head)))


async def _download(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """More than the buffers of all sockets on the way hold."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (1000 * len(PIECE)))
    for _ in range(1000):
        writer.write(PIECE)
        await writer.drain()


async def _events(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Two events, and then nothing until somebody leaves."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    for number in (b"1", b"2"):
        writer.write(chunk(b"data: %b\n\n" % number))
        await writer.drain()
    await reader.read()
    writer.close()


async def _early(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Does not wait for the body that it does not want."""
    writer.write(ok(b"too much", status=b"413 Content Too Large"))
    await read_body(reader, head)


def _then_over(response: bytes, *, reset: bool = False) -> Answer:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(response)
        await writer.drain()
        if reset:
            reset_on_close(writer)
        writer.close()

    return answer


async def _websocket(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says what it hears."""
    protocol = ServerProtocol()
    data = head
    while data:
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Request):
                protocol.send_response(protocol.accept(event))
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                protocol.send_text(bytes(event.data))
        writer.writelines(protocol.data_to_send())
        data = b"" if protocol.close_expected() else await reader.read(65536)
    writer.close()


_CHUNKS = b"".join(chunk(PIECE[:size]) for size in (1, 10, 100, 1000, 10000))
_ANSWERS: Mapping[str, Answer] = {
    "/json": _fixed(ok(b'{"a": 1}', b"content-type: application/json")),
    "/page": _fixed(ok(PAGE.encode(), b"content-type: text/html; charset=utf-8")),
    "/nothing": _fixed(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "/chunked": _fixed(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + _CHUNKS + b"0\r\n\r\n"),
    "/echo": _echo,
    "/download": _download,
    "/events": _events,
    "/early": _early,
    "/reset": _then_over(b"", reset=True),
    "/last": _then_over(ok(b"bye", b"connection: close")),
    "/reset-in-body": _then_over(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf", reset=True),
    "/ends-in-chunk": _then_over(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nha"),
    "/websocket": _websocket,
}


async def read_body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    if length := _LENGTH.search(head):
        return await reader.readexactly(int(length[1]))
    if not _CHUNKED.search(head):
        return b""
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return body
