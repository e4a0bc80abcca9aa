"""Everything that a configuration depends on, tried once. Nothing is minted, written or changed anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from portal_gateway.models import EndUser
from portal_gateway.probing.findings import Finding, Section
from portal_gateway.probing.planhat import probe_planhat
from portal_gateway.probing.rocketlane import probe_rocketlane
from portal_gateway.probing.surroundings import identity_findings, probe_cache
from portal_gateway.settings import Settings
from portal_gateway.settings.portals import PlanhatPortal, PortalSettings


def probe(settings: Settings, user: EndUser | None) -> Iterator[Section]:
    """The findings by part of the configuration, as they come."""
    for name, portal in settings.portals.items():
        yield Section(f"portals.{name} ({portal.provider})", tuple(_of_portal(portal, user)))
    if findings := tuple(identity_findings(settings)):
        yield Section("identity", findings)
    if settings.cache is not None:
        yield Section("cache", (asyncio.run(probe_cache(settings.cache)),))


def _of_portal(portal: PortalSettings, user: EndUser | None) -> Iterator[Finding]:
    return probe_planhat(portal, user) if isinstance(portal, PlanhatPortal) else probe_rocketlane(portal, user)
