"""The sidecar's shortcut, in this process: what takes it, and what is noted of that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from access_log_kit import LogFile
from prometheus_text import Metrics
from proxy_harness import Response, Upstream, answering, ask, client, get, ok, serving, upstream

from portal_gateway import load_settings
from portal_gateway.http11.connection import Connection, http11_protocol
from portal_gateway.http11.cycle import Cycle
from portal_gateway.http11.request_head import RequestHead
from portal_gateway.observe.access_log import AccessLog
from portal_gateway.observe.exposition import exposition
from portal_gateway.observe.metrics import FAMILIES
from portal_gateway.observe.requests import RequestObserver
from portal_gateway.serving import straight as straight_path
from portal_gateway.serving.runtimes import Runtimes
from portal_gateway.serving.straight import StraightPath
from portal_gateway.sidecar import build_sidecar
from portal_gateway.wire.asgi import Scope

PAGE = ok(b"<!doctype html><body><nav></nav></body>", b"content-type: text/html")
IDENTITY = {"source": "headers", "id": "x-user-id", "email": "x-user-email"}


class Straight:
    """A served sidecar; `taken` are the targets of the requests that took the shortcut."""

    def __init__(self, upstream_port: int, **more: Any) -> None:
        portal = {"provider": "planhat", "api_token": {"env": "TOKEN"}, "inject": [{"at": "nav", "position": "append"}]}
        values = {
            "upstream": f"http://127.0.0.1:{upstream_port}",
            "identity": [IDENTITY],
            "trusted_proxies": ["192.0.2.1"],
            "portals": {"success": portal},
            **more,
        }
        self.runtimes = Runtimes(build_sidecar(load_settings(values, environ={"TOKEN": "made-up"})))
        self.log_file = LogFile()
        self.log = AccessLog(self.log_file)
        self.observer = RequestObserver(self.runtimes, self.log, self.runtimes.is_ours)
        self.taken: list[bytes] = []
        self.port = 0
        self._path = StraightPath(self.runtimes, self.observer)

    def shortcut(self, connection: Connection, request: RequestHead, scope: Scope) -> Cycle | None:
        cycle = self._path(connection, request, scope)
        if cycle is not None:
            self.taken.append(request.target)
        return cycle

    def logged(self) -> list[dict[str, Any]]:
        self.log.flush()
        return self.log_file.lines()

    @property
    def metrics(self) -> Metrics:
        return Metrics(exposition(self.observer.samples(), FAMILIES))


@asynccontextmanager
async def served(upstream_port: int, **more: Any) -> AsyncIterator[Straight]:
    straight = Straight(upstream_port, **more)
    async with serving(straight.observer, http=http11_protocol(shortcut=straight.shortcut), lifespan="off") as port:
        straight.port = port
        yield straight
    await straight.runtimes.aclose()


async def test_what_is_for_the_app_is_counted_logged_and_named_once() -> None:
    async with upstream(answering(ok())) as app, served(app.port) as straight:
        answer = await ask(straight.port, get(b"/a?token=secret", b"connection: close"))
        assert answer.body == b"ok"
        [line] = straight.logged()
        assert (line["path"], line["status"], line["bytes"]) == ("/a", 200, 2)
        assert header(answer, b"x-request-id") == line["request_id"].encode()
        assert b"x-request-id: " + line["request_id"].encode() in app.heads[0]
        assert straight.taken == [b"/a?token=secret"]
        assert straight.metrics.value("portal_gateway_requests_total", kind="app", status="2xx") == 1
        assert straight.metrics.value("portal_gateway_requests_in_flight", kind="app") == 0


@pytest.mark.parametrize("straight_on", [True, False], ids=["straight", "through the layers"])
@pytest.mark.parametrize(
    ("status", "header_lines", "reason"),
    [
        pytest.param(b"200 OK", b"content-type: image/png\r\n", "content_type", id="image"),
        pytest.param(b"404 Not Found", b"content-type: image/png\r\n", "content_type", id="image-404"),
        pytest.param(b"404 Not Found", b"", "status", id="no-type-404"),
        pytest.param(b"200 OK", b"", "content_type", id="no-type"),
    ],
)
async def test_what_is_no_page_is_counted_alike_on_both_ways(
    straight_on: bool, status: bytes, header_lines: bytes, reason: str
) -> None:
    response = b"HTTP/1.1 " + status + b"\r\n" + header_lines + b"content-length: 2\r\n\r\nok"
    more = {} if straight_on else {"logout": {"paths": ["/a"]}}
    async with upstream(answering(response)) as app, served(app.port, **more) as straight:
        await ask(straight.port, get(b"/a", b"connection: close"))
        assert straight.taken == ([b"/a"] if straight_on else [])
        assert straight.runtimes.sidecar.gateway.events.counts == {("not_injected", "", reason): 1}


@pytest.mark.parametrize(
    ("more", "target"),
    [
        pytest.param({}, b"/portal", id="own"),
        pytest.param({}, b"/portal/-/widget.js", id="own-asset"),
        pytest.param({"logout": {"paths": ["/logout"]}}, b"/logout", id="sign-out"),
        pytest.param({"server_timing": True}, b"/", id="server-timing"),
    ],
)
async def test_what_somebody_has_to_see_does_not_take_it(more: dict[str, Any], target: bytes) -> None:
    async with upstream(answering(ok())) as app, served(app.port, **more) as straight:
        await ask(straight.port, get(target, b"connection: close"))
        assert straight.taken == []


@pytest.mark.interpreted
async def test_a_fault_of_our_own_leaves_a_request_to_the_app(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(straight_path.StraightPassage, "_admit", lambda *_: 1 / 0)
    async with upstream(answering(ok())) as app, served(app.port) as straight:
        assert (await ask(straight.port, get(b"/", b"connection: close"))).body == b"ok"
        assert straight.taken == []
        assert len(straight.logged()) == 1
        assert straight.metrics.value("portal_gateway_requests_in_flight", kind="app") == 0


async def test_identity_headers_of_strangers_end_here() -> None:
    """docs/rules.md, rule 7."""
    async with upstream(answering(ok())) as app, served(app.port) as straight:
        await ask(straight.port, get(b"/", b"x-user-id: jane", b"X_User_Email: j@acme.example", b"connection: close"))
        assert straight.taken == [b"/"]
        assert b"jane" not in app.heads[0]
        assert b"acme.example" not in app.heads[0].replace(b"app.acme.com", b"")


async def test_a_page_for_nobody_is_the_page_of_the_app() -> None:
    async with upstream(answering(PAGE)) as app, served(app.port) as straight:
        answer = await ask(straight.port, get(b"/", b"connection: close"))
        assert answer.body == PAGE.partition(b"\r\n\r\n")[2]
        assert len(straight.logged()) == 1
        assert straight.metrics.value("portal_gateway_requests_in_flight", kind="app") == 0


async def test_an_app_that_is_away_is_said_counted_and_logged() -> None:
    async with upstream(answering(ok())) as gone:
        port = gone.port
    async with served(port) as straight:
        answer = await ask(straight.port, get(b"/", b"connection: close"))
        assert answer.status == 502
        [line] = straight.logged()
        assert line["status"] == 502
        assert header(answer, b"x-request-id") == line["request_id"].encode()
        assert straight.metrics.value("portal_gateway_requests_in_flight", kind="app") == 0


@pytest.mark.parametrize(
    "more", [{}, {"compress": False}, {"server_timing": True}], ids=["straight", "as-is", "layers"]
)
async def test_an_app_that_breaks_off_before_its_page_begins_has_not_answered(more: dict[str, Any]) -> None:
    """The head waits for the body, so there is still a way to say what happened."""
    head = PAGE.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"

    async def breaking_off(state: Upstream, reader: Any, writer: Any) -> None:
        await state.read_head(reader)
        writer.write(head)
        await writer.drain()

    async with upstream(breaking_off) as app, served(app.port, **more) as straight:
        answer = await ask(straight.port, get(b"/", b"accept: text/html", b"connection: close"))
        assert answer.status == 502
        assert b">Try again</a>" in answer.body
        [line] = straight.logged()
        assert line["status"] == 502
        assert header(answer, b"x-request-id") == line["request_id"].encode()
        assert straight.metrics.value("portal_gateway_requests_in_flight", kind="app") == 0


async def test_a_client_that_leaves_is_logged_without_a_status() -> None:
    async def silent(state: Upstream, reader: Any, writer: Any) -> None:
        await state.read_head(reader)
        await reader.read()

    async with upstream(silent) as app, served(app.port) as straight:
        async with client(straight.port) as connection:
            connection.write(get())
            await app.until(lambda app: len(app.heads) == 1)
        await app.until(lambda app: app.open == 0)
        [line] = straight.logged()
        assert line["status"] == 0
        assert straight.metrics.value("portal_gateway_requests_in_flight", kind="app") == 0


def header(answer: Response, name: bytes) -> bytes:
    [value] = [value for key, value in answer.headers if key.lower() == name]
    return value
