from __future__ import annotations

import asyncio
import contextvars
import json
from typing import Any

import pytest
from litestar import Litestar, Request, get
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from portal_gateway.errors import IdentityError
from portal_gateway.identity.subrequest import (
    MAX_BODY_BYTES,
    Subrequest,
    carried_headers,
    is_subrequest,
    keep_state,
)


class RecordingApp:
    """Answers 200 with `chunks` and keeps the scopes it was called with."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks or (b"{}",)
        self.scopes: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        assert await receive() == {"type": "http.request", "body": b"", "more_body": False}
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-a", b"1")]})
        for chunk in self.chunks[:-1]:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": self.chunks[-1]})
        assert (await receive())["type"] == "http.disconnect"


async def test_the_answer(make_scope: Any) -> None:
    answer = await Subrequest(RecordingApp(b'{"a"', b":1}")).get(make_scope(), "/me", [], 5)
    assert (answer.status, answer.headers, bytes(answer.body)) == (200, [(b"x-a", b"1")], b'{"a":1}')


async def test_the_scope_is_fresh_and_marked(make_scope: Any) -> None:
    app = RecordingApp()
    caller = make_scope(
        path="/sub/page",
        method="POST",
        root_path="/sub",
        query_string=b"user_id=2",
        extensions={"http.response.pathsend": {}},
        session={"user_id": 2},
        user=object(),
        state={"db": 1},
    )
    before = dict(caller)
    await Subrequest(app).get(caller, "/api/m%C3%A9?full=1", [(b"cookie", b"a=b")], 5)
    assert caller == before
    assert app.scopes == [
        {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/sub/api/mé",
            "raw_path": b"/sub/api/m%C3%A9",
            "query_string": b"full=1",
            "root_path": "/sub",
            "headers": [(b"cookie", b"a=b"), (b"accept", b"application/json")],
            "client": ("203.0.113.9", 50000),
            "server": ("127.0.0.1", 8000),
            "extensions": {},
            "portal_gateway.subrequest": True,
            "state": {"db": 1},
        }
    ]
    assert is_subrequest(app.scopes[0])
    assert not is_subrequest(caller)


@pytest.mark.parametrize(("scheme", "expected"), [("ws", "http"), ("wss", "https"), ("https", "https")])
async def test_a_websocket_asks_over_http(make_scope: Any, scheme: str, expected: str) -> None:
    app = RecordingApp()
    await Subrequest(app).get(make_scope(type="websocket", scheme=scheme), "/me", [], 5)
    assert (app.scopes[0]["type"], app.scopes[0]["scheme"]) == ("http", expected)


@pytest.mark.parametrize(
    ("name", "carried"),
    [
        (b"cookie", True),
        (b"authorization", True),
        (b"host", True),
        (b"x-forwarded-for", True),
        (b"user-agent", True),
        (b"accept-language", True),
        (b"accept", False),
        (b"accept-encoding", False),
        (b"content-length", False),
        (b"Content-Length", False),
        (b"content-type", False),
        (b"transfer-encoding", False),
        (b"range", False),
        (b"if-range", False),
        (b"if-none-match", False),
        (b"If-Modified-Since", False),
        (b"upgrade", False),
        (b"connection", False),
        (b"expect", False),
        (b"sec-websocket-key", False),
    ],
)
def test_carried_headers(name: bytes, carried: bool) -> None:
    assert bool(carried_headers({"headers": [(name, b"x")]})) is carried


async def test_a_large_body_is_cut_off_while_the_app_may_finish(make_scope: Any) -> None:
    app = RecordingApp(*[b"x" * 50_000] * 20)
    answer = await Subrequest(app).get(make_scope(), "/", [], 5)
    assert answer.complete
    assert len(answer.body) == MAX_BODY_BYTES


async def test_an_app_that_never_ends_is_cut_off(make_scope: Any) -> None:
    cancelled = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(IdentityError, match="in time"):
        await Subrequest(app).get(make_scope(), "/", [], 0.01)
    await asyncio.wait_for(cancelled.wait(), 5)


async def test_an_app_that_does_not_let_itself_be_cancelled_does_not_hold_us(make_scope: Any) -> None:
    release = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    subrequest = Subrequest(app)
    with pytest.raises(IdentityError, match="in time"):
        await subrequest.get(make_scope(), "/", [], 0.01)
    release.set()


async def test_when_the_caller_is_gone_the_app_is_cancelled(make_scope: Any) -> None:
    running, cancelled = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    task = asyncio.create_task(Subrequest(app).get(make_scope(), "/", [], 60))
    await running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(cancelled.wait(), 5)


async def test_a_failing_app_is_an_identity_error(make_scope: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise KeyError("s3cret")

    with pytest.raises(IdentityError, match="the app failed") as caught:
        await Subrequest(app).get(make_scope(), "/", [], 5)
    assert isinstance(caught.value.__cause__, KeyError)
    assert "s3cret" not in caught.value.message


async def test_an_app_that_returns_without_an_answer_is_an_identity_error(make_scope: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    with pytest.raises(IdentityError, match="the app failed"):
        await Subrequest(app).get(make_scope(), "/", [], 5)


async def test_a_failure_after_the_answer_does_not_matter(make_scope: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await RecordingApp(b"[]")(scope, receive, send)
        raise RuntimeError("too late")

    answer = await Subrequest(app).get(make_scope(), "/", [], 5)
    assert answer.body == b"[]"


async def test_background_tasks_of_the_app_are_neither_awaited_nor_cut_off(make_scope: Any) -> None:
    release, done = asyncio.Event(), asyncio.Event()

    async def afterwards() -> None:
        await release.wait()
        done.set()

    async def me(request: StarletteRequest) -> JSONResponse:
        return JSONResponse({"id": 1}, background=BackgroundTask(afterwards))

    answer = await Subrequest(Starlette(routes=[Route("/me", me)])).get(make_scope(), "/me", [], 5)
    assert answer.body == b'{"id":1}'
    assert not done.is_set()
    release.set()
    await asyncio.wait_for(done.wait(), 5)


async def test_a_streaming_response_is_not_disconnected(make_scope: Any) -> None:
    async def me(request: StarletteRequest) -> StreamingResponse:
        async def parts() -> Any:
            for part in (b"{", b"}"):
                await asyncio.sleep(0)
                yield part

        return StreamingResponse(parts())

    app = Starlette(routes=[Route("/me", me)])
    old_spec = make_scope(asgi={"version": "3.0", "spec_version": "2.3"})  # Starlette listens for disconnects
    assert (await Subrequest(app).get(old_spec, "/me", [], 5)).body == b"{}"


async def test_recursion_a_subrequest_makes_no_subrequest(make_scope: Any) -> None:
    app = RecordingApp()
    subrequest = Subrequest(app)
    await subrequest.get(make_scope(), "/me", [], 5)
    with pytest.raises(IdentityError, match="within its own answer"):
        await subrequest.get(app.scopes[0], "/me", [], 5)
    assert len(app.scopes) == 1


async def test_context_variables_of_the_outer_request_do_not_leak_in(make_scope: Any) -> None:
    current: contextvars.ContextVar[str] = contextvars.ContextVar("current", default="unset")
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(current.get())
        await RecordingApp()(scope, receive, send)

    current.set("outer request")
    await Subrequest(app).get(make_scope(), "/", [], 5)
    assert seen == ["unset"]


async def test_what_a_request_left_in_its_state_does_not_turn_up_in_the_subrequest(make_scope: Any) -> None:
    app = RecordingApp()
    scope = make_scope(state={"db": "pool"})
    keep_state(scope)
    scope["state"]["user"] = "somebody"
    await Subrequest(app).get(scope, "/", [], 5)
    assert app.scopes[0]["state"] == {"db": "pool"}
    assert app.scopes[0]["state"] is not scope["state"]


async def test_litestar_parses_the_subrequest_anew(make_scope: Any) -> None:
    # Litestar keeps the parsed headers, cookies and URL of a request in scope["state"].
    @get(["/page", "/me"])
    async def echo(request: Request[Any, Any, Any]) -> dict[str, Any]:
        return {"path": request.url.path, "cookies": request.cookies}

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def discard(message: Any) -> None:
        pass

    app = Litestar([echo], logging_config=None)
    scope = make_scope((b"cookie", b"a=1"))
    keep_state(scope)
    await app(scope, receive, discard)
    answer = await Subrequest(app).get(scope, "/me", [(b"host", b"app.acme.com"), (b"cookie", b"b=2")], 5)
    assert json.loads(answer.body) == {"path": "/me", "cookies": {"b": "2"}}
