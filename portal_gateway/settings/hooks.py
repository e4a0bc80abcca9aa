"""Settings of the calls by which others say that access may have changed."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from portal_gateway.settings.secrets import Secret

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token, RFC 9110 section 5.6.2


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _caller_secret(value: Secret) -> Secret:
    secret = value.reveal_bytes()
    if len(secret) < 16:
        raise ValueError("must have at least 16 characters")
    if not re.fullmatch(rb"[!-~]+", secret):
        raise ValueError(f"{value.source} holds blanks, line breaks or non-ASCII characters: no header can carry it")
    return value


CallerSecret = Annotated[Secret, AfterValidator(_caller_secret)]


def _header_name(value: str) -> str:
    if not _HEADER_NAME.fullmatch(value):
        raise ValueError(f"{value!r} is not the name of a header")
    return value


class ForgetSettings(_Model):
    """Turns `POST /portal/-/forget` on, by which a vendor's automation drops what is known of one user."""

    secret: CallerSecret = Field(description="bearer secret of the caller, 16+ characters")


class HookSettings(_Model):
    """Turns `POST /portal/-/hooks/{name}` on, by which the portal's vendor says that access may have changed."""

    secret: CallerSecret = Field(description="what the vendor sends to prove who it is, 16+ characters")
    header: Annotated[str, AfterValidator(_header_name)] = Field(
        "Authorization",
        description="header with the secret: in `Authorization` as bearer token or as password of basic "
        "authentication, in any other as it is",
    )
