"""How the emulated portal reads an embed token (JWT), step by step; every refusal has a reason of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jwt

REASONS = {
    "no-token": "The address has no token.",
    "malformed": "The token is not a JWT.",
    "algorithm": "The token is signed with an algorithm that is not set up for this workspace.",
    "signature": "The token is signed with another secret or key than the one in the workspace's settings.",
    "exp-missing": "The token has no expiry time (exp).",
    "expired": "The token has expired.",
    "used": "The token has already been used.",
    "no-user": "The token names no user (user.emailId).",
    "project-id": "config.projectId must be a number.",
    "invite-if-absent": "config.inviteIfAbsent must be true or false.",
    "unknown-project": "There is no such project.",
    "archived-project": "This project is archived.",
    "not-a-customer": "The user is not a customer: team members sign in to the workspace itself.",
    "absent": "The user is not in this project, and the token does not invite.",
    "joining-off": "Customers cannot be added by token in this workspace.",
    "domain": "The user's e-mail domain does not belong to this customer.",
}


class EmbedRefused(Exception):
    """The embed page answers 401; `reason` is a key of REASONS."""

    def __init__(self, reason: str) -> None:
        super().__init__(REASONS[reason])
        self.reason = reason


@dataclass(frozen=True)
class EmbedKeys:
    """What is set up under Embed Customer Portal: the shared secret, and the uploaded public key (PEM)."""

    secret: str
    public_key: str | None = None

    def for_algorithm(self, algorithm: object) -> str | None:
        """Each algorithm has its own key, so a public key never serves as an HMAC secret."""
        if algorithm == "HS256":
            return self.secret
        return self.public_key if algorithm in ("RS256", "ES256") else None


@dataclass(frozen=True)
class EmbedClaims:
    email: str
    project_id: int
    invite_if_absent: bool


def read_token(token: str, keys: EmbedKeys, *, now: float) -> EmbedClaims:
    """The claims of a token that is signed, current and well formed. Raises EmbedRefused."""
    if not token:
        raise EmbedRefused("no-token")
    payload = _verified_payload(token, keys)
    _check_expiry(payload.get("exp"), now)
    user, config = payload.get("user"), payload.get("config")
    email = user.get("emailId") if isinstance(user, dict) else None
    if not isinstance(email, str) or not email:
        raise EmbedRefused("no-user")
    config = config if isinstance(config, dict) else {}
    if type(config.get("projectId")) is not int:
        raise EmbedRefused("project-id")
    invite = config.get("inviteIfAbsent", False)
    if not isinstance(invite, bool):
        raise EmbedRefused("invite-if-absent")
    return EmbedClaims(email, config["projectId"], invite)


def _verified_payload(token: str, keys: EmbedKeys) -> dict[str, Any]:
    try:
        algorithm = jwt.get_unverified_header(token).get("alg")
    except jwt.InvalidTokenError as error:
        raise EmbedRefused("malformed") from error
    key = keys.for_algorithm(algorithm)
    if algorithm is None or key is None:
        raise EmbedRefused("algorithm")
    try:
        # Times are checked against the sandbox's clock, not by PyJWT.
        return jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
        )
    except (jwt.InvalidSignatureError, jwt.InvalidKeyError, TypeError, ValueError) as error:
        raise EmbedRefused("signature") from error
    except jwt.InvalidTokenError as error:
        raise EmbedRefused("malformed") from error


def _check_expiry(exp: object, now: float) -> None:
    if isinstance(exp, bool) or not isinstance(exp, int | float):
        raise EmbedRefused("exp-missing")
    if exp <= now:
        raise EmbedRefused("expired")
