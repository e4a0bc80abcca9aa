"""What was asked of an emulator: the evidence tests count."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from portal_gateway.sandbox.clock import Clock

MAX_CALLS = 20_000  # a demo may run for days; the oldest calls go first
UNRECORDED = ("/_sandbox", "/static")


@dataclass
class Call:
    """One request; `status` is None until it is answered, `at` is in epoch seconds of the sandbox's clock."""

    method: str
    path: str
    query: str
    referer: str | None
    at: float
    status: int | None = None


class CallLog:
    """The calls since the last reset, oldest first."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque(maxlen=MAX_CALLS)

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, call: Call) -> None:
        self._calls.append(call)

    def clear(self) -> None:
        self._calls.clear()

    def counts(self) -> Counter[str]:
        """How often each `METHOD /path` was asked."""
        return Counter(f"{call.method} {call.path}" for call in self._calls)

    def count(self, method: str, path_prefix: str) -> int:
        """How many calls of `method` had a path that begins so."""
        return sum(call.method == method and call.path.startswith(path_prefix) for call in self._calls)

    def as_dict(self) -> dict[str, Any]:
        return {"total": len(self), "counts": self.counts(), "calls": [asdict(call) for call in self._calls]}


class CallRecorder:
    """Writes down every vendor call when it arrives, so that one that hangs is counted too."""

    def __init__(self, app: ASGIApp, calls: CallLog, clock: Clock) -> None:
        self.app = app
        self._calls = calls
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(UNRECORDED):
            return await self.app(scope, receive, send)
        call = self._new_call(scope)
        self._calls.add(call)

        async def send_noting_status(message: Message) -> None:
            if message["type"] == "http.response.start":
                call.status = message["status"]
            await send(message)

        return await self.app(scope, receive, send_noting_status)

    def _new_call(self, scope: Scope) -> Call:
        return Call(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            referer=Headers(scope=scope).get("referer"),
            at=self._clock.now(),
        )
