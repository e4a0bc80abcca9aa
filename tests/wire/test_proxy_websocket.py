from __future__ import annotations

import asyncio
import functools
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from proxy_harness import LOOPBACK, PATIENCE_S, Sidecar, ask, get, once, proxied, upstream
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from portal_gateway.http11.websocket import websocket_protocol
from portal_gateway.proxy.app import UpstreamProxy
from portal_gateway.proxy.limits import Limits, Timeouts
from portal_gateway.proxy.upstreams import Upstreams

MB = 1024 * 1024
Handler = Callable[[ServerConnection], Awaitable[None]]


@pytest.fixture(params=["tunnel", "messages"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of passing a WebSocket on: that of `serve`, and the one under any other ASGI server."""
    if request.param == "tunnel":
        monkeypatch.setattr(sys.modules[__name__], "proxied", functools.partial(proxied, ws=websocket_protocol()))
    return str(request.param)


@asynccontextmanager
async def app_behind(handler: Handler, sidecar: dict[str, Any] | None = None, **options: Any) -> AsyncIterator[Sidecar]:
    async with serve(handler, "127.0.0.1", 0, **options) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with proxied(port, **(sidecar or {})) as running:
            yield running


def browser(sidecar: Sidecar, target: str = "/", **options: Any) -> connect:
    return connect(f"ws://127.0.0.1:{sidecar.port}{target}", proxy=None, **options)


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def closed(connection: ClientConnection | ServerConnection) -> ConnectionClosed:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await connection.recv()
            except ConnectionClosed as error:
                return error


@pytest.mark.parametrize(
    "message",
    ["text", "", "€ 𝄞", b"bytes", b"", b"\x00\xff", "x" * 300_000, b"x" * MB],
    ids=["text", "empty", "unicode", "bytes", "no-bytes", "raw", "long-text", "long-bytes"],
)
async def test_messages_come_back_as_they_went(message: str | bytes) -> None:
    async with app_behind(echo) as sidecar, browser(sidecar) as socket:
        for _ in range(3):
            await socket.send(message)
            assert await socket.recv() == message


async def test_a_fragmented_message_arrives_whole() -> None:
    async with app_behind(echo) as sidecar, browser(sidecar) as socket:
        await socket.send(["one ", "two ", "three"])
        assert await socket.recv() == "one two three"


@pytest.mark.parametrize("piece", ["\r\n", "", b"x"], ids=["text", "nothing", "bytes"])
async def test_the_upstreams_fragments_are_any_number(piece: str | bytes) -> None:
    async def handler(connection: ServerConnection) -> None:
        await connection.send([piece] * 10_000)

    async with app_behind(handler) as sidecar, browser(sidecar) as socket:
        fragments: Any = [fragment async for fragment in socket.recv_streaming()]
    assert type(piece)().join(fragments) == piece * 10_000


async def test_the_handshake_carries_what_the_browser_said(way: str) -> None:
    async def handler(connection: ServerConnection) -> None:
        requests.append(connection.request)

    requests: list[Request | None] = []
    headers = Headers([("Cookie", "a=1"), ("Cookie", "b=2"), ("X-Forwarded-For", "6.6.6.6"), ("TE", "trailers")])
    async with (
        app_behind(handler) as sidecar,
        browser(
            sidecar,
            "//a/%2F;b?c=%20&d",
            origin="https://app.acme.com",
            additional_headers=headers,  # type: ignore[arg-type]
            user_agent_header="browser/1",
        ) as socket,
    ):
        await closed(socket)
    request = requests[0]
    assert request is not None
    assert request.path == "//a/%2F;b?c=%20&d"
    assert request.headers.get_all("Cookie") == ["a=1", "b=2"]
    assert request.headers["Origin"] == "https://app.acme.com"
    assert request.headers["User-Agent"] == "browser/1"
    assert request.headers["Host"] == f"127.0.0.1:{sidecar.port}"
    assert request.headers["X-Forwarded-For"] == "127.0.0.1"
    assert request.headers["X-Forwarded-Proto"] == "http"
    assert request.headers.get_all("Connection") == ["Upgrade"]
    assert "TE" not in request.headers
    assert ("Sec-WebSocket-Extensions" in request.headers) is (way == "tunnel")


async def test_a_trusted_peer_in_front_is_believed() -> None:
    async def handler(connection: ServerConnection) -> None:
        assert connection.request is not None
        await connection.send(connection.request.headers["X-Forwarded-For"])

    headers = Headers([("X-Forwarded-For", "6.6.6.6")])
    async with (
        app_behind(handler, {"trusted": LOOPBACK}) as sidecar,
        browser(sidecar, additional_headers=headers) as socket,
    ):
        assert await socket.recv() == "6.6.6.6, 127.0.0.1"


@pytest.mark.parametrize(
    ("offered", "spoken", "chosen"),
    [
        (["chat", "superchat"], ["superchat"], "superchat"),
        (["chat", "superchat"], ["superchat", "chat"], "superchat"),
        (["chat"], None, None),
        (None, None, None),
    ],
)
async def test_the_upstream_chooses_the_subprotocol(
    offered: list[Subprotocol] | None, spoken: list[Subprotocol] | None, chosen: str | None
) -> None:
    async with (
        app_behind(echo, subprotocols=spoken) as sidecar,
        browser(sidecar, subprotocols=offered) as socket,
    ):
        assert socket.subprotocol == chosen


async def test_cookies_of_the_handshake_reach_the_browser() -> None:
    def process_response(connection: ServerConnection, request: Request, response: Response) -> None:
        response.headers["Set-Cookie"] = "a=1"
        response.headers["Set-Cookie"] = "b=2"

    async with app_behind(echo, process_response=process_response) as sidecar, browser(sidecar) as socket:
        assert socket.response is not None
        assert socket.response.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
        assert len(socket.response.headers.get_all("Sec-WebSocket-Accept")) == 1


HANDSHAKE = get(
    b"/",
    b"upgrade: websocket",
    b"connection: upgrade",
    b"sec-websocket-version: 13",
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
)
SCOPE: dict[str, Any] = {
    "type": "websocket",
    "scheme": "ws",
    "raw_path": b"/",
    "query_string": b"",
    "client": None,
    "headers": [(b"host", b"h")],
    "subprotocols": [],
}
CODES = [(1000, ""), (1000, "bye"), (1001, "going"), (1008, "policy"), (1011, "é"), (1012, ""), (4001, "own")]


@pytest.mark.parametrize(("code", "reason"), CODES)
async def test_the_upstreams_close_reaches_the_browser(code: int, reason: str) -> None:
    async def handler(connection: ServerConnection) -> None:
        await connection.send("last words")
        await connection.close(code, reason)

    async with app_behind(handler) as sidecar, browser(sidecar) as socket:
        assert await socket.recv() == "last words"
        frame = (await closed(socket)).rcvd
        assert frame is not None
        assert (frame.code, frame.reason) == (code, reason)


@pytest.mark.parametrize(("code", "reason"), CODES)
async def test_the_browsers_close_reaches_the_upstream(code: int, reason: str) -> None:
    async def handler(connection: ServerConnection) -> None:
        seen.set_result(await closed(connection))

    seen: asyncio.Future[ConnectionClosed] = asyncio.get_running_loop().create_future()
    async with app_behind(handler) as sidecar, browser(sidecar) as socket:
        await socket.send("last words")
        await socket.close(code, reason)
        frame = (await seen).rcvd
        assert frame is not None
        assert (frame.code, frame.reason) == (code, reason)


async def test_a_close_without_a_code_stays_one() -> None:
    async def handler(connection: ServerConnection) -> None:
        seen.set_result(await closed(connection))

    seen: asyncio.Future[ConnectionClosed] = asyncio.get_running_loop().create_future()
    async with app_behind(handler) as sidecar, browser(sidecar) as socket:
        async with socket.send_context():
            socket.protocol.send_close()
        frame = (await seen).rcvd
        assert frame is not None
        assert frame.code == 1005


async def test_an_upstream_that_drops_the_connection_drops_the_browsers() -> None:
    async def handler(connection: ServerConnection) -> None:
        connection.transport.abort()

    async with app_behind(handler) as sidecar, browser(sidecar) as socket:
        assert (await closed(socket)).rcvd is None


async def test_a_browser_that_vanishes_frees_the_upstream() -> None:
    async def handler(connection: ServerConnection) -> None:
        seen.set_result(await closed(connection))

    seen: asyncio.Future[ConnectionClosed] = asyncio.get_running_loop().create_future()
    async with app_behind(handler) as sidecar, browser(sidecar) as socket:
        socket.transport.abort()
        async with asyncio.timeout(PATIENCE_S):
            await seen


async def test_a_browser_that_leaves_a_busy_stream_closes_with_its_own_code() -> None:
    async def handler(connection: ServerConnection) -> None:
        try:
            while True:
                await connection.send(b"x" * 10_000)
        except ConnectionClosed as error:
            seen.set_result(error)

    seen: asyncio.Future[ConnectionClosed] = asyncio.get_running_loop().create_future()
    async with app_behind(handler) as sidecar, browser(sidecar, close_timeout=0.1, compression=None) as socket:
        await socket.recv()
        await socket.close(4001, "enough")
        async with asyncio.timeout(PATIENCE_S):
            frame = (await seen).rcvd
        assert frame is not None
        assert (frame.code, frame.reason) == (4001, "enough")


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (401, [("WWW-Authenticate", "Basic")]),
        (403, [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]),
        (302, [("Location", "/login")]),
        (503, [("Retry-After", "1")]),
    ],
)
async def test_a_refusal_is_passed_on_and_a_redirect_not_followed(status: int, headers: list[tuple[str, str]]) -> None:
    def process_request(connection: ServerConnection, request: Request) -> Response:
        asked.append(request.path)
        return Response(status, "No", Headers([*headers, ("Content-Type", "text/x")]), b"go away")

    asked: list[str] = []
    async with app_behind(echo, process_request=process_request) as sidecar:
        response = await ask(sidecar.port, HANDSHAKE)
    assert (response.status, response.body, response.broken) == (status, b"go away", False)
    for name, value in headers:
        assert value.encode() in response.values(name.lower().encode())
    assert response.values(b"content-type") == [b"text/x"]
    assert asked == ["/"]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        pytest.param(b"", 502, id="closes"),
        pytest.param(b"<html>", 502, id="no-http"),
        pytest.param(
            b"HTTP/1.1 101 X\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: x\r\n\r\n",
            502,
            id="wrong-accept",
        ),
        pytest.param(b"HTTP/1.1 101 X\r\n\r\n", 502, id="no-upgrade"),
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\npage", 200, id="a-page"),
    ],
)
async def test_an_upstream_that_speaks_no_websocket(
    answer: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with upstream(once(answer)) as app, proxied(app.port) as sidecar:
        with pytest.raises(InvalidStatus) as caught:
            await browser(sidecar).connect()
        assert caught.value.response.status_code == status
        await app.until(lambda state: state.open == 0)
    assert not [record for record in caplog.records if record.exc_info]


async def test_an_upstream_that_is_away() -> None:
    async with upstream(once(b"")) as app:
        pass
    async with proxied(app.port) as sidecar:
        with pytest.raises(InvalidStatus) as caught:
            await browser(sidecar).connect()
        assert caught.value.response.status_code == 502


async def test_an_upstream_that_does_not_answer_the_handshake() -> None:
    async def handler(state: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with upstream(handler) as app, proxied(app.port, timeouts=Timeouts(head=0.2)) as sidecar:
        with pytest.raises(InvalidStatus) as caught:
            await browser(sidecar).connect()
        assert caught.value.response.status_code == 504


@pytest.mark.parametrize(("answer", "code"), [(b"HTTP/1.1 403 No\r\n\r\n", 1008), (b"", 1011)])
async def test_a_server_without_denial_responses_gets_a_close(answer: bytes, code: int) -> None:
    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    sent: list[Any] = []
    async with upstream(once(answer)) as app, proxied(app.port) as sidecar:
        await sidecar(dict(SCOPE), receive, send)
    assert sent == [{"type": "websocket.close", "code": code, "reason": ""}]


@pytest.mark.parametrize("way", ["messages"], indirect=True)
async def test_a_message_that_is_too_big_closes_both_sides() -> None:
    async def handler(connection: ServerConnection) -> None:
        await connection.send(b"x" * 2000)
        seen.set_result(await closed(connection))

    seen: asyncio.Future[ConnectionClosed] = asyncio.get_running_loop().create_future()
    limits = Limits(websocket_message_bytes=1000)
    async with app_behind(handler, {"limits": limits}) as sidecar, browser(sidecar) as socket:
        for side in (await closed(socket), await seen):
            assert side.rcvd is not None
            assert side.rcvd.code == 1009


async def test_a_browser_that_does_not_read_holds_the_upstream_back() -> None:
    async def handler(connection: ServerConnection) -> None:
        nonlocal sent
        for _ in range(200):
            try:
                async with asyncio.timeout(None if resumed.is_set() else 1):
                    await connection.send(b"x" * MB)
            except TimeoutError:
                stalled.set()
                await resumed.wait()
            sent += 1

    sent, stalled, resumed = 0, asyncio.Event(), asyncio.Event()
    async with (
        app_behind(handler) as sidecar,
        browser(sidecar, max_size=None, max_queue=1, compression=None) as socket,
    ):
        async with asyncio.timeout(PATIENCE_S):
            await stalled.wait()
        assert sent < 40
        resumed.set()
        received = 0
        while received < 200:
            assert len(await socket.recv()) == MB
            received += 1


async def send_for_ever(socket: ClientConnection) -> None:
    with suppress(ConnectionClosed):
        while True:
            await socket.send(b"x" * MB)


async def test_an_upstream_that_does_not_read_is_given_up() -> None:
    async def handler(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await connection.send("now")
        await over.wait()
        connection.transport.abort()

    over = asyncio.Event()
    options = {"timeouts": Timeouts(idle=0.3)}
    async with app_behind(handler, options) as sidecar, browser(sidecar, compression=None) as socket:
        assert await socket.recv() == "now"
        flood = asyncio.create_task(send_for_ever(socket))
        assert (await closed(socket)).rcvd is None
        await flood
        over.set()


async def test_the_code_of_a_client_that_is_found_gone_by_a_send_still_arrives() -> None:
    async def handler(connection: ServerConnection) -> None:
        await connection.send("into the void")
        seen.set_result(await closed(connection))

    async def receive() -> Any:
        if not connected.is_set():
            connected.set()
            return {"type": "websocket.connect"}
        await failed.wait()
        await asyncio.sleep(0)
        return {"type": "websocket.disconnect", "code": 4001, "reason": "left"}

    async def send(message: Any) -> None:
        if message["type"] == "websocket.send":
            failed.set()
            raise OSError("client disconnected")
        assert message["type"] == "websocket.accept"

    connected, failed = asyncio.Event(), asyncio.Event()
    seen: asyncio.Future[ConnectionClosed] = asyncio.get_running_loop().create_future()
    async with app_behind(handler) as sidecar:
        await sidecar({**SCOPE, "extensions": {}}, receive, send)
        frame = (await seen).rcvd
        assert frame is not None
        assert (frame.code, frame.reason) == (4001, "left")


async def test_nothing_is_logged_as_an_error(caplog: pytest.LogCaptureFixture) -> None:
    async with app_behind(echo) as sidecar, browser(sidecar) as socket:
        await socket.send("x")
        await socket.recv()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_other_scopes_are_refused() -> None:
    with pytest.raises(NotImplementedError):
        await UpstreamProxy(Upstreams({"/": "http://h"}), trusted=LOOPBACK)({"type": "other"}, None, None)  # type: ignore[arg-type]
