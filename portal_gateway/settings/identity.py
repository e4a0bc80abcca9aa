"""Settings of the identity sources."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeFloat, model_validator

from portal_gateway.settings.keys import SYMMETRIC, VerifyAlgorithm, load_verify_key
from portal_gateway.settings.secrets import Secret
from portal_gateway.wire.urls import is_private_channel, local_path, origin_of

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token, RFC 9110 section 5.6.2
_CLIENT_HEADERS = frozenset(
    {
        *("accept", "authorization", "connection", "content-length", "content-type", "cookie", "forwarded"),
        *("host", "origin", "referer", "transfer-encoding", "upgrade", "user-agent"),
        *("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"),
    }
)
_MIN_SECRET_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}  # RFC 7518 section 3.2


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FieldMap(_Model):
    """Where the fields of an end user are found: dotted paths into a mapping or object, or header names."""

    id: str = Field(min_length=1, description="the host app's own user id")
    email: str | None = Field(None, min_length=1, description="where portals address the user")
    email_verified: str | None = Field(None, min_length=1, description="counts only as true, 'true' or 1")
    name: str | None = Field(None, min_length=1, description="the user's full name")
    company_id: str | None = Field(None, min_length=1, description="the host app's id of the user's company")
    attributes: dict[str, str] = Field({}, description="further values for templates, by name")


class ScopeIdentity(_Model):
    """What the wrapped app's session or authentication middleware put into the ASGI scope."""

    source: Literal["scope"] = Field(description="always `scope`")
    session: FieldMap | None = Field(None, description='paths in scope["session"]')
    user: FieldMap | None = Field(None, description='attributes of scope["user"], if it is authenticated')

    @model_validator(mode="after")
    def _needs_one(self) -> ScopeIdentity:
        if self.session is None and self.user is None:
            raise ValueError("say where to look: `session: {id: user_id}` or `user: {id: username}`")
        return self


class HeadersIdentity(FieldMap):
    """Headers set by an authenticating proxy in front of us; believed only from `trusted_proxies`."""

    source: Literal["headers"] = Field(description="always `headers`")

    def header_names(self) -> list[str]:
        """All headers that are believed."""
        optional = (self.email, self.email_verified, self.name, self.company_id)
        return [self.id, *(name for name in optional if name), *self.attributes.values()]

    @model_validator(mode="after")
    def _needs_own_headers(self) -> HeadersIdentity:
        for name in self.header_names():
            if not _HEADER_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not the name of a header")
            # These headers are taken away from all who are not trusted: the app must not need them.
            if name.lower().replace("_", "-") in _CLIENT_HEADERS:
                raise ValueError(f"{name} is sent by clients themselves and cannot prove who they are")
        return self


def _https_or_loopback(url: str) -> str:
    if origin_of(url) is None:
        raise ValueError("must be an http(s) URL")
    if not is_private_channel(url):
        raise ValueError("must be https: whoever can change the keys in transit can be any user")
    return url


class JwtIdentity(_Model):
    """A token of the host app's own issuer, in a cookie or as `Authorization: Bearer`."""

    source: Literal["jwt"] = Field(description="always `jwt`")
    cookie: str | None = Field(None, min_length=1, description="name of the cookie; without it: bearer token")
    secret: Secret | None = Field(None, description="shared secret for HS256, HS384, HS512")
    public_key: Secret | None = Field(None, description="public key or certificate in PEM form")
    jwks_url: Annotated[str, AfterValidator(_https_or_loopback)] | None = Field(
        None, description="where the issuer publishes its keys (RFC 7517)"
    )
    algorithms: tuple[VerifyAlgorithm, ...] = Field(min_length=1, description="accepted algorithms; no default")
    audience: str | None = Field(None, description="required `aud`; without it a token with an audience is refused")
    issuer: str | None = Field(None, description="required `iss`")
    leeway_s: NonNegativeFloat = Field(5.0, le=300, description="tolerated clock skew for exp, nbf and iat")
    claims: FieldMap = Field(
        FieldMap(id="sub", email="email", email_verified="email_verified", name="name"),
        description="paths of the fields in the token",
    )

    @model_validator(mode="after")
    def _needs_one_key(self) -> JwtIdentity:
        given = [n for n in ("secret", "public_key", "jwks_url") if getattr(self, n) is not None]
        if len(given) != 1:
            raise ValueError("needs exactly one of secret, public_key and jwks_url")
        symmetric = SYMMETRIC.intersection(self.algorithms)
        if symmetric and given != ["secret"]:
            raise ValueError(f"{', '.join(sorted(symmetric))} cannot be verified with {given[0]}")
        self.verify_key()
        return self

    def verify_key(self) -> Any:
        """The loaded key, or None when keys come from `jwks_url`. Raises ValueError if it does not fit."""
        secret = self.secret or self.public_key
        if secret is None:
            return None
        key = load_verify_key(secret.reveal_bytes(), self.algorithms)
        for algorithm in self.algorithms:
            least = _MIN_SECRET_BYTES.get(algorithm, 0)
            if least and len(key) < least:
                raise ValueError(f"{algorithm} needs a secret of at least {least} bytes: a shorter one is guessed")
        return key


def _whoami_path(value: str) -> str:
    if local_path(value) is None or "#" in value or not value.isascii():
        raise ValueError('must be a path of the app itself, such as "/api/me", percent-encoded')
    return value


class WhoamiIdentity(_Model):
    """The host app itself, asked with the caller's own cookies; works for any app."""

    source: Literal["whoami"] = Field(description="always `whoami`")
    path: Annotated[str, AfterValidator(_whoami_path)] = Field(description="answers 200 and JSON for a signed-in user")
    fields: FieldMap = Field(description="paths in the JSON answer")
    cache_s: NonNegativeFloat = Field(
        10.0,
        le=300,
        description="how long an answer holds for the same credentials; a log-out shows after it",
    )
    timeout_s: float = Field(2.0, gt=0, le=60, description="seconds the app may take to answer")


IdentitySettings = Annotated[
    ScopeIdentity | HeadersIdentity | JwtIdentity | WhoamiIdentity, Field(discriminator="source")
]
