"""What tests under load share: a vendor with any number of end users, a page, and a browser's part of HTTP.

The numbers are small enough for every run. ACCESS_LOAD=full makes them those that docs/replicas.md states.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from frameworks_support import LINK, PAGE
from processes import PATIENCE_S

from portal_gateway.wire.asgi import Receive, Scope, Send

FULL = os.environ.get("ACCESS_LOAD") == "full"
ENVIRON = {"TOKEN": "token-of-the-tenant", "FORGET": "a-secret-for-forgetting"}


@dataclass
class Tenant:
    """A vendor with as many end users as one likes: those with even numbers have access, unless it is taken away."""

    calls: Counter[str] = field(default_factory=Counter)
    moments: list[float] = field(default_factory=list)
    taken_away: set[str] = field(default_factory=set)
    latency_s: float = 0.02
    hangs: bool = False

    def has_access(self, user_id: str) -> bool:
        return int(user_id[1:]) % 2 == 0 and user_id not in self.taken_away

    def most_in(self, seconds: float) -> int:
        """However its minutes begin, it sees no more calls than this in one of them."""
        return max((sum(begin <= t < begin + seconds for t in self.moments) for begin in self.moments), default=0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        user_id = scope["path"].removeprefix("/shareabletokens/access/extid-")
        self.calls[user_id] += 1
        self.moments.append(time.perf_counter())
        if self.hangs:
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        await asyncio.sleep(self.latency_s)
        body = json.dumps(self.has_access(user_id)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def PageApp(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    headers = [(b"content-type", b"text/html; charset=utf-8")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": PAGE.encode()})


def config(vendor_url: str, *, portal: Mapping[str, Any] = {}, **top: Any) -> dict[str, Any]:
    success = {
        "provider": "planhat",
        "api_token": {"env": "TOKEN"},
        "api_url": vendor_url,
        "enduser_id": "extid-{id}",
        "inject": [{"at": "nav .links"}],
        **portal,
    }
    identity = [{"source": "headers", "id": "X-User-Id", "email": "X-User-Email"}]
    return {"trusted_proxies": ["127.0.0.1/32"], "identity": identity, "portals": {"success": success}, **top}


@dataclass(frozen=True)
class Page:
    status: int
    text: str
    seconds: float

    @property
    def has_link(self) -> bool:
        return bool(LINK.search(self.text))

    @property
    def has_loader(self) -> bool:
        return "<portal-link" in self.text

    @property
    def whole(self) -> bool:
        return self.status == 200 and "</main></body></html>" in self.text


class Visitor:
    """A connection to a gateway that is kept alive. Requests on it follow one another."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = parts.hostname, parts.port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def view(self, path: str, user_id: str) -> Page:
        user = f"X-User-Id: {user_id}\r\nX-User-Email: {user_id}@vance.example"
        return await self.exchange(f"GET {path} HTTP/1.1\r\nAccept: text/html\r\n{user}")

    async def exchange(self, head: str, body: str = "") -> Page:
        async with asyncio.timeout(PATIENCE_S):
            if self._streams is None:
                self._streams = await asyncio.open_connection(*self._address)
            reader, writer = self._streams
            started = time.perf_counter()
            writer.write(f"{head}\r\nHost: app.test\r\n\r\n{body}".encode())
            answer = (await reader.readuntil(b"\r\n\r\n")).decode()
            text = await _body(reader, answer)
            seconds = time.perf_counter() - started
        status = re.match(r"HTTP/1\.1 (\d+)", answer)
        assert status, answer
        return Page(int(status[1]), answer + text, seconds)

    async def aclose(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            await self._streams[1].wait_closed()

    async def __aenter__(self) -> Visitor:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


async def _body(reader: asyncio.StreamReader, head: str) -> str:
    if length := re.search(r"(?i)^content-length: (\d+)\r$", head, re.MULTILINE):
        return (await reader.readexactly(int(length[1]))).decode()
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body.decode()


async def view(url: str, user_id: str) -> Page:
    """One request on a connection of its own, so that it may reach any worker."""
    async with Visitor(url) as visitor:
        return await visitor.view("/", user_id)


async def until_link(url: str, user_id: str) -> None:
    """The first pages may go out before a cold process knows the answer."""
    async with asyncio.timeout(PATIENCE_S):
        while not (await view(url, user_id)).has_link:
            pass


async def forget(url: str, user_id: str) -> Page:
    body = json.dumps({"portal": "success", "user_id": user_id})
    secret = f"Authorization: Bearer {ENVIRON['FORGET']}"
    async with Visitor(url) as visitor:
        head = f"POST /portal/-/forget HTTP/1.1\r\n{secret}\r\nContent-Length: {len(body)}"
        return await visitor.exchange(head, body)


async def all_of(calls: Sequence[Callable[[], Awaitable[Any]]], at_once: int) -> list[Any]:
    room = asyncio.Semaphore(at_once)

    async def one(call: Callable[[], Awaitable[Any]]) -> Any:
        async with room:
            return await call()

    return await asyncio.gather(*map(one, calls))


def p99(seconds: Sequence[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.99)]


def say(text: str) -> None:
    if FULL:
        print(text)
