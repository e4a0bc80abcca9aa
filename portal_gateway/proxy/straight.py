"""A request without a body and its response from socket to socket: no ASGI message, no task and no future on the way.

That is how nearly everything passes. What takes longer than a callback is left to a task: to connect to the upstream,
and to send an error page or a response that does not pass as it is; from then on things go their usual way.
"""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from portal_gateway.errors import GatewayError, UpstreamError, UpstreamUnavailable
from portal_gateway.http11.cycle import Cycle
from portal_gateway.http11.extensions import EXTENSIONS
from portal_gateway.http11.framing import Framing
from portal_gateway.http11.request_head import RequestHead
from portal_gateway.proxy.connection import StaleConnection, UpstreamConnection
from portal_gateway.proxy.exchange import ClientLeft, Exchange
from portal_gateway.proxy.headers import NO_TRAILERS, UpstreamRequest, announced_trailers, response_headers
from portal_gateway.proxy.response import ResponseParser
from portal_gateway.proxy.upstreams import Upstream
from portal_gateway.wire.asgi import ASGIApp, RawHeaders, Receive, Scope, Send

if TYPE_CHECKING:
    from portal_gateway.http11.connection import Connection

logger = logging.getLogger("portal_gateway.proxy")


class Passage(Protocol):
    """What those between client and upstream do about one request and its response."""

    def outgoing(self) -> tuple[Upstream, UpstreamRequest]:
        """Where the request goes, and in which form. Raises MalformedRequest."""

    def passing(self, status: int, headers: RawHeaders) -> RawHeaders | None:
        """The head of a response that passes as it is. None: it has to go through `changed` or `around`."""

    def changed(self, status: int, headers: RawHeaders, body: bytes) -> tuple[RawHeaders, bytes] | None:
        """What becomes of a whole response that does not pass as it is. None: that takes a task."""

    def around(self, relay: ASGIApp) -> ASGIApp:
        """What sends a response that does not pass as it is; `relay` gives it what came from the upstream."""

    def failed(self, error: GatewayError) -> ASGIApp:
        """What says why there is no response."""

    def over(self, status: int, size: int) -> None:
        """The request is over. `status` is 0 if nobody was left to answer; `size` is that of the body in bytes."""


