"""The issuer's public keys, fetched and kept (RFC 7517).

1. Nobody but the configuration says where keys come from: `jku`, `x5u` and `jwk` in a token are never looked
   at.
2. A key is bound to one algorithm when it is loaded; it verifies that one only. No symmetric and no private
   keys.
3. Tokens with made-up key ids cannot make us hammer the issuer: one attempt per cooldown, whatever the
   reason.
4. Keys that were fetched once stay in use while the issuer is away.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

import jwt
from jwt.utils import base64url_decode

from portal_gateway.errors import IdentityError
from portal_gateway.single_flight import SingleFlight

logger = logging.getLogger("portal_gateway.identity")

MAX_AGE_S = 300.0
COOLDOWN_S = 10.0
TIMEOUT_S = 5.0
MAX_BODY_BYTES = 256 * 1024
MAX_KEYS = 100
_MIN_RSA_BITS = 2048  # RFC 7518 section 3.3

# What a key must look like to serve an algorithm (RFC 7518 section 6, RFC 8037 section 2).
_FITS: dict[str, dict[str, tuple[str, ...]]] = {
    **{name: {"kty": ("RSA",)} for name in ("RS256", "RS384", "RS512")},
    "ES256": {"kty": ("EC",), "crv": ("P-256",)},
    "ES384": {"kty": ("EC",), "crv": ("P-384",)},
    "EdDSA": {"kty": ("OKP",), "crv": ("Ed25519", "Ed448")},
}

Keys = dict[tuple[str | None, str], list[jwt.PyJWK]]


class JwksCache:
    """The keys at `url` that can verify one of `algorithms`."""

    def __init__(
        self,
        url: str,
        algorithms: Iterable[str],
        *,
        max_age_s: float = MAX_AGE_S,
        cooldown_s: float = COOLDOWN_S,
        timeout_s: float = TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._algorithms = tuple(algorithms)
        self._max_age_s = max_age_s
        self._cooldown_s = cooldown_s
        self._timeout_s = timeout_s
        self._clock = clock
        self._keys: Keys = {}
        self._fetched_at: float | None = None
        self._tried_at = float("-inf")
        self._failed = False
        self._flight: SingleFlight[str, None] = SingleFlight()

    async def key(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        """The key a token names by `kid`, or the only one there is if it names none; None if there is none.

        Raises IdentityError if the issuer's keys are not known, or this one is not and the issuer is away.
        """
        if self._fetched_at is None or self._clock() - self._fetched_at >= self._max_age_s:
            await self._refresh()
        found = self._find(kid, algorithm)
        if found is None:
            await self._refresh()
            found = self._find(kid, algorithm)
        if found is None and (self._failed or self._fetched_at is None):
            raise IdentityError("the issuer's keys cannot be fetched")
        return found

    async def aclose(self) -> None:
        """Cancel a fetch under way."""
        await self._flight.aclose()

    def _find(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        if kid is not None:
            return next(iter(self._keys.get((kid, algorithm), ())), None)
        keys = [key for (_, name), same in self._keys.items() if name == algorithm for key in same]
        return keys[0] if len(keys) == 1 else None

    async def _refresh(self) -> None:
        """Fetch the keys, unless that was tried a moment ago. Who comes meanwhile waits for it."""
        await self._flight.run(self._url, self._try_fetch)

    async def _try_fetch(self) -> None:
        if self._clock() - self._tried_at < self._cooldown_s:
            return
        self._tried_at = self._clock()
        try:
            async with asyncio.timeout(self._timeout_s):
                keys = usable_keys(await _fetch(self._url), self._algorithms)
        except Exception as error:
            self._failed = True
            logger.warning("the keys at %s cannot be fetched: %s", self._url, error or type(error).__name__)
        else:
            self._keys, self._fetched_at, self._failed = keys, self._clock(), False


async def _fetch(url: str) -> bytes:
    import httpx

    # Not compressed, so that the limit holds for what is in memory.
    headers = {"accept": "application/json", "accept-encoding": "identity"}
    async with (
        httpx.AsyncClient(trust_env=False, follow_redirects=False, headers=headers) as client,
        client.stream("GET", url) as response,
    ):
        if response.status_code != 200:
            raise ValueError(f"status {response.status_code}")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise ValueError(f"more than {MAX_BODY_BYTES} bytes")
        return bytes(body)


def usable_keys(body: bytes, algorithms: Iterable[str]) -> Keys:
    """The keys of a JWK set, bound to each algorithm they may serve. Raises ValueError if there is none."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("not a JWK set")
    keys: Keys = {}
    for jwk in listed[:MAX_KEYS]:
        for algorithm in algorithms:
            if isinstance(jwk, dict) and (key := _bound(jwk, algorithm)) is not None:
                keys.setdefault((key.key_id, algorithm), []).append(key)
    if not keys:
        raise ValueError("no key for any of the configured algorithms")
    return keys


def _bound(jwk: dict[str, Any], algorithm: str) -> jwt.PyJWK | None:
    """The key for this algorithm, or None if it is meant for something else or is broken."""
    try:
        return jwt.PyJWK(jwk, algorithm) if _may_verify(jwk, algorithm) else None
    except Exception:
        return None  # one broken key must not cost the others


def _may_verify(jwk: dict[str, Any], algorithm: str) -> bool:
    # RFC 9864 names the algorithms of EdDSA after the curve.
    names = (algorithm, jwk.get("crv")) if algorithm == "EdDSA" else (algorithm,)
    return (
        all(jwk.get(member) in allowed for member, allowed in _FITS[algorithm].items())
        and isinstance(jwk.get("kid"), str | None)
        and jwk.get("use", "sig") == "sig"
        and "verify" in jwk.get("key_ops", ["verify"])
        and jwk.get("alg", algorithm) in names
        and "d" not in jwk  # a published private key signs for everyone who read it
        and (jwk["kty"] != "RSA" or len(base64url_decode(jwk["n"])) * 8 >= _MIN_RSA_BITS)
    )
