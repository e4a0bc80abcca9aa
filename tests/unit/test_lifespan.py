from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from portal_gateway.lifespan import Lifespan
from portal_gateway.wire.asgi import ASGIApp, Message, Receive, Scope, Send

SCOPE = {"type": "lifespan", "asgi": {"version": "3.0"}}


class Server:
    """Plays the server's part; `log` lists what was sent and when the gateway was closed."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.messages.put_nowait({"type": "lifespan.startup"})

    async def send(self, message: Message) -> None:
        self.log.append(message["type"].removeprefix("lifespan."))

    async def close(self) -> None:
        self.log.append("closed")

    def shut_down(self) -> None:
        self.messages.put_nowait({"type": "lifespan.shutdown"})

    async def run(self, app: ASGIApp) -> None:
        await asyncio.wait_for(Lifespan(app, self.close)(SCOPE, self.messages.get, self.send), 2)


def app_with(*answers: str, fails: str = "") -> ASGIApp:
    """An app that answers each message with the next of `answers`, or raises instead when it is `fails`."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for answer in answers:
            await receive()
            if answer == fails:
                raise ZeroDivisionError
            await send({"type": f"lifespan.{answer}"})

    return app


async def test_the_apps_own_answers_pass_and_the_gateway_closes_before_the_last() -> None:
    server = Server()
    server.shut_down()
    await server.run(app_with("startup.complete", "shutdown.complete"))
    assert server.log == ["startup.complete", "closed", "shutdown.complete"]


async def test_nothing_closes_while_the_app_serves() -> None:
    server = Server()
    running = asyncio.create_task(server.run(app_with("startup.complete", "shutdown.complete")))
    for _ in range(10):
        await asyncio.sleep(0)
    assert server.log == ["startup.complete"]
    server.shut_down()
    await running
    assert server.log == ["startup.complete", "closed", "shutdown.complete"]


async def test_an_app_that_fails_to_start_says_so() -> None:
    server = Server()
    await server.run(app_with("startup.failed"))
    assert server.log == ["closed", "startup.failed"]


async def test_an_app_that_fails_to_stop_says_so() -> None:
    server = Server()
    server.shut_down()
    await server.run(app_with("startup.complete", "shutdown.failed"))
    assert server.log == ["startup.complete", "closed", "shutdown.failed"]


async def test_an_app_that_raises_at_the_end_still_closes_the_gateway() -> None:
    server = Server()
    server.shut_down()
    with pytest.raises(ZeroDivisionError):
        await server.run(app_with("startup.complete", "shutdown.complete", fails="shutdown.complete"))
    assert server.log == ["startup.complete", "closed"]


async def raises_at_once(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise NotImplementedError


async def returns_at_once(_scope: Scope, _receive: Receive, _send: Send) -> None:
    return


@pytest.mark.parametrize(
    "app",
    [
        pytest.param(raises_at_once, id="raises"),
        pytest.param(returns_at_once, id="returns"),
        pytest.param(app_with("startup.complete", fails="startup.complete"), id="raises-after-the-first-message"),
    ],
)
async def test_an_app_without_lifespan_is_answered_for(app: ASGIApp) -> None:
    server = Server()
    running = asyncio.create_task(server.run(app))
    for _ in range(10):
        await asyncio.sleep(0)
    assert server.log == ["startup.complete"]
    server.shut_down()
    await running
    assert server.log == ["startup.complete", "closed", "shutdown.complete"]


async def test_the_app_gets_the_servers_own_scope_and_messages() -> None:
    seen: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend((scope, await receive()))
        await send({"type": "lifespan.startup.complete"})
        seen.append(await receive())
        await send({"type": "lifespan.shutdown.complete"})

    server = Server()
    server.shut_down()
    await server.run(app)
    assert seen == [SCOPE, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    assert seen[0] is SCOPE


@pytest.mark.parametrize(
    "until", [lambda server: server.log == ["startup.complete"], lambda server: True], ids=["serving", "starting"]
)
async def test_a_server_that_cancels_ends_it(until: Callable[[Server], bool]) -> None:
    server = Server()
    running = asyncio.create_task(server.run(app_with("startup.complete", "shutdown.complete")))
    while not until(server):
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert "shutdown.complete" not in server.log
