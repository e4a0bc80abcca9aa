"""A token of the host app's issuer as the source of identity (RFC 7519, with the advice of RFC 8725).

The accepted algorithms and the key come from the configuration, never from the token. A token that does not
verify is the same as none: its bearer is not signed in.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from typing import Any

import jwt
from cachetools import LRUCache

from portal_gateway.identity.base import NotAtHand
from portal_gateway.identity.fields import user_from
from portal_gateway.identity.jwks import MAX_AGE_S, JwksCache
from portal_gateway.models import EndUser
from portal_gateway.settings.identity import JwtIdentity
from portal_gateway.wire import headers as h
from portal_gateway.wire.asgi import Scope

logger = logging.getLogger("portal_gateway.identity")

MAX_TOKEN_CHARS = 8192  # a cookie holds 4096; servers take 8 to 64 KiB of headers
MAX_VERIFIED = 4096


class JwtSource:
    """Verifies the token in a cookie or in `Authorization: Bearer`.

    Who a verified token belongs to is remembered until it expires, at most as long as a fetched key is:
    checking a signature takes 60 to 130 us. `clock` gives seconds since the epoch.
    """

    name = "jwt"

    def __init__(self, settings: JwtIdentity, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._key = settings.verify_key()
        self._jwks = JwksCache(settings.jwks_url, settings.algorithms) if settings.jwks_url else None
        self._verified: LRUCache[bytes, tuple[EndUser, float]] = LRUCache(MAX_VERIFIED)

    @property
    def immediate(self) -> bool:
        return self._jwks is None

    def at_hand(self, scope: Scope) -> EndUser | None:
        """The user the token names. Raises NotAtHand if the issuer's keys are needed to tell."""
        token = self._token(scope)
        if token is None:
            return None
        user = self._remembered(token)
        if user is not None:
            return user
        if self._jwks is not None:
            raise NotAtHand(self.name)
        return self._verify(token, self._key)

    async def identify(self, scope: Scope) -> EndUser | None:
        """The user the token names. Raises IdentityError if the issuer's keys cannot be had."""
        token = self._token(scope)
        if token is None:
            return None
        user = self._remembered(token)
        if user is not None:
            return user
        try:
            key = self._key if self._jwks is None else await self._published_key(self._jwks, token)
        except jwt.PyJWTError as error:
            _log_refusal(error)
            return None
        return self._verify(token, key)

    async def aclose(self) -> None:
        """Forget verified tokens and cancel a fetch of keys."""
        self._verified.clear()
        if self._jwks is not None:
            await self._jwks.aclose()

    def _token(self, scope: Scope) -> str | None:
        token = self._carried(scope)
        return token if token is not None and len(token) <= MAX_TOKEN_CHARS else None

    def _carried(self, scope: Scope) -> str | None:
        if self._settings.cookie is not None:
            return h.cookie(scope["headers"], self._settings.cookie)
        lines = h.values(scope["headers"], b"authorization")
        if len(lines) != 1:
            return None
        scheme, _, token = lines[0].decode("latin-1").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None

    def _remembered(self, token: str) -> EndUser | None:
        user, until = self._verified.get(_digest(token), (None, 0.0))
        return user if self._clock() < until else None

    def _verify(self, token: str, key: Any) -> EndUser | None:
        settings = self._settings
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=settings.algorithms,
                audience=settings.audience,
                issuer=settings.issuer,
                leeway=settings.leeway_s,
                # Many issuers write their numeric user id into `sub`; what may be an id is decided by
                # `user_from`.
                options={"require": ["exp"], "verify_sub": False},
            )
        except jwt.PyJWTError as error:
            _log_refusal(error)
            return None
        user = user_from(claims, settings.claims)
        if user is not None:
            # `exp` itself, without the leeway: in those last seconds the token is verified again each time.
            self._verified[_digest(token)] = (user, min(int(claims["exp"]), self._clock() + MAX_AGE_S))
        return user

    async def _published_key(self, jwks: JwksCache, token: str) -> jwt.PyJWK:
        header = jwt.get_unverified_header(token)
        algorithm = header.get("alg")
        if algorithm not in self._settings.algorithms:
            raise jwt.InvalidAlgorithmError("not one of the configured algorithms")
        key = await jwks.key(header.get("kid"), algorithm)
        if key is None:
            raise jwt.InvalidKeyError("the issuer has no such key")
        return key


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _log_refusal(error: jwt.PyJWTError) -> None:
    logger.debug("a token was refused: %s", type(error).__name__)
