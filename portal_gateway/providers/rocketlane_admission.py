"""Who may become a customer of a Rocketlane project, and how they get in.

Rules of this file
- A project is read right before somebody is let in: it still is the company's that it was when the link was made, it
  is not archived, and the policy still holds.
- Whoever is a customer of the project already needs no policy to come back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from portal_gateway.admission.addresses import Address, domain_of_site, parse_address
from portal_gateway.admission.policy import CustomerDomains, join_refusal
from portal_gateway.errors import AccessDenied, VendorError
from portal_gateway.models import EndUser
from portal_gateway.providers.admission import JoinProject
from portal_gateway.providers.client import VendorClient
from portal_gateway.providers.guard import Guard, Kind
from portal_gateway.providers.rocketlane_projects import ProjectReader
from portal_gateway.providers.rocketlane_shapes import Project
from portal_gateway.settings.joining import JoinSettings
from portal_gateway.settings.portals import RocketlanePortal

OpenProjects = Callable[[EndUser], Awaitable[list[Project]]]
SignedLink = Callable[[Project, str, str], str]


def policy_refusal(join: JoinSettings, address: Address | None, project: Project) -> str | None:
    """Why the owner of `address` (None for one that cannot be one) may not become a customer of `project`."""
    if address is None:
        return "domain_not_allowed"
    own = domain_of_site(project.company_url)
    domains = CustomerDomains(frozenset(filter(None, [own])), join.domains_of(project.id))
    return join_refusal(join.policy, address, domains)


def jwt_refusal(settings: RocketlanePortal, email: str, email_verified: bool, project: Project) -> str | None:
    """Why a signed-in end user with this address does not become a customer of `project` at the click."""
    by_policy = settings.join is not None and settings.join.jwt
    if not (settings.invite_if_absent or by_policy):
        return "not_a_member"
    if not email_verified:
        return "email_not_verified"
    if settings.join is None or not by_policy:
        return None
    return policy_refusal(settings.join, parse_address(email), project)


class RocketlaneAdmission:
    """The admission of one portal. `link` signs a token for a project, a mailbox and its owner's own spelling."""

    def __init__(
        self,
        settings: RocketlanePortal,
        join: JoinSettings,
        *,
        projects: ProjectReader,
        open_projects: OpenProjects,
        link: SignedLink,
        client: VendorClient,
        guard: Guard,
    ) -> None:
        self._allowed_domains = frozenset(settings.allowed_domains)
        self._join = join
        self._projects = projects
        self._open_projects = open_projects
        self._link = link
        self._client = client
        self._guard = guard

    async def open_to(self, user: EndUser) -> tuple[JoinProject, ...]:
        return tuple(map(_joinable, await self._open_projects(user)))

    async def joinable(self, address: Address, project_id: int, company_id: int | None = None) -> JoinProject:
        return _joinable(await self._read(address, project_id, company_id))

    async def admit(self, address: Address, project_id: int, company_id: int) -> str:
        project = await self._read(address, project_id, company_id)
        self._projects.forget(company_id)
        return self._link(project, address.mailbox, str(address))

    async def add(self, address: Address, project_id: int, company_id: int) -> None:
        project = await self._read(address, project_id, company_id)
        if address.mailbox in (project.customers or {}):
            return
        self._projects.forget(company_id)
        await self._guard.run(lambda: self._add(address, project_id), Kind.MINT)

    async def _read(self, address: Address, project_id: int, company_id: int | None) -> Project:
        project = await self._projects.read(project_id)
        reason = self._refusal(project, address, company_id)
        if project is None or reason is not None:
            raise AccessDenied("this project is not open to this address", reason or "no_project")
        return project

    def _refusal(self, project: Project | None, address: Address, company_id: int | None) -> str | None:
        if project is None or project.company_id is None:
            return "no_project"
        if company_id is not None and project.company_id != company_id:
            return "other_company"
        if project.archived:
            return "project_archived"
        if self._allowed_domains and address.domain not in self._allowed_domains:
            return "domain_not_allowed"
        if address.mailbox in (project.customers or {}):
            return None
        return policy_refusal(self._join, address, project)

    async def _add(self, address: Address, project_id: int) -> None:
        body = {"customers": [{"emailId": str(address)}]}
        answer = await self._client.request("POST", f"/projects/{project_id}/add-members", json=body)
        if answer.status != 200:
            raise VendorError(f"the vendor did not add the customer (status {answer.status})")


def _joinable(project: Project) -> JoinProject:
    assert project.company_id is not None, "a project that is open to somebody has a company"
    return JoinProject(project.id, project.name, project.company_id)
