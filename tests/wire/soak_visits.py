"""The visits that a soak is made of: all that goes well, and all that is torn in the middle."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from frameworks_support import LINK
from load_kit import Tenant
from processes import PATIENCE_S
from proxy_harness import reset_on_close
from soak_app import PIECE, chunk, read_body
from websockets.asyncio.client import connect

USERS = [f"u{n}" for n in range(20)]

Visit = Callable[["Visitor"], Awaitable[None]]


@dataclass
class Visitor:
    """Visits one after the other, over a connection that lives on for as long as both sides want it."""

    url: str
    chance: random.Random
    failures: list[str] = field(default_factory=list)
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def visit(self, visit: Visit | None = None) -> None:
        """Of a kind that is drawn, or of this one."""
        if visit is None:
            [visit] = self.chance.choices(list(VISITS), VISITS.values())
        try:
            async with asyncio.timeout(PATIENCE_S):
                await visit(self)
        except Exception as error:
            self.failures.append(f"{visit.__name__}: {error!r}")
            self.leave()

    async def send(self, path: str, *lines: str, method: str = "GET", body: bytes = b"") -> None:
        if self._streams is None:
            parts = urlsplit(self.url)
            self._streams = await asyncio.open_connection(parts.hostname, parts.port)
        head = "\r\n".join([f"{method} {path} HTTP/1.1", "Host: app.test", *lines, "", ""])
        self._streams[1].write(head.encode() + body)

    async def receive(self, *, method: str = "GET") -> tuple[int, bytes]:
        """Status and body of the answer."""
        head = await self.receive_head()
        status = int(head[9:12])
        bare = method == "HEAD" or status == 204
        return status, b"" if bare else await read_body(self.reader, head)

    async def receive_head(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def ask(self, path: str, *lines: str, method: str = "GET", body: bytes = b"") -> tuple[int, bytes]:
        await self.send(path, *lines, method=method, body=body)
        return await self.receive(method=method)

    @property
    def reader(self) -> asyncio.StreamReader:
        assert self._streams is not None
        return self._streams[0]

    def leave(self) -> None:
        """At once, half of the times with a reset."""
        if self._streams is not None:
            writer, self._streams = self._streams[1], None
            if self.chance.random() < 0.5:
                reset_on_close(writer)
            writer.transport.abort()


def _expect(found: Any, wanted: Any) -> None:
    if found != wanted:
        raise AssertionError(f"{found!r:.200}, not {wanted!r:.200}")


async def json(visitor: Visitor) -> None:
    _expect(await visitor.ask("/json", "Accept: application/json"), (200, b'{"a": 1}'))


async def page(visitor: Visitor) -> None:
    user = visitor.chance.choice(USERS)
    status, body = await visitor.ask("/page", "Accept: text/html", f"X-User-Id: {user}", f"X-User-Email: {user}@a.test")
    found = LINK.search(body.decode())
    _expect((status, found is not None, body.endswith(b"</html>")), (200, Tenant().has_access(user), True))


async def head(visitor: Visitor) -> None:
    _expect(await visitor.ask(visitor.chance.choice(["/page", "/json"]), method="HEAD"), (200, b""))


async def nothing(visitor: Visitor) -> None:
    _expect(await visitor.ask("/nothing", method="DELETE"), (204, b""))


async def last(visitor: Visitor) -> None:
    """Of both connections."""
    _expect(await visitor.ask("/last", "Connection: close"), (200, b"bye"))
    visitor.leave()


async def chunked(visitor: Visitor) -> None:
    status, body = await visitor.ask("/chunked")
    _expect((status, len(body)), (200, 11111))


async def upload(visitor: Visitor) -> None:
    body = PIECE * visitor.chance.randrange(10)
    _expect(await visitor.ask("/echo", f"Content-Length: {len(body)}", method="POST", body=body), (200, body))


async def chunked_upload(visitor: Visitor) -> None:
    body = chunk(PIECE) + chunk(b"end") + b"0\r\n\r\n"
    _expect(await visitor.ask("/echo", "Transfer-Encoding: chunked", method="PUT", body=body), (200, PIECE + b"end"))


async def unwanted_upload(visitor: Visitor) -> None:
    """The answer comes before the end of the body, which then does not come."""
    await visitor.send("/early", f"Content-Length: {2 * len(PIECE)}", method="POST", body=PIECE)
    _expect(await visitor.receive(), (413, b"too much"))
    visitor.leave()


async def upload_left(visitor: Visitor) -> None:
    await visitor.send("/echo", f"Content-Length: {2 * len(PIECE)}", method="POST", body=PIECE)
    visitor.leave()


async def download_left(visitor: Visitor) -> None:
    await visitor.send("/download")
    _expect((await visitor.receive_head())[:12], b"HTTP/1.1 200")
    await visitor.reader.readexactly(visitor.chance.randrange(100_000))
    visitor.leave()


async def answer_left(visitor: Visitor) -> None:
    """Gone before anything has come."""
    await visitor.send("/json")
    visitor.leave()


async def events(visitor: Visitor) -> None:
    await visitor.send("/events")
    _expect((await visitor.receive_head())[:12], b"HTTP/1.1 200")
    await visitor.reader.readuntil(b"data: 2\n\n")
    visitor.leave()


async def websocket(visitor: Visitor) -> None:
    url = visitor.url.replace("http:", "ws:", 1) + "/websocket"
    async with connect(url, proxy=None, compression=None) as connection:
        await connection.send("hello")
        _expect(await connection.recv(), "hello")
        if visitor.chance.random() < 0.3:
            connection.transport.abort()


async def broken_before(visitor: Visitor) -> None:
    status, _ = await visitor.ask("/reset")
    _expect(status, 502)


async def broken_within(visitor: Visitor) -> None:
    await visitor.send(visitor.chance.choice(["/reset-in-body", "/ends-in-chunk"]))
    _expect((await visitor.receive_head())[:12], b"HTTP/1.1 200")
    try:
        rest = await visitor.reader.read()
    except ConnectionError:
        rest = b""
    _expect(rest in (b"", b"half", b"2\r\nha\r\n"), True)
    visitor.leave()


# How often each is drawn.
VISITS: Mapping[Visit, int] = {
    json: 30,
    page: 20,
    head: 5,
    nothing: 3,
    last: 3,
    chunked: 8,
    upload: 8,
    chunked_upload: 5,
    unwanted_upload: 2,
    upload_left: 3,
    download_left: 3,
    answer_left: 4,
    events: 3,
    websocket: 3,
    broken_before: 2,
    broken_within: 2,
}
