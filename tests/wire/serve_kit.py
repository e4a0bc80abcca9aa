"""`portal-gateway serve` as operators run it, in front of an app in this process that does what a test wants."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from processes import PATIENCE_S, Process, running_process, write_config
from prometheus_text import Metrics
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from portal_gateway.sandbox.server import running

PROGRAM = """
import sys
from portal_gateway import cli, serving
from portal_gateway.serving import supervisor, watching, worker
{changes}
raise SystemExit(cli.main(sys.argv[1:]))
"""
ENVIRON = {"PLANHAT_API_TOKEN": "token-that-nobody-may-see"}


@dataclass
class Upstream:
    """`/` tells the name and what came; `/held` and `/endless` end when the test lets them."""

    name: str = "first"
    url: str = ""
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> Starlette:
        async def index(request: Request) -> Response:
            return JSONResponse({"upstream": self.name, "headers": dict(request.headers)})

        async def held(request: Request) -> Response:
            self.reached.set()
            await self.released.wait()
            return JSONResponse({"upstream": self.name})

        async def endless(request: Request) -> Response:
            async def events() -> AsyncIterator[str]:
                yield "data: hello\n\n"
                self.reached.set()
                await self.released.wait()

            return StreamingResponse(events(), media_type="text/event-stream")

        return Starlette(routes=[Route("/", index), Route("/held", held), Route("/endless", endless)])


@asynccontextmanager
async def running_upstream(name: str = "first") -> AsyncIterator[Upstream]:
    upstream = Upstream(name)
    async with running(upstream.app()) as upstream.url:
        yield upstream
        upstream.released.set()


def config_for(upstream: Upstream, **more: Any) -> dict[str, Any]:
    portal = {"provider": "planhat", "api_token": {"env": "PLANHAT_API_TOKEN"}}
    identity = [{"source": "whoami", "path": "/me", "fields": {"id": "id"}}]
    config = {"upstream": upstream.url, "identity": identity, "portals": {"success": portal}}
    return {**config, "admin": "127.0.0.1:0", "drain_s": 20, **more}


@dataclass
class Served:
    """A running `serve` and where it answers whom."""

    process: Process
    url: str
    admin_url: str
    config: Path

    @property
    def pid(self) -> int:
        return self.process.process.pid

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, timeout=PATIENCE_S, trust_env=False)

    async def metrics(self) -> Metrics:
        async with httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False) as client:
            return Metrics((await client.get(f"{self.admin_url}/metrics")).text)

    async def until(self, name: str, test: Callable[[float], bool], **labels: str) -> float:
        """The value of a metric as soon as it passes `test`."""
        async with asyncio.timeout(PATIENCE_S):
            while not test(value := (await self.metrics()).value(f"portal_gateway_{name}", **labels)):
                await asyncio.sleep(0.02)
            return value

    def workers(self) -> set[int]:
        """The processes that this one has started."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return {int(pid) for pid in children.split()}


@asynccontextmanager
async def serving(
    upstream: Upstream, directory: Path, *arguments: str, constants: Mapping[str, float] = {}, **config: Any
) -> AsyncIterator[Served]:
    """`constants` of the room `serving` are other than usual, for tests that cannot wait or must not be hurried."""
    file = write_config(directory / "gateway.yaml", config_for(upstream, **config))
    changes = "".join(f"serving.{name} = {value}\n" for name, value in constants.items())
    program = PROGRAM.format(changes=changes)
    command = (sys.executable, "-c", program, "serve", "--config", str(file), "--port", "0", *arguments)
    async with running_process(*command, environ=ENVIRON) as process:
        public = await process.printed(r"Portal Gateway \S+ on (http://127\.0\.0\.1:\d+), in front of")
        admin = await process.printed(r"Status, probes and metrics on (\S+)\n")
        yield Served(process, public[1], admin[1], file)


class Load:
    """Clients that ask for one page after the other, each over a connection that it keeps."""

    def __init__(self, url: str, clients: int = 4) -> None:
        self.names: list[str] = []
        self.failures: list[BaseException | int] = []
        self._stopped = False
        self._turned = asyncio.Event()
        self._tasks = [asyncio.create_task(self._ask(url)) for _ in range(clients)]

    async def more(self, count: int) -> None:
        """Until that many more answers have come."""
        wanted = len(self.names) + count
        async with asyncio.timeout(PATIENCE_S):
            while len(self.names) < wanted and not self.failures:
                self._turned.clear()
                await self._turned.wait()

    async def stop(self) -> None:
        self._stopped = True
        await asyncio.wait_for(asyncio.gather(*self._tasks), PATIENCE_S)

    async def _ask(self, url: str) -> None:
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S, trust_env=False) as client:
            while not self._stopped:
                try:
                    answer = await client.get("/")
                except httpx.ConnectError:
                    return  # a server that takes no connections any more has failed nobody
                except httpx.HTTPError as error:
                    self.failures.append(error)
                else:
                    self.names.append(answer.json()["upstream"])
                    if answer.status_code != 200:
                        self.failures.append(answer.status_code)
                self._turned.set()
