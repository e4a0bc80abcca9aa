"""What a provider can do whose vendor lets people in who are not yet in: say who may, and let them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from portal_gateway.admission.addresses import Address
from portal_gateway.models import EndUser
from portal_gateway.settings.joining import JoinSettings


@dataclass(frozen=True, slots=True)
class JoinProject:
    """A project that people may be let into, and the company whose it is."""

    id: int
    name: str
    company_id: int


class Admission(Protocol):
    """Lets people into the projects of one portal, each time after the vendor was asked afresh.

    Everything it raises is a GatewayError: AccessDenied, with the reason, for whoever may not, and VendorError.
    """

    async def open_to(self, user: EndUser) -> tuple[JoinProject, ...]:
        """The projects that are open to the user, by name: those the user may invite others to."""
        ...

    async def joinable(self, address: Address, project_id: int, company_id: int | None = None) -> JoinProject:
        """The project, if the owner of `address` may join it, and it still is the company's if one is given."""
        ...

    async def admit(self, address: Address, project_id: int, company_id: int) -> str:
        """A signed link that logs the owner of `address` in, who has proved to be it, and lets them join."""
        ...

    async def add(self, address: Address, project_id: int, company_id: int) -> None:
        """Make the owner of `address` a member at once."""
        ...


@runtime_checkable
class Admitting(Protocol):
    """A provider whose vendor lets people in."""

    def admission(self, join: JoinSettings) -> Admission: ...
