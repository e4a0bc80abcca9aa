"""Settings of the apps behind the sidecar: where they listen, which paths are whose, how long they may take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, PositiveFloat, Tag

from portal_gateway.settings.admin import is_socket_path
from portal_gateway.settings.certificates import CertificatesFile
from portal_gateway.settings.origins import http_origin

# Segments as clients send them: no empty ones, and no dots, which clients resolve before they ask.
_PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|$))(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+)+")


def _upstream(value: str) -> str:
    if not value.startswith("unix:"):
        return http_origin(value)
    path = value.removeprefix("unix:")
    if not is_socket_path(path) or path.startswith("//"):
        raise ValueError('must be "unix:" and the absolute path of a socket, of at most 107 bytes')
    return value


def _prefix(value: str) -> str:
    if value.endswith("/") and _PREFIX.fullmatch(value[:-1]):
        raise ValueError(f"is for what is below it too: leave out the slash at its end, {value[:-1]}")
    if value != "/" and not _PREFIX.fullmatch(value):
        raise ValueError('must be "/", or a path such as "/api", percent-encoded as clients send it')
    return value


def _covers_everything(upstreams: dict[str, str]) -> dict[str, str]:
    if "/" not in upstreams:
        raise ValueError('has no app for the paths that no prefix is for: add "/"')
    return upstreams


def _form_of(value: Any) -> str | None:
    return "url" if isinstance(value, str) else "by_prefix" if isinstance(value, Mapping) else None


UpstreamUrl = Annotated[str, AfterValidator(_upstream)]

# One app, or several by the prefix of the path.
Upstreams = Annotated[
    Annotated[UpstreamUrl, Tag("url")]
    | Annotated[
        dict[Annotated[str, AfterValidator(_prefix)], UpstreamUrl], AfterValidator(_covers_everything), Tag("by_prefix")
    ],
    Discriminator(
        _form_of,
        custom_error_type="upstream_form",
        custom_error_message="must be a URL, or a mapping of path prefixes to URLs",
    ),
]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class UpstreamTls(_Model):
    """How the certificate of an https app behind the sidecar is verified; it must be for the host of the URL."""

    ca_file: CertificatesFile | None = Field(
        None,
        description="certificates (PEM) that the app's must come from, instead of the system's; relative to the "
        "configuration file",
    )


class UpstreamTimeouts(_Model):
    """How long the sidecar waits for the app behind it, in seconds."""

    connect_s: PositiveFloat = Field(5.0, description="to open a connection")
    head_s: PositiveFloat = Field(60.0, description="for the head of the response; nginx waits 60 too")
    idle_s: PositiveFloat = Field(60.0, description="between two pieces of a body")
