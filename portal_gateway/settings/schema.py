"""The schema of the configuration file: every key, its default, and what is refused.

Defaults are fields' defaults, their meaning is the field's description: `portal-gateway schema` and
docs/configuration.md are made from them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from portal_gateway.languages.catalogue import LanguageTag
from portal_gateway.settings.admin import AdminAddress
from portal_gateway.settings.brand import BrandSettings
from portal_gateway.settings.cache import CacheSettings
from portal_gateway.settings.clients import ClientSettings
from portal_gateway.settings.hooks import ForgetSettings
from portal_gateway.settings.identity import IdentitySettings
from portal_gateway.settings.joining import JoiningSettings, JoinSettings
from portal_gateway.settings.logout import LogoutSettings
from portal_gateway.settings.mail import MailSettings
from portal_gateway.settings.origins import HttpOrigin
from portal_gateway.settings.page_templates import TemplatesDirectory
from portal_gateway.settings.portals import PortalSettings
from portal_gateway.settings.sso import SsoSettings
from portal_gateway.settings.upstreams import Upstreams, UpstreamTimeouts, UpstreamTls
from portal_gateway.wire.urls import local_path, origin_of

_PORTAL_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _mount_path(value: str) -> str:
    path = value.rstrip("/")
    if not re.fullmatch(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)+", path):
        raise ValueError('must be a path such as "/portal" (the root of the site cannot be taken over)')
    return path


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
    if value == "accept":
        raise ValueError("magic links lead to /portal/accept: choose another name")
    return value


class Settings(_Model):
    """The whole configuration of one gateway."""

    mount_path: Annotated[str, AfterValidator(_mount_path)] = Field(
        "/portal", description="where the gateway's own routes live"
    )
    public_url: HttpOrigin | None = Field(
        None,
        description="the site's own origin as browsers see it; needed for links in mails, and behind a proxy that is "
        "not trusted",
    )
    login_url: Annotated[str, AfterValidator(_login_url)] | None = Field(
        None, description="where an anonymous visitor of a portal route is sent; `{next}` is the way back"
    )
    brand: BrandSettings = Field(BrandSettings(), description="how the gateway's own pages look")
    language: LanguageTag | None = Field(
        None, description="of the gateway's own pages and mails; by default what the browser asks for, else English"
    )
    templates: TemplatesDirectory | None = Field(
        None,
        description="a directory with pages of your own in place of the gateway's; relative to the configuration file",
    )
    upstream: Upstreams | None = Field(
        None,
        description="sidecar only: the app behind it, `http[s]://HOST[:PORT]` or `unix:/PATH`; or several by prefix of "
        'the path, `{"/": URL, "/api": URL}`, of which the longest wins',
    )
    upstream_tls: UpstreamTls = Field(UpstreamTls(), description="sidecar only: which certificates it believes")
    upstream_timeouts: UpstreamTimeouts = Field(UpstreamTimeouts(), description="sidecar only: how long it waits")
    client_limits: ClientSettings = Field(
        ClientSettings(), description="sidecar only: what clients may send, and how long they may take"
    )
    compress: bool = Field(
        True,
        description="sidecar only: compress pages for browsers that accept it, and ask the app for them uncompressed; "
        "`false` leaves that to the app",
    )
    admin: AdminAddress | None = Field(
        None,
        description="sidecar only: where `/live`, `/ready`, `/metrics` and a status page are served, `HOST:PORT` or "
        "the path of a Unix socket; nowhere by default",
    )
    drain_s: int = Field(
        10,
        gt=0,
        description="sidecar only: how long requests may go on after a stop signal, in seconds; Kubernetes kills "
        "after 30",
    )
    trusted_proxies: tuple[Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)], ...] = Field(
        (), description="whose X-Forwarded-* and identity headers are believed; nobody by default"
    )
    cache: CacheSettings | None = Field(
        None, description="Redis or Valkey, shared by workers and replicas; without it each worker is on its own"
    )
    forget: ForgetSettings | None = Field(None, description="turns `POST /portal/-/forget` on")
    logout: LogoutSettings | None = Field(
        None, description="where people sign out of the app; what is known of them is dropped"
    )
    joining: JoiningSettings | None = Field(None, description="signs shared and magic links; for portals with `join`")
    mail: MailSettings | None = Field(None, description="how mails are sent; needed for links that are mailed")
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

    @property
    def upstreams(self) -> Mapping[str, str]:
        """The apps behind the sidecar by prefix, `/` among them; none if there is no `upstream`."""
        if isinstance(self.upstream, str):
            return {"/": self.upstream}
        return self.upstream or {}

    @property
    def joins(self) -> dict[str, JoinSettings]:
        """The portals that people join by links, by name."""
        options = {name: getattr(portal, "join", None) for name, portal in self.portals.items()}
        return {name: join for name, join in options.items() if join is not None and join.makes_links}

    @property
    def sso_portals(self) -> dict[str, SsoSettings]:
        """The portals whose vendors send visitors to be signed in, by name."""
        options = {name: getattr(portal, "sso", None) for name, portal in self.portals.items()}
        return {name: sso for name, sso in options.items() if sso is not None}
