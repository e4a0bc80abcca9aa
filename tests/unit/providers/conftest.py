"""A vendor on a real socket whose answers a test writes down, and providers that talk to it."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from portal_gateway.observe.events import Events
from portal_gateway.providers.planhat import PlanhatProvider
from portal_gateway.providers.rocketlane import RocketlaneProvider
from portal_gateway.providers.signing import generate_key_pair
from portal_gateway.settings.portals import PlanhatPortal, RocketlanePortal
from portal_gateway.settings.secrets import Secret

TOKEN = "planhat-token-51c2e0"
API_KEY = "rocketlane-key-9b7d"
SHARED_SECRET = "shared-secret-of-rocketlane-0123456789"

Script = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Call:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class ScriptedVendor:
    """Answers by path, each answer once and the last one for ever; 500 for a path nobody wrote an answer for."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.connections = 0
        self.url = ""
        self._answers: dict[str, list[bytes | Script]] = defaultdict(list)
        self._tasks: set[asyncio.Task[None]] = set()

    def answer(
        self,
        path: str,
        body: Any = b"",
        *,
        status: int = 200,
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> None:
        """Add an answer for `path`; a body that is not bytes is sent as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        head = {"Content-Type": content_type, "Content-Length": str(len(data)), **(headers or {})}
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        self.script(path, f"HTTP/1.1 {status} Status\r\n{lines}\r\n".encode() + data)

    def script(self, path: str, answer: bytes | Script) -> None:
        """Add raw bytes, or something that writes to the connection and closes it by returning."""
        self._answers[path].append(answer)

    def replace(self, path: str, body: Any = b"", **options: Any) -> None:
        self._answers[path].clear()
        self.answer(path, body, **options)

    @property
    def targets(self) -> list[str]:
        return [call.target for call in self.calls]

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while True:
                call = await _read_call(reader)
                self.calls.append(call)
                answers = self._answers[call.target.partition("?")[0]]
                answer = answers.pop(0) if len(answers) > 1 else answers[0] if answers else _NO_SCRIPT
                if not isinstance(answer, bytes):
                    await answer(writer)
                    break
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.connections -= 1
            writer.close()


_NO_SCRIPT = b"HTTP/1.1 500 No Script\r\nContent-Length: 0\r\n\r\n"


async def _read_call(reader: asyncio.StreamReader) -> Call:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])}
    return Call(method, target, headers, await reader.readexactly(int(headers.get("content-length", 0))))


@pytest.fixture
async def vendor() -> AsyncIterator[ScriptedVendor]:
    scripted = ScriptedVendor()
    await scripted.start()
    yield scripted
    await scripted.stop()


class Timer:
    """A clock that a test sets."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
async def closing() -> AsyncIterator[Callable[[Any], Any]]:
    """Closes at the end what it is called with, and gives it back."""
    async with AsyncExitStack() as stack:

        def close_later(thing: Any) -> Any:
            stack.push_async_callback(thing.aclose)
            return thing

        yield close_later


@pytest.fixture
def events() -> Events:
    """What the test's provider counts."""
    return Events()


@pytest.fixture
def planhat(
    vendor: ScriptedVendor, timer: Timer, events: Events, closing: Callable[[Any], Any]
) -> Callable[..., PlanhatProvider]:
    def make(**options: Any) -> PlanhatProvider:
        values = {
            "provider": "planhat",
            "api_token": Secret(TOKEN.encode(), "env PLANHAT_API_TOKEN"),
            "api_url": vendor.url,
            "portal_url": "https://share-eu5.planhat.com",
            **options,
        }
        return closing(PlanhatProvider("success", PlanhatPortal.model_validate(values), timer, events=events))

    return make


@pytest.fixture
def rocketlane(
    vendor: ScriptedVendor, events: Events, closing: Callable[[Any], Any]
) -> Callable[..., RocketlaneProvider]:
    def make(clock: Callable[[], float] = lambda: 1_700_000_000.9, **options: Any) -> RocketlaneProvider:
        values = {
            "provider": "rocketlane",
            "api_url": f"{vendor.url}/api/1.0",
            "portal_url": "https://acme.rocketlane.com",
            "api_key": Secret(API_KEY.encode(), "env ROCKETLANE_API_KEY"),
            "signing": {"key": Secret(SHARED_SECRET.encode(), "env SHARED_SECRET")},
            **options,
        }
        return closing(RocketlaneProvider("onboarding", RocketlanePortal.model_validate(values), clock, events=events))

    return make


@pytest.fixture
def secrets() -> tuple[str, ...]:
    return (TOKEN, API_KEY, SHARED_SECRET)


@cache
def _key_pair(algorithm: Any) -> tuple[str, str]:
    return generate_key_pair(algorithm)


@pytest.fixture
def key_pair() -> Callable[[str], tuple[str, str]]:
    """A key pair for an algorithm; made once, since RSA keys take long."""
    return _key_pair
