"""The portals that people join, each with what its doors need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from portal_gateway.errors import UnknownPortal
from portal_gateway.providers.admission import Admission
from portal_gateway.settings.joining import JoinSettings


@dataclass(frozen=True, slots=True)
class JoinPortal:
    """One portal with a door. `project_id` is the one that the configuration fixes."""

    name: str
    label: str
    settings: JoinSettings
    admission: Admission
    origin: str
    project_id: int | None = None


class JoinPortals:
    """Looks portals up."""

    def __init__(self, portals: Mapping[str, JoinPortal]) -> None:
        self._portals = dict(portals)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._portals)

    def find(self, name: str) -> JoinPortal:
        """Raises UnknownPortal."""
        try:
            return self._portals[name]
        except KeyError:
            raise UnknownPortal("there is no such page") from None

    def with_link(self, name: str) -> JoinPortal:
        """The portal, if it has a shared link. Raises UnknownPortal."""
        portal = self.find(name)
        if not portal.settings.link:
            raise UnknownPortal("there is no such page")
        return portal
