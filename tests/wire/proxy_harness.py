"""Real servers around the proxy: uvicorn before it, scripted or real upstreams behind it, raw clients."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import h11
import uvicorn

from portal_gateway.errors import GatewayError, UpstreamError
from portal_gateway.http11.connection import Connection, http11_protocol
from portal_gateway.http11.limits import ClientLimits
from portal_gateway.http11.request_head import RequestHead
from portal_gateway.proxy.app import UpstreamProxy
from portal_gateway.proxy.headers import UpstreamRequest
from portal_gateway.proxy.pool import ConnectionPool
from portal_gateway.proxy.straight import StraightCycle
from portal_gateway.proxy.upstreams import Upstream as OneUpstream
from portal_gateway.proxy.upstreams import Upstreams
from portal_gateway.wire.asgi import ASGIApp, RawHeaders, Scope, Send
from portal_gateway.wire.trust import TrustedPeers

NOBODY = TrustedPeers([])
CLIENTS = ClientLimits()
LOOPBACK = TrustedPeers([ipaddress.ip_network("127.0.0.0/8")])
PATIENCE_S = 10.0

Handler = Callable[["Upstream", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def listening_socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    sock.listen(128)
    return sock


@asynccontextmanager
async def serving(app: Any, **config: Any) -> AsyncIterator[int]:
    """The port on which uvicorn serves `app` in this very loop, without its signal handlers and clock."""
    with listening_socket() as sock:
        options = {
            "http": http11_protocol(),
            "log_config": None,
            "access_log": False,
            "lifespan": "on",
            "timeout_graceful_shutdown": 2,
        }
        server = uvicorn.Server(
            uvicorn.Config(app, server_header=False, date_header=False, proxy_headers=False, **{**options, **config})
        )
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        await server.startup(sockets=[sock])
        try:
            yield sock.getsockname()[1]
        finally:
            await server.shutdown(sockets=[sock])


class Way(StrEnum):
    """How requests without a body go through the sidecar; all others are relayed by the app."""

    APP = "by the app"
    STRAIGHT = "straight"
    HALFWAY = "straight, but the response by a task"
    WHOLE = "straight, but the response by a task unless it is all there at once"


class Sidecar:
    """The least of a sidecar: renders errors before the response, leaves the response unfinished after."""

    #: The fixture `each_way` sets it.
    way = Way.STRAIGHT

    def __init__(self, proxy: UpstreamProxy) -> None:
        self.proxy = proxy
        self.port = 0
        self.errors: list[GatewayError] = []
        for one in proxy.upstreams.all:
            self._watch(one)

    def _watch(self, one: OneUpstream) -> None:
        failed = one.failed

        def noted(error: UpstreamError) -> None:
            self.errors.append(error)
            failed(error)

        one.failed = noted  # type: ignore[method-assign]

    @property
    def pool(self) -> ConnectionPool:
        """The connections to the one upstream that most tests have."""
        [upstream] = self.proxy.upstreams.all
        return upstream.pool

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.rendering(self.proxy)(scope, receive, send)

    def rendering(self, app: ASGIApp) -> ASGIApp:
        async def rendering(scope: Any, receive: Any, send: Any) -> None:
            started = False

            async def tracking_send(message: Any) -> None:
                nonlocal started
                started = started or message["type"] == "http.response.start"
                await send(message)

            try:
                await app(scope, receive, tracking_send)
            except GatewayError as error:
                if not isinstance(error, UpstreamError):
                    self.errors.append(error)
                if not started:
                    await self.render(error, send)

        return rendering

    async def render(self, error: GatewayError, send: Send) -> None:
        body = error.message.encode()
        headers = [(b"content-length", b"%d" % len(body)), (b"x-error", error.code.encode())]
        await send({"type": "http.response.start", "status": error.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def shortcut(self, connection: Connection, request: RequestHead, scope: Scope) -> StraightCycle | None:
        if self.way is Way.APP:
            return None
        return StraightCycle(connection, request, scope, Passage(self, scope))


class Passage:
    def __init__(self, sidecar: Sidecar, scope: Scope) -> None:
        self.sidecar = sidecar
        self.scope = scope
        self.ended = False

    def outgoing(self) -> tuple[OneUpstream, UpstreamRequest]:
        return self.sidecar.proxy.outgoing(self.scope)

    def passing(self, status: int, headers: RawHeaders) -> RawHeaders | None:
        return headers if self.sidecar.way is Way.STRAIGHT else None

    def changed(self, status: int, headers: RawHeaders, body: bytes) -> tuple[RawHeaders, bytes] | None:
        return (headers, body) if self.sidecar.way is Way.WHOLE else None

    def around(self, relay: ASGIApp) -> ASGIApp:
        return self.sidecar.rendering(relay)

    def failed(self, error: GatewayError) -> ASGIApp:
        if not isinstance(error, UpstreamError):
            self.sidecar.errors.append(error)

        async def rendering(scope: Any, receive: Any, send: Any) -> None:
            await self.sidecar.render(error, send)

        return rendering

    def over(self, status: int, size: int) -> None:
        assert not self.ended, "a request is over once"
        self.ended = True


@asynccontextmanager
async def proxied(
    upstream_at: int | str | Mapping[str, str],
    trusted: TrustedPeers = NOBODY,
    clients: ClientLimits = CLIENTS,
    ws: Any = "websockets-sansio",
    **options: Any,
) -> AsyncIterator[Sidecar]:
    """A sidecar in front of a port on this machine, of a URL, or of several by prefix; `ws` is uvicorn's setting."""
    url = f"http://127.0.0.1:{upstream_at}" if isinstance(upstream_at, int) else upstream_at
    urls = {"/": url} if isinstance(url, str) else url
    sidecar = Sidecar(UpstreamProxy(Upstreams(urls, **options), trusted=trusted))
    async with serving(sidecar, http=http11_protocol(clients, sidecar.shortcut), ws=ws) as port:
        sidecar.port = port
        yield sidecar


