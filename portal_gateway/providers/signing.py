"""Rocketlane's tokens: signed here, with a key that is loaded once.

Claims as in help.rocketlane.com/support/solutions/articles/67000738577: `user.emailId`, `config.projectId` (a
JSON number; as a string the portal answers 401), `config.inviteIfAbsent`, `exp`. Nothing else is documented, so
nothing else is sent unless it is configured.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from portal_gateway.settings.portals import SigningSettings

if TYPE_CHECKING:
    from jwt import PyJWS

_RSA_BITS = 2048


class TokenSigner:
    """Signs tokens of one Rocketlane account. `clock` tells epoch seconds."""

    def __init__(self, settings: SigningSettings, clock: Callable[[], float] = time.time) -> None:
        """Raises ValueError if the key does not fit the algorithm."""
        self._jws = _jws()
        self._key = settings.load_key()
        self._settings = settings
        self._clock = clock

    def token(self, email: str, project_id: int, *, invite_if_absent: bool = False) -> str:
        """A token that opens one project for one customer."""
        payload = json.dumps(self._claims(email, project_id, invite_if_absent), separators=(",", ":"))
        return self._jws.encode(payload.encode(), self._key, self._settings.algorithm)

    def _claims(self, email: str, project_id: int, invite_if_absent: bool) -> dict[str, Any]:
        now = int(self._clock())
        config: dict[str, Any] = {"projectId": project_id}
        if invite_if_absent:
            config["inviteIfAbsent"] = True
        claims: dict[str, Any] = {
            **self._settings.extra_claims,
            "user": {"emailId": email},
            "config": config,
            "exp": now + self._settings.lifetime_s,
        }
        if self._settings.issued_at:
            claims["iat"] = now
        return claims


def _jws() -> PyJWS:
    """PyJWT without its warning about short shared secrets: the vendor makes them, nobody here can change them."""
    from jwt import PyJWS
    from jwt.algorithms import HMACAlgorithm

    class VendorSecret(HMACAlgorithm):
        def check_key_length(self, key: bytes) -> str | None:
            return None

    jws = PyJWS()
    jws.unregister_algorithm("HS256")
    jws.register_algorithm("HS256", VendorSecret(HMACAlgorithm.SHA256))
    return jws


def generate_key_pair(algorithm: Literal["RS256", "ES256"]) -> tuple[str, str]:
    """A new private key (PKCS#8) and its public key (SubjectPublicKeyInfo), both PEM."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    if algorithm == "RS256":
        key = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    else:
        key = ec.generate_private_key(ec.SECP256R1())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()
