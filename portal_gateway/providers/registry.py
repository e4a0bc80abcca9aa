"""From a portal's settings to its provider. A vendor's code is imported when a portal of it is configured."""

from __future__ import annotations

from portal_gateway.observe.events import Events
from portal_gateway.providers.base import Provider
from portal_gateway.settings.portals import PlanhatPortal, PortalSettings
from portal_gateway.store.base import Store


def build_provider(
    name: str, settings: PortalSettings, *, store: Store | None = None, events: Events | None = None
) -> Provider:
    """The provider of the portal `name`. Opens no connection.

    Rate limits are kept together with all who share the `store`; alerts are counted by `events`.
    """
    if isinstance(settings, PlanhatPortal):
        from portal_gateway.providers.planhat import PlanhatProvider

        return PlanhatProvider(name, settings, store=store, events=events)
    from portal_gateway.providers.rocketlane import RocketlaneProvider

    return RocketlaneProvider(name, settings, store=store, events=events)
