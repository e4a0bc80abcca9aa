"""The schema of the configuration file: every key, its default, and what is refused.

Defaults are fields' defaults, their meaning is the field's description: `portal-gateway schema` and
docs/configuration.md are made from them.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PositiveFloat

from portal_gateway.settings.identity import IdentitySettings
from portal_gateway.settings.portals import PortalSettings
from portal_gateway.settings.secrets import Secret
from portal_gateway.wire.urls import local_path, origin_of

_PORTAL_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _mount_path(value: str) -> str:
    path = value.rstrip("/")
    if not re.fullmatch(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)+", path):
        raise ValueError('must be a path such as "/portal" (the root of the site cannot be taken over)')
    return path


def _http_origin(value: str) -> str:
    origin = origin_of(value)
    if origin is None or value.rstrip("/").lower() != origin:
        raise ValueError('must be an origin such as "http://127.0.0.1:8000", without a path')
    return origin


def _login_url(value: str) -> str:
    target = value.replace("{next}", "")
    if "{" in target or "}" in target:
        raise ValueError("knows one placeholder: {next}")
    if local_path(target) is None and origin_of(target) is None:
        raise ValueError('must be a path such as "/login?next={next}" or an http(s) URL')
    return value


def _network(value: object) -> object:
    if not isinstance(value, str | IPv4Network | IPv6Network):
        raise ValueError("must be a network such as 10.0.0.0/8 or an address such as 127.0.0.1")
    return value


def _portal_name(value: str) -> str:
    if not _PORTAL_NAME.fullmatch(value):
        raise ValueError("a portal's name is part of URLs: lower-case letters, digits, '-' and '_'")
    return value


def _forget_secret(value: Secret) -> Secret:
    if len(value.reveal_bytes()) < 16:
        raise ValueError("must have at least 16 characters")
    return value


class ForgetSettings(_Model):
    """Turns `POST /portal/-/forget` on, by which a vendor's automation drops what is known of one user."""

    secret: Annotated[
        Secret,
        AfterValidator(_forget_secret),
        Field(description="bearer secret of the caller, 16+ characters"),
    ]


class UpstreamTimeouts(_Model):
    """How long the sidecar waits for the app behind it, in seconds."""

    connect_s: PositiveFloat = Field(5.0, description="to open a connection")
    head_s: PositiveFloat = Field(60.0, description="for the head of the response; nginx waits 60 too")
    idle_s: PositiveFloat = Field(60.0, description="between two pieces of a body")


class Settings(_Model):
    """The whole configuration of one gateway."""

    mount_path: Annotated[str, AfterValidator(_mount_path)] = Field(
        "/portal", description="where the gateway's own routes live"
    )
    public_url: Annotated[str, AfterValidator(_http_origin)] | None = Field(
        None, description="the site's own origin as browsers see it; needed behind a proxy that is not trusted"
    )
    login_url: Annotated[str, AfterValidator(_login_url)] | None = Field(
        None, description="where an anonymous visitor of a portal route is sent; `{next}` is the way back"
    )
    upstream: Annotated[str, AfterValidator(_http_origin)] | None = Field(
        None, description="sidecar only: the app behind it"
    )
    upstream_timeouts: UpstreamTimeouts = Field(UpstreamTimeouts(), description="sidecar only: how long it waits")
    compress: bool = Field(
        True,
        description="sidecar only: compress pages for browsers that accept it, and ask the app for them uncompressed; "
        "`false` leaves that to the app",
    )
    trusted_proxies: tuple[Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)], ...] = Field(
        (), description="whose X-Forwarded-* and identity headers are believed; nobody by default"
    )
    forget: ForgetSettings | None = Field(None, description="turns `POST /portal/-/forget` on")
    server_timing: bool = Field(
        False, description="say in each page's Server-Timing header what was injected or why not"
    )
    identity: tuple[IdentitySettings, ...] = Field(
        (), description="who is signed in: sources, asked in order; the first that knows the user wins"
    )
    portals: dict[Annotated[str, AfterValidator(_portal_name)], PortalSettings] = Field(
        min_length=1, description="the vendor portals by name; the name is part of their URLs"
    )
    max_decisions: int = Field(100_000, gt=0, description="access decisions kept in memory; about 1 KB each")
