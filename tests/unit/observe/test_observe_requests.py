from __future__ import annotations

import asyncio
from typing import Any

import pytest
from access_log_kit import LoggedApp
from prometheus_text import Metrics

from portal_gateway.observe.exposition import exposition
from portal_gateway.observe.metrics import FAMILIES
from portal_gateway.wire.asgi import Message, Receive, Scope, Send

REQUESTS, IN_FLIGHT = "portal_gateway_requests_total", "portal_gateway_requests_in_flight"
OK: list[Message] = [
    {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]},
    {"type": "http.response.body", "body": b"12345", "more_body": True},
    {"type": "http.response.body"},
]


class Host:
    """An app that sends what it is told, and keeps the scopes that it was asked with."""

    def __init__(self, *messages: Message, error: Exception | None = None) -> None:
        self.messages = messages
        self.error = error
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        for message in self.messages:
            await send(dict(message))
        if self.error is not None:
            raise self.error


def http_scope(path: str = "/page", *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "headers": list(headers)}


async def observed(app: LoggedApp, scope: dict[str, Any]) -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("nobody reads")

    await app(scope, receive, send)
    return sent


def metrics(app: LoggedApp) -> Metrics:
    return Metrics(exposition(app.samples(), FAMILIES))


async def test_a_request_is_counted_logged_and_named() -> None:
    host = Host(*OK)
    app = LoggedApp(host)
    start, *bodies = await observed(app, http_scope("/page"))
    [line] = app.logged()
    assert (line["method"], line["path"], line["status"], line["bytes"]) == ("POST", "/page", 200, 5)
    name = (b"x-request-id", line["request_id"].encode())
    assert host.scopes[0]["headers"] == [name]
    assert start["headers"] == [(b"content-type", b"text/plain"), name]
    assert bodies == OK[1:]
    assert metrics(app).value(REQUESTS, kind="app", status="2xx") == 1
    assert metrics(app).value("portal_gateway_log_lines_lost_total") == 0


async def test_the_app_has_the_last_word_on_the_name() -> None:
    own = [(b"x-request-id", b"of-the-app")]
    app = LoggedApp(Host({"type": "http.response.start", "status": 200, "headers": own}))
    [start] = await observed(app, http_scope("/", (b"x-request-id", b"of-the-client")))
    assert start["headers"] == own
    assert [line["request_id"] for line in app.logged()] == ["of-the-client"]


async def test_headers_that_an_app_sends_again_and_again_are_not_added_to() -> None:
    shared = [(b"etag", b'"1"')]
    app = LoggedApp(Host({"type": "http.response.start", "status": 304, "headers": shared}))
    for _ in range(2):
        [start] = await observed(app, http_scope())
        assert len(start["headers"]) == 2
    assert shared == [(b"etag", b'"1"')]


async def test_own_paths_are_a_kind_of_their_own() -> None:
    app = LoggedApp(Host(*OK))
    await observed(app, http_scope("/portal/success/launch"))
    assert metrics(app).value(REQUESTS, kind="portal") == 1
    assert metrics(app).value(REQUESTS, kind="app") == 0


async def test_the_key_of_a_shared_link_is_not_logged() -> None:
    app = LoggedApp(Host(*OK))
    for path in ("/portal/onboarding/join/5001.17.k1.mac", "/portal/onboarding/join/a/b", "/join/us", "/portal/a/join"):
        await observed(app, http_scope(path))
    assert [line["path"] for line in app.logged()] == [
        "/portal/onboarding/join/...",
        "/portal/onboarding/join/...",
        "/join/us",
        "/portal/a/join",
    ]


async def test_a_failure_is_counted_logged_and_passed_on() -> None:
    app = LoggedApp(Host(error=ValueError("broken")))
    with pytest.raises(ValueError, match="broken"):
        await observed(app, http_scope())
    assert [line["status"] for line in app.logged()] == [0]
    assert metrics(app).value(REQUESTS, kind="app", status="none") == 1
    assert metrics(app).value(IN_FLIGHT, kind="app") == 0


async def test_a_request_under_way_shows_and_counts_when_it_is_over() -> None:
    reached, released = asyncio.Event(), asyncio.Event()

    async def host(scope: Scope, receive: Receive, send: Send) -> None:
        reached.set()
        await released.wait()

    app = LoggedApp(host)
    asking = asyncio.create_task(observed(app, http_scope()))
    await reached.wait()
    assert metrics(app).value(IN_FLIGHT, kind="app") == 1
    assert metrics(app).value(REQUESTS) == 0
    asking.cancel()
    await asyncio.wait([asking])
    assert metrics(app).value(IN_FLIGHT, kind="app") == 0
    assert metrics(app).value(REQUESTS, status="none") == 1


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ({"type": "websocket.accept", "subprotocol": "chat"}, 101),
        ({"type": "websocket.http.response.start", "status": 403, "headers": []}, 403),
        ({"type": "websocket.close", "code": 1000}, 0),
    ],
)
async def test_a_websocket(message: Message, status: int) -> None:
    host = Host(message)
    app = LoggedApp(host)
    [sent] = await observed(app, {"type": "websocket", "path": "/ws", "raw_path": b"/ws", "headers": []})
    [line] = app.logged()
    assert (line["method"], line["path"], line["status"]) == ("GET", "/ws", status)
    if status:
        assert sent["headers"] == [(b"x-request-id", line["request_id"].encode())]
    assert metrics(app).value(REQUESTS, kind="websocket") == 1


async def test_lifespan_passes() -> None:
    app = LoggedApp(Host({"type": "lifespan.startup.complete"}))
    assert await observed(app, {"type": "lifespan"}) == [{"type": "lifespan.startup.complete"}]
    assert app.logged() == []
