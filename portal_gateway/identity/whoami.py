"""The app itself as the source of identity: asked with the caller's own credentials who they belong to.

An answer holds for a short while for the very same question. The question is all that the app is sent, so the
key of the cache is made of all of it: two callers who differ in anything the app could look at never share an
answer.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable
from typing import Any, cast

from cachetools import TTLCache

from portal_gateway.errors import IdentityError
from portal_gateway.identity.base import NotAtHand
from portal_gateway.identity.fields import user_from
from portal_gateway.identity.subrequest import Answer, Subrequest, carried_headers, is_subrequest
from portal_gateway.models import EndUser
from portal_gateway.settings.identity import WhoamiIdentity
from portal_gateway.single_flight import SingleFlight
from portal_gateway.wire.asgi import RawHeaders, Scope

logger = logging.getLogger("portal_gateway.identity")

MAX_ANSWERS = 10_000
# What tells the app who asks, from where, and for which site. Headers that vary from request to request of
# one person (Referer, Sec-Fetch-*, trace ids) would make every question a new one.
_CREDENTIALS = frozenset({b"cookie", b"authorization"})
_SENT = _CREDENTIALS | {b"host", b"forwarded", b"x-real-ip", b"user-agent"}
_SENT_PREFIX = b"x-forwarded-"
_MISSING = cast(EndUser, object())


class WhoamiSource:
    """Asks the wrapped app at `settings.path`; cookies that the answer sets are dropped."""

    name = "whoami"
    immediate = False

    def __init__(
        self, settings: WhoamiIdentity, subrequest: Subrequest, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._subrequest = subrequest
        self._answers: TTLCache[bytes, EndUser | None] = TTLCache(MAX_ANSWERS, settings.cache_s, clock)
        self._flights: SingleFlight[bytes, EndUser | None] = SingleFlight()
        self._warned: set[str] = set()

    def at_hand(self, scope: Scope) -> EndUser | None:
        """What the app has answered to the very same question. Raises NotAtHand if it was not asked."""
        headers = _question(scope)
        if not headers:
            return None
        known = self._answers.get(_digest(scope, headers), _MISSING)
        if known is _MISSING:
            raise NotAtHand(self.name)
        return known

    async def identify(self, scope: Scope) -> EndUser | None:
        """The user the app knows by these credentials. Raises IdentityError if it gives no clear answer."""
        headers = _question(scope)
        if not headers:
            return None
        key = _digest(scope, headers)
        known = self._answers.get(key, _MISSING)
        if known is not _MISSING:
            return known
        return await self._flights.run(key, lambda: self._ask(key, scope, headers))

    async def aclose(self) -> None:
        """Cancel the questions under way and forget all answers."""
        await self._flights.aclose()
        self._answers.clear()

    async def _ask(self, key: bytes, scope: Scope, headers: RawHeaders) -> EndUser | None:
        settings = self._settings
        user = self._read(await self._subrequest.get(scope, settings.path, headers, settings.timeout_s))
        self._answers[key] = user
        return user

    def _read(self, answer: Answer) -> EndUser | None:
        if answer.status == 404:
            self._warn_once(f"whoami: the app has no {self._settings.path} (404); nobody is known by it")
        if answer.status in (401, 403, 404) or 300 <= answer.status < 400:
            return None
        if answer.status != 200:
            raise IdentityError(f"the app answered {answer.status} when asked who is signed in")
        return user_from(self._json_object(answer), self._settings.fields)

    def _json_object(self, answer: Answer) -> dict[str, Any]:
        try:
            document = json.loads(answer.body)  # an object that was cut off has no end, and does not parse
        except (ValueError, RecursionError):
            document = False
        if document is None:
            return {}  # `null` is how some apps say: nobody
        if not isinstance(document, dict):
            self._warn_once(f"whoami: {self._settings.path} answers 200, but no JSON object of at most 64 KiB")
            raise IdentityError("the app did not answer with a JSON object when asked who is signed in")
        return document

    def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            logger.warning(text)


def _question(scope: Scope) -> RawHeaders:
    """The headers that the app is sent; none without credentials, which it need not be asked about."""
    if is_subrequest(scope):
        raise IdentityError("the app's answer about a user was itself asked for a user")
    headers = [pair for pair in carried_headers(scope) if _is_sent(pair[0].lower())]
    return headers if any(name.lower() in _CREDENTIALS for name, _ in headers) else []


def _is_sent(name: bytes) -> bool:
    return name in _SENT or name.startswith(_SENT_PREFIX)


def _digest(scope: Scope, headers: RawHeaders) -> bytes:
    """A key from which no credential can be read back, for memory dumps' sake."""
    client = scope.get("client")
    question = (scope.get("scheme"), scope.get("root_path"), client and client[0], headers)
    return hashlib.sha256(repr(question).encode()).digest()
