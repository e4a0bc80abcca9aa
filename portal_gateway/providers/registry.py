"""From a portal's settings to its provider. A vendor's code is imported when a portal of it is configured."""

from __future__ import annotations

from portal_gateway.providers.base import Provider
from portal_gateway.settings.portals import PlanhatPortal, PortalSettings


def build_provider(name: str, settings: PortalSettings) -> Provider:
    """The provider of the portal `name`. Opens no connection."""
    if isinstance(settings, PlanhatPortal):
        from portal_gateway.providers.planhat import PlanhatProvider

        return PlanhatProvider(name, settings)
    from portal_gateway.providers.rocketlane import RocketlaneProvider

    return RocketlaneProvider(name, settings)
