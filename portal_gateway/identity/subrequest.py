"""A GET of our own into the wrapped app, as the caller of another request would make it.

Under the middleware the app is the host app itself, in the same process; under the sidecar it is the reverse
proxy.

1. The subrequest carries the caller's own headers and nothing that belongs to another request: no body
   framing, no range, no validators, no coding that would have to be decoded.
2. Its scope is marked, and the middleware passes marked requests straight to the app: no recursion.
3. It ends: in time, in size, and when its caller is gone.
"""

from __future__ import annotations

import asyncio
import contextvars
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from portal_gateway.errors import IdentityError
from portal_gateway.wire.asgi import ASGIApp, Message, RawHeaders, Scope

SUBREQUEST_KEY = "portal_gateway.subrequest"
MAX_BODY_BYTES = 64 * 1024

_STATE_KEY = "portal_gateway.state"
_NOT_CARRIED = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"http2-settings",
        b"keep-alive",
        b"proxy-connection",
        b"range",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_NOT_CARRIED_PREFIXES = (b"if-", b"sec-websocket-")
_HTTP_SCHEME = {"ws": "http", "wss": "https"}


def is_subrequest(scope: Scope) -> bool:
    """Whether this is a request of our own, which goes to the app untouched."""
    return SUBREQUEST_KEY in scope


def keep_state(scope: Scope) -> None:
    """Note the lifespan state as the server gave it; to be called before the app runs.

    Apps put what concerns one request into the same mapping (`request.state`; Litestar its parsed URL,
    cookies and headers), which must not turn up in a subrequest made after that.
    """
    if "state" in scope:
        scope[_STATE_KEY] = dict(scope["state"])


def carried_headers(scope: Scope) -> RawHeaders:
    """The caller's headers that fit a GET for another resource of the same app."""
    return [
        (name, value)
        for name, value in scope["headers"]
        if name.lower() not in _NOT_CARRIED and not name.lower().startswith(_NOT_CARRIED_PREFIXES)
    ]


@dataclass(slots=True)
class Answer:
    """What the app answered. `body` is cut off after MAX_BODY_BYTES, `scope` is what the app made of it."""

    scope: Scope
    status: int = 0
    headers: RawHeaders = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    complete: bool = False

    def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = list(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")[: MAX_BODY_BYTES - len(self.body)]
            self.complete = not message.get("more_body", False)


class Subrequest:
    """Asks the wrapped app."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._running: set[asyncio.Task[None]] = set()  # the event loop itself holds tasks weakly

    async def get(self, scope: Scope, target: str, headers: RawHeaders, timeout_s: float) -> Answer:
        """The app's answer to `GET target` (a path within the app, perhaps with a query).

        Raises IdentityError if the app fails or has not answered in `timeout_s` seconds.
        """
        if is_subrequest(scope):
            raise IdentityError("the app was about to be asked within its own answer")
        answer = Answer(_scope_for(scope, target, headers))
        ended = asyncio.Event()
        task = self._start(answer, ended)
        try:
            async with asyncio.timeout(timeout_s):
                await ended.wait()
        except TimeoutError:
            raise IdentityError("the app did not answer in time when asked who is signed in") from None
        finally:
            # After a whole response the app may go on, with its background tasks, as under any server.
            if not answer.complete:
                task.cancel()
        if not answer.complete:
            raise IdentityError("the app failed when asked who is signed in") from _failure(task)
        return answer

    def _start(self, answer: Answer, ended: asyncio.Event) -> asyncio.Task[None]:
        def land(task: asyncio.Task[None]) -> None:
            self._running.discard(task)
            _failure(task)  # seen: asyncio would print it otherwise
            ended.set()

        # A context of its own, as a server would give it: what the outer request has set must not leak in.
        task = asyncio.create_task(_run(self._app, answer, ended), context=contextvars.Context())
        self._running.add(task)
        task.add_done_callback(land)
        return task


async def _run(app: ASGIApp, answer: Answer, ended: asyncio.Event) -> None:
    request: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if request:
            return request.pop()
        await ended.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        answer.take(message)
        if answer.complete:
            ended.set()

    await app(answer.scope, receive, send)


def _failure(task: asyncio.Task[None]) -> BaseException | None:
    return None if task.cancelled() else task.exception()


def _scope_for(scope: Scope, target: str, headers: RawHeaders) -> dict[str, Any]:
    path, _, query = target.partition("?")
    root_path: str = scope.get("root_path", "")
    scheme: str = scope.get("scheme", "http")
    fresh: dict[str, Any] = {
        "type": "http",
        "asgi": dict(scope.get("asgi", {"version": "3.0"})),
        "http_version": "1.1",
        "method": "GET",
        "scheme": _HTTP_SCHEME.get(scheme, scheme),
        # ASGI: `path` includes `root_path`.
        "path": root_path + unquote(path),
        "raw_path": root_path.encode() + path.encode(),
        "query_string": query.encode(),
        "root_path": root_path,
        "headers": [*headers, (b"accept", b"application/json")],
        "client": scope.get("client"),
        "server": scope.get("server"),
        "extensions": {},
        SUBREQUEST_KEY: True,
    }
    if "state" in scope:
        fresh["state"] = dict(scope[_STATE_KEY] if _STATE_KEY in scope else scope["state"])
    return fresh