@dataclass
class Upstream:
    """A raw server: what it has seen, and the connections that are open now."""

    port: int
    accepted: int = 0
    open: int = 0
    heads: list[bytes] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, predicate: Callable[[Upstream], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S), self.changed:
            await self.changed.wait_for(lambda: predicate(self))

    async def notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def read_head(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        await self.notify()
        return head


@asynccontextmanager
async def upstream(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[Upstream]:
    """`handler` serves each connection; the connection is closed when it returns."""
    tasks: set[asyncio.Task[Any]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        state.accepted += 1
        state.open += 1
        await state.notify()
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                await handler(state, reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()
            state.open -= 1
            tasks.discard(task)
            await state.notify()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    state = Upstream(server.sockets[0].getsockname()[1])
    try:
        yield state
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await server.wait_closed()


def answering(*responses: bytes) -> Handler:
    """Keep-alive: each request (without a body) gets the next response, the last one for ever."""
    left = list(responses)

    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await state.read_head(reader)
            writer.write(left.pop(0) if len(left) > 1 else left[0])
            await writer.drain()

    return handler


def once(data: bytes, *, reset: bool = False) -> Handler:
    """Each connection: one request is read, `data` written, the connection closed (with RST if `reset`)."""

    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.read_head(reader)
        writer.write(data)
        await writer.drain()
        if reset:
            reset_on_close(writer)

    return handler


def reset_on_close(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


@dataclass
class Response:
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    broken: bool = False

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key.lower() == name]


class Client:
    """An HTTP/1.1 client on h11, which shares no parser with the proxy or the server before it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._protocol = h11.Connection(h11.CLIENT)

    async def request(self, data: bytes) -> Response:
        self.write(data)
        return await self.response()

    def write(self, data: bytes) -> None:
        """Send raw bytes; the first call of a request holds its head."""
        if self._protocol.our_state is h11.IDLE:
            method = data.split(b" ", 1)[0]
            self._protocol.send(h11.Request(method=method, target=b"/", headers=[(b"host", b"h")]))
            self._protocol.send(h11.EndOfMessage())
        self.writer.write(data)

    async def event(self) -> Any:
        while True:
            event = self._protocol.next_event()
            if event is not h11.NEED_DATA:
                return event
            async with asyncio.timeout(PATIENCE_S):
                try:
                    self._protocol.receive_data(await self.reader.read(65536))
                except ConnectionError:
                    self._protocol.receive_data(b"")

    async def head(self) -> Response:
        while not isinstance(event := await self.event(), h11.Response):
            pass
        return Response(event.status_code, list(event.headers.raw_items()), b"")

    async def response(self) -> Response:
        return await self.rest_of(await self.head())

    async def rest_of(self, response: Response) -> Response:
        """The body that belongs to `response`, which came from `head`."""
        try:
            while isinstance(event := await self.event(), h11.Data):
                response.body += bytes(event.data)
        except h11.RemoteProtocolError:
            response.broken = True
        if self._protocol.our_state is h11.DONE and self._protocol.their_state is h11.DONE:
            self._protocol.start_next_cycle()
        return response


@asynccontextmanager
async def client(port: int, **options: Any) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **options)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def ask(port: int, data: bytes) -> Response:
    """One request on a connection of its own."""
    async with client(port) as connection:
        return await connection.request(data)


def get(target: bytes = b"/", *lines: bytes, method: bytes = b"GET") -> bytes:
    return b"\r\n".join([method + b" " + target + b" HTTP/1.1", b"host: app.acme.com", *lines, b"", b""])


def ok(body: bytes = b"ok", *lines: bytes, status: bytes = b"200 OK") -> bytes:
    return b"\r\n".join([b"HTTP/1.1 " + status, *lines, b"content-length: %d" % len(body), b"", body])
