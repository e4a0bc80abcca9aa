"""Calls by which a vendor, or an automation of its users, says that access may have changed.

Rules of this file
- Nobody is heard without the secret, which is compared in constant time before the body is read.
- A call drops what is known and nothing else: who has access, the vendor is asked again.
- It cannot make us ask endlessly: an event counts once, an old one not at all, and the same thing is dropped once per
  interval, however often somebody calls.
"""

from __future__ import annotations

import json
import time
from base64 import b64decode
from collections.abc import Callable
from hashlib import sha256
from hmac import compare_digest
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from portal_gateway.access.directory import Directory, Portal
from portal_gateway.errors import UnknownPortal
from portal_gateway.observe.events import Events
from portal_gateway.portal.answers import Answers
from portal_gateway.portal.coalescing import Coalescing
from portal_gateway.providers.hook_events import HookEvent, event_reader
from portal_gateway.settings import Settings
from portal_gateway.settings.secrets import Secret
from portal_gateway.store.base import Store, StoreUnavailable
from portal_gateway.wire import headers as h
from portal_gateway.wire.asgi import RawHeaders

MAX_FORGET_BYTES = 4096
# A Rocketlane event holds the whole project, its team included.
MAX_EVENT_BYTES = 256 * 1024
# The longest that a second event may have to wait; Rocketlane allows 60 lists of projects a minute.
INTERVAL_S = 10.0
MAX_USERS = 1000
# For so long an event is known again; one that is older says nothing about what was asked since.
REMEMBERED_S = 3600.0


class CallRefused(Exception):
    """The call is answered with these problem details."""

    def __init__(self, status: int, code: str, title: str) -> None:
        super().__init__(title)
        self.status, self.code, self.title = status, code, title


class Hooks:
    """Answers `POST /-/forget` and `POST /-/hooks/{name}` under the mount path."""

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        store: Store,
        events: Events,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._forget_secret = settings.forget.secret if settings.forget else None
        self._hooks = {
            name: (portal.hook, event_reader(portal)) for name, portal in settings.portals.items() if portal.hook
        }
        self._directory = directory
        self._store = store
        self._events = events
        self._clock = clock
        self._forgetting = Coalescing(INTERVAL_S, MAX_USERS)

    async def forget(self, request: Request) -> Response:
        """Drop what is known of one user of one portal, both named in the body."""
        if self._forget_secret is None:
            raise UnknownPortal("there is no such page")
        if refusal := _refusal(request, "authorization", self._forget_secret):
            return refusal
        try:
            body = await _json(request, MAX_FORGET_BYTES)
            name, user_id = body["portal"], body["user_id"]
            if not isinstance(name, str) or not isinstance(user_id, str):
                raise TypeError
        except CallRefused as refused:
            return Answers.problem(refused.status, refused.code, refused.title)
        except (TypeError, KeyError):
            return Answers.problem(400, "bad_request", 'The body must be {"portal": "...", "user_id": "..."}')
        return Answers.json({"forgotten": self._directory.forget(self._directory.find(name), user_id)})

    async def event(self, request: Request, name: str) -> Response:
        """Drop what an event of the vendor of the portal `name` concerns."""
        portal = self._directory.find(name)
        if name not in self._hooks:
            raise UnknownPortal("there is no such page")
        settings, read_event = self._hooks[name]
        if refusal := _refusal(request, settings.header, settings.secret):
            self._events.hooked(name, "refused")
            return refusal
        try:
            event = read_event(await _json(request, MAX_EVENT_BYTES))
        except CallRefused as refused:
            self._events.hooked(name, refused.code)
            return Answers.problem(refused.status, refused.code, refused.title)
        except ValueError as error:
            self._events.hooked(name, "bad_request")
            return Answers.problem(400, "bad_request", str(error))
        outcome = "ignored" if event is None else await self._take(portal, event)
        self._events.hooked(name, outcome)
        return Answers.json({"outcome": outcome})

    def close(self) -> None:
        """Drop at once what was to be dropped later."""
        self._forgetting.close()

    async def _take(self, portal: Portal, event: HookEvent) -> str:
        if event.sent_at_ms is not None and event.sent_at_ms < (self._clock() - REMEMBERED_S) * 1000:
            return "too_old"
        if event.id is not None and not await self._is_new(portal, event.id):
            return "repeated"
        user_id = event.user_id
        if user_id is not None and self._forgetting.takes((portal.name, user_id)):
            now = self._forgetting.run((portal.name, user_id), lambda: self._directory.forget(portal, user_id))
        else:
            now = self._forgetting.run((portal.name, None), lambda: self._directory.forget_portal(portal))
        return "forgotten" if now else "forgotten_later"

    async def _is_new(self, portal: Portal, event_id: str) -> bool:
        digest = sha256(event_id.encode("utf-8", "surrogatepass")).hexdigest()
        try:
            return await self._store.add(f"hook:{portal.name}:{digest}", b"1", REMEMBERED_S)
        except StoreUnavailable:
            return True  # to drop it twice is better than not at all


def _refusal(request: Request, header: str, secret: Secret) -> Response | None:
    """The answer to a caller who does not have the secret, or who does not POST."""
    if request.method != "POST":
        return Answers.problem(405, "method_not_allowed", "Use POST", {"allow": "POST"})
    if not has_secret(request.scope["headers"], header, secret):
        challenge = {"www-authenticate": "Bearer"} if header.lower() == "authorization" else {}
        return Answers.problem(401, "wrong_secret", f"Secret missing in {header}, or wrong", challenge)
    return None


def has_secret(headers: RawHeaders, header: str, secret: Secret) -> bool:
    """Whether a request carries the secret in that header."""
    name = header.lower().encode()
    given = h.first(headers, name) or b""
    return compare_digest(_credential(given) if name == b"authorization" else given, secret.reveal_bytes())


def _credential(authorization: bytes) -> bytes:
    """The bearer token, or the password: many senders of webhooks know basic authentication only."""
    scheme, _, value = authorization.partition(b" ")
    if scheme.lower() == b"bearer":
        return value
    if scheme.lower() == b"basic":
        try:
            return b64decode(value, validate=True).partition(b":")[2]
        except ValueError:
            return b""
    return b""


async def _json(request: Request, max_bytes: int) -> Any:
    """The JSON body. Raises CallRefused."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise CallRefused(413, "too_large", f"The body must have at most {max_bytes} bytes")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise CallRefused(400, "bad_request", "The body must be JSON") from None
