"""Rocketlane: access is membership in a project of the user's company; the link is a token signed here.

Rules of this file
- A project is open to a user only if its own `customer.companyId` is the user's company, it is not archived, and
  the user is one of its customers, or may become one (`refusal`). A list's filter is never relied on for that.
- A token is signed right after the project was read for it, whatever was known before.
- Only a verified e-mail address is invited.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from portal_gateway.errors import AccessDenied, ChoiceNeeded, IncompleteIdentity
from portal_gateway.models import Access, Choice, EndUser
from portal_gateway.observe.events import Events
from portal_gateway.providers.admission import Admission
from portal_gateway.providers.alerts import Alerts
from portal_gateway.providers.base import Purpose
from portal_gateway.providers.client import VendorClient
from portal_gateway.providers.guard import Guard
from portal_gateway.providers.mailbox import domain_allowed, mailbox_of
from portal_gateway.providers.rocketlane_admission import RocketlaneAdmission, jwt_refusal
from portal_gateway.providers.rocketlane_projects import ProjectReader
from portal_gateway.providers.rocketlane_shapes import Project
from portal_gateway.providers.signing import TokenSigner
from portal_gateway.settings.joining import JoinSettings
from portal_gateway.settings.portals import RocketlanePortal
from portal_gateway.store.base import Store
from portal_gateway.wire.urls import origin_of

# A page of 100 projects with large teams; a page is parsed in one go.
MAX_ANSWER_BYTES = 4 * 1024 * 1024

_COMPANY_ID = re.compile(r"[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class Person:
    """What of an end user decides: `mailbox` is compared, `email` is how the host app spells it."""

    mailbox: str
    email: str
    email_verified: bool
    company_id: int


def refusal(project: Project | None, person: Person, settings: RocketlanePortal) -> str | None:
    """Why `project` is not open to `person`, as a slug; None if it is open."""
    if project is None:
        return "no_project"
    if project.company_id != person.company_id:
        return "other_company"
    if project.archived:
        return "project_archived"
    if is_member(project, person):
        return None
    return jwt_refusal(settings, person.email, person.email_verified, project)


def is_member(project: Project, person: Person) -> bool:
    return project.customers is not None and person.mailbox in project.customers


class RocketlaneProvider:
    """A Rocketlane portal. Its token opens the same page in a tab and in a frame."""

    embeds = True

    def __init__(
        self,
        name: str,
        settings: RocketlanePortal,
        clock: Callable[[], float] = time.time,
        *,
        store: Store | None = None,
        events: Events | None = None,
    ) -> None:
        alerts = Alerts(name, events or Events())
        self.frame_origin = origin_of(settings.portal_url) or ""
        self._settings = settings
        self._signer = TokenSigner(settings.signing, clock)
        self._client = VendorClient(
            settings.api_url,
            {"api-key": settings.api_key.reveal()},
            alerts,
            timeout_s=settings.timeout_s,
            max_bytes=MAX_ANSWER_BYTES,
        )
        self._guard = Guard(
            name,
            alerts,
            timeout_s=settings.timeout_s,
            per_minute=settings.limits.per_minute,
            lists_per_minute=settings.limits.lists_per_minute,
            store=store,
        )
        self._projects = ProjectReader(self._client, self._guard, alerts)

    def admission(self, join: JoinSettings) -> Admission:
        """How people are let in who are not yet in."""
        return RocketlaneAdmission(
            self._settings,
            join,
            projects=self._projects,
            open_projects=lambda user: self._open_projects(self._person(user)),
            link=self._link,
            client=self._client,
            guard=self._guard,
        )

    def subject(self, user: EndUser) -> str:
        person = self._person(user)
        join = self._settings.join
        invitable = person.email_verified and (self._settings.invite_if_absent or (join is not None and join.jwt))
        return f"{person.mailbox}|{person.company_id}" + ("|invitable" if invitable else "")

    async def check_access(self, user: EndUser) -> Access:
        person = self._person(user)
        try:
            projects = await self._open_projects(person)
        except AccessDenied as denied:
            return Access.deny(denied.reason)
        reason = "member" if any(is_member(project, person) for project in projects) else "will_be_invited"
        several = projects if len(projects) > 1 else []
        return Access.grant(reason, tuple(Choice(str(project.id), project.name) for project in several))

    async def mint(self, user: EndUser, purpose: Purpose, choice: str | None = None) -> str:
        person = self._person(user)
        project = await self._projects.read(await self._chosen(person, choice))
        reason = refusal(project, person, self._settings)
        if project is None or reason is not None:
            self._projects.forget(person.company_id)
            raise AccessDenied("the portal is not open to this user", reason or "no_project")
        if purpose == "token":
            return self._token(project, person.mailbox, person.email)
        return self._link(project, person.mailbox, person.email)

    def forget(self) -> None:
        self._projects.forget_all()

    async def aclose(self) -> None:
        await self._projects.aclose()
        await self._guard.aclose()
        await self._client.aclose()

    def _link(self, project: Project, mailbox: str, email: str) -> str:
        return f"{self._settings.portal_url}/cp/embed?token={self._token(project, mailbox, email)}"

    def _token(self, project: Project, mailbox: str, email: str) -> str:
        # The vendor's own spelling of a member's address: whether it minds the case is not documented.
        customers = project.customers or {}
        absent = mailbox not in customers
        return self._signer.token(customers.get(mailbox, email), project.id, invite_if_absent=absent)

    def _person(self, user: EndUser) -> Person:
        company_id = self._settings.project.company_id.render(user).strip()
        if not _COMPANY_ID.fullmatch(company_id):
            raise IncompleteIdentity("numeric company id")
        return Person(mailbox_of(user), (user.email or "").strip(), user.email_verified, int(company_id))

    async def _open_projects(self, person: Person) -> list[Project]:
        """The projects open to the person. Raises AccessDenied, with the reason, if there is none."""
        self._check_domain(person)
        projects: tuple[Project | None, ...]
        if self._settings.project.id is not None:
            projects = (await self._projects.read(self._settings.project.id),)
        else:
            projects = await self._projects.of_company(person.company_id)
        reasons = [refusal(project, person, self._settings) for project in projects]
        opened = [p for p, reason in zip(projects, reasons, strict=True) if p is not None and reason is None]
        if not opened:
            reason = next(filter(None, reasons), "no_project")
            raise AccessDenied("no project is open to this user", reason)
        return opened

    async def _chosen(self, person: Person, choice: str | None) -> int:
        """The id of the project to open. Raises AccessDenied and ChoiceNeeded."""
        fixed = self._settings.project.id
        if fixed is not None:
            self._check_domain(person)
            open_ids = [fixed]
        else:
            open_ids = [project.id for project in await self._open_projects(person)]
        if choice is not None:
            open_ids = [project_id for project_id in open_ids if str(project_id) == choice]
            if not open_ids:
                raise AccessDenied("this project is not open to this user", "choice_not_open")
        if len(open_ids) > 1:
            raise ChoiceNeeded("several projects are open to this user")
        return open_ids[0]

    def _check_domain(self, person: Person) -> None:
        allowed = self._settings.allowed_domains
        if allowed and not domain_allowed(person.mailbox, allowed):
            raise AccessDenied("the user's e-mail domain is not allowed", "domain_not_allowed")
