"""Vendor customer portals inside your own web app: an ASGI middleware and a sidecar reverse proxy."""

from __future__ import annotations

from portal_gateway._version import __version__
from portal_gateway.errors import GatewayError
from portal_gateway.identity.base import IdentitySource
from portal_gateway.middleware import PortalGatewayMiddleware
from portal_gateway.models import Access, EndUser
from portal_gateway.providers.base import Provider
from portal_gateway.settings import Settings, load_settings
from portal_gateway.sidecar import create_sidecar

__all__ = [
    "Access",
    "EndUser",
    "GatewayError",
    "IdentitySource",
    "PortalGatewayMiddleware",
    "Provider",
    "Settings",
    "__version__",
    "create_sidecar",
    "load_settings",
]
