"""Settings of single sign-on that a vendor asks for: where its visitors may be sent back to, with a token."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from portal_gateway.wire.urls import is_private_channel, origin_of, plain_path

_PARAMETER = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


def _address(value: str) -> str:
    if origin_of(value) is None or "?" in value or "#" in value:
        raise ValueError("must be an http(s) URL without credentials, query or fragment")
    if not is_private_channel(value):
        raise ValueError("must be https: a token that signs people in is sent there")
    if plain_path(urlsplit(value).path) is None:
        raise ValueError("must have a path without dot segments and encoded slashes")
    return value


def _parameter(value: str) -> str:
    if not _PARAMETER.fullmatch(value):
        raise ValueError("must be the name of a query parameter: letters, digits, '_', '-', '.' and ':'")
    return value


class SsoSettings(BaseModel):
    """Visitors whom the vendor sends to `/portal/{name}/sso` are sent back to it with a token."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    return_to: tuple[Annotated[str, AfterValidator(_address)], ...] = Field(
        min_length=1,
        description="addresses that visitors may be sent back to: this very origin, and this path or what is below it",
    )
    return_parameter: Annotated[str, AfterValidator(_parameter)] = Field(
        "return_to", description="query parameter in which the vendor says where to"
    )
    token_parameter: Annotated[str, AfterValidator(_parameter)] = Field(
        "token", description="query parameter that the token is added in"
    )

    @model_validator(mode="after")
    def _two_parameters(self) -> SsoSettings:
        if "project" in (self.return_parameter, self.token_parameter):
            raise ValueError("`project` names the project that was chosen; take another parameter")
        return self