class StraightCycle(Cycle):
    """The client's connection calls it as any cycle, the upstream's connection when more of the response has come."""

    _upstream: Upstream
    _outgoing: UpstreamRequest
    # The connection to the upstream, as long as no task has it.
    _asked: UpstreamConnection | None = None
    _incoming: ResponseParser
    _announced: frozenset[bytes]
    _is_retried = False
    _is_counted = False

    def __init__(self, connection: Connection, request: RequestHead, scope: Scope, passage: Passage) -> None:
        super().__init__(connection, request, scope)
        self._passage = passage

    # What the client's connection calls.

    def begin(self, app: ASGIApp, tasks: set[Any]) -> None:
        self._tasks = tasks
        try:
            self._upstream, self._outgoing = self._passage.outgoing()
        except GatewayError as error:
            self._leave_to_task(self._answer(error))
            return
        asked = self._upstream.pool.take_idle()
        if asked is None:
            self._leave_to_task(self._connect(fresh=False))
        else:
            self._ask(asked)

    def disconnect(self) -> None:
        super().disconnect()
        if self._asked is not None:
            self._release(self._asked)
            self._count()

    def writable(self) -> None:
        if self._asked is not None:
            self._asked.resume()
            self._on_more()

    # The exchange.

    def _ask(self, asked: UpstreamConnection) -> None:
        self._asked = asked
        self._incoming = asked.begin(self._outgoing.head, self._outgoing.method, on_more=self._on_more)

    def _on_more(self) -> None:
        """More of the response has come, or an error, or the client takes more."""
        asked = self._asked
        if asked is None:
            return
        try:
            if self._response is not None or self._relay_head(asked, self._incoming):
                self._relay_body(asked, self._incoming)
                self._flush()
        except Exception as error:
            logger.error("a response could not be passed on", exc_info=error)
            if self._asked is asked:
                self._fail(asked, error)
            else:  # given back already, perhaps to somebody else
                self._connection.break_off()

    def _relay_head(self, asked: UpstreamConnection, incoming: ResponseParser) -> bool:
        """Whether it has been relayed."""
        if incoming.interim:
            self._relay_interim(incoming)
        head = incoming.head
        if head is None:
            if asked.error is not None:
                self._fail(asked, asked.error)
            return False
        given = response_headers(head.headers, head.status)
        headers = self._passage.passing(head.status, given)
        if headers is None:
            body = incoming.whole_body
            changed = None if body is None else self._passage.changed(head.status, given, body)
            if changed is not None:
                incoming.take()
                self._send_whole(asked, head.status, *changed)
                return False
            self._asked = None
            self._leave_to_task(self._relay_by_task(asked, incoming))
            return False
        self._announced = announced_trailers(head.headers) if head.framing is Framing.CHUNKED else NO_TRAILERS
        if self._announced:
            headers.append((b"trailer", b", ".join(sorted(self._announced))))
        self.start(head.status, headers, trailers=bool(self._announced))
        return True

    def _send_whole(self, asked: UpstreamConnection, status: int, headers: RawHeaders, body: bytes) -> None:
        self._upstream.is_failing = False
        self._release(asked)
        self.start(status, headers)
        self.send_body(body, more=False)

    def _relay_interim(self, incoming: ResponseParser) -> None:
        heads, incoming.interim = incoming.interim, []
        for head in heads:
            self.send_interim(head.status, response_headers(head.headers, head.status))

    def _relay_body(self, asked: UpstreamConnection, incoming: ResponseParser) -> None:
        if self._connection.writing_paused:
            asked.hold()
        elif incoming.complete:
            body, trailers = incoming.take(), incoming.trailers
            self._upstream.is_failing = False
            self._release(asked)  # before the end, at which the client's next request may look for one
            self.send_body(body, more=False)
            if self._sends_trailers:
                self.send_trailers([field for field in trailers if field[0] in self._announced])
        elif incoming.buffered:
            self.send_body(incoming.take(), more=True)
            self._relay_body(asked, incoming)
        elif asked.error is not None:
            self._fail(asked, asked.error)
        else:
            asked.resume()

    def _fail(self, asked: UpstreamConnection, error: Exception) -> None:
        self._release(asked)
        if self.has_started:
            self._note(error)
            self._connection.break_off()
            self._count()
        elif isinstance(error, StaleConnection) and self._outgoing.is_repeatable and not self._is_retried:
            self._is_retried = True
            self._leave_to_task(self._connect(fresh=True))
        else:
            self._leave_to_task(self._answer(error))

    def _release(self, asked: UpstreamConnection) -> None:
        self._asked = None
        self._upstream.pool.release(asked)

    def _note(self, error: Exception) -> None:
        if isinstance(error, UpstreamError):
            self._upstream.failed(error)

    def _end(self) -> None:
        self._count()
        super()._end()

    def _count(self) -> None:
        if not self._is_counted:
            self._is_counted = True
            self._passage.over(self.status, self.body_bytes_sent)

    # What takes a task.

    def _leave_to_task(self, work: Coroutine[Any, Any, None]) -> None:
        self.task = self._connection.loop.create_task(work)
        self._tasks.add(self.task)
        self.task.add_done_callback(self._tasks.discard)

    async def _connect(self, *, fresh: bool) -> None:
        try:
            asked = await self._upstream.pool.acquire(fresh=fresh)
        except UpstreamError as error:
            await self._answer(error)
            return
        except BaseException:
            self._count()
            raise
        if self.disconnected:
            self._upstream.pool.release(asked)
            self._count()
        else:
            self._ask(asked)

    async def _answer(self, error: Exception) -> None:
        if not isinstance(error, GatewayError):
            error = UpstreamUnavailable("the app's response cannot be passed on")
        self._note(error)
        try:
            await self.run(self._passage.failed(error), self._tasks)
        finally:
            self._count()

    async def _relay_by_task(self, asked: UpstreamConnection, incoming: ResponseParser) -> None:
        async def relay(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await Exchange(asked, self._outgoing, receive, send, EXTENSIONS).take_over(incoming)
                self._upstream.is_failing = False
            except ClientLeft:
                pass
            except UpstreamError as error:
                self._note(error)
                raise

        try:
            await self.run(self._passage.around(relay), self._tasks)
        finally:
            self._upstream.pool.release(asked)
            self._count()
