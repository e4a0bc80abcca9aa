"""What the two vendors know: their records, in the vendors' own words and shapes.

The demo's own data is in `cast.py`; tests may change any record in place, a reset puts the first state back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date


@dataclass
class PlanhatEndUser:
    """An End User record. `portal_access` stands for the sharing settings of the tenant's portals."""

    id: str
    email: str
    first_name: str
    last_name: str
    company_id: str
    company_name: str
    external_id: str | None = None
    source_id: str | None = None
    archived: bool = False
    portal_access: bool = True

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"


@dataclass
class PlanhatTenant:
    """One Planhat account."""

    end_users: list[PlanhatEndUser] = field(default_factory=list)

    def find(self, reference: str) -> PlanhatEndUser | None:
        """The end user whose `_id`, `extid-<externalId>` or `srcid-<sourceId>` this is."""
        kind, separator, value = reference.partition("-")
        if separator and value and kind == "extid":
            return self._first("external_id", value)
        if separator and value and kind == "srcid":
            return self._first("source_id", value)
        return self._first("id", reference)

    def _first(self, attribute: str, value: str) -> PlanhatEndUser | None:
        return next((person for person in self.end_users if getattr(person, attribute) == value), None)


@dataclass
class Company:
    """A customer company in Rocketlane, with the e-mail domains that belong to it."""

    id: int
    name: str
    domains: list[str] = field(default_factory=list)


@dataclass
class RocketlaneUser:
    """`type` is CUSTOMER, TEAM_MEMBER, PARTNER or EXTERNAL_PARTNER; staff (TEAM_MEMBER) have no company."""

    id: int
    email: str
    first_name: str
    last_name: str
    type: str = "CUSTOMER"
    status: str = "ACTIVE"
    company_id: int | None = None

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip() or self.email


@dataclass
class Task:
    name: str
    done: bool
    owner: str
    due: str


@dataclass
class Phase:
    name: str
    tasks: list[Task]

    @property
    def done_count(self) -> int:
        return sum(task.done for task in self.tasks)


@dataclass
class Project:
    """An onboarding project of one customer company; the id lists are user ids."""

    id: int
    name: str
    company_id: int
    due: date
    owner_id: int
    archived: bool = False
    customers: list[int] = field(default_factory=list)
    members: list[int] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)

    @property
    def progress(self) -> int:
        """Per cent of the tasks that are done."""
        total = sum(len(phase.tasks) for phase in self.phases)
        return round(100 * sum(phase.done_count for phase in self.phases) / total) if total else 0


@dataclass
class Invitation:
    """A customer that was added to a project, through the API or by `inviteIfAbsent`."""

    project_id: int
    email: str
    via: str
    at: float


@dataclass
class RocketlaneWorkspace:
    """One Rocketlane account."""

    companies: list[Company] = field(default_factory=list)
    users: list[RocketlaneUser] = field(default_factory=list)
    projects: list[Project] = field(default_factory=list)
    invitations: list[Invitation] = field(default_factory=list)

    def company(self, company_id: int) -> Company:
        return next(company for company in self.companies if company.id == company_id)

    def project(self, project_id: int) -> Project | None:
        return next((project for project in self.projects if project.id == project_id), None)

    def user(self, user_id: int) -> RocketlaneUser:
        return next(user for user in self.users if user.id == user_id)

    def user_by_email(self, email: str) -> RocketlaneUser | None:
        return next((user for user in self.users if user.email.casefold() == email.casefold()), None)

    def invite(self, project: Project, user: RocketlaneUser, *, via: str, at: float) -> None:
        """Make `user` (known or new) a customer member of `project`; nothing happens when she is one."""
        if self.user_by_email(user.email) is None:
            self.users.append(user)
        if user.id not in project.customers:
            project.customers.append(user.id)
            self.invitations.append(Invitation(project.id, user.email, via, at))

    def new_customer(self, email: str, project: Project, first_name: str = "", last_name: str = "") -> RocketlaneUser:
        """A customer user of the project's company, invited and not yet seen."""
        user_id = max((user.id for user in self.users), default=0) + 1
        return RocketlaneUser(user_id, email, first_name, last_name, status="INVITED", company_id=project.company_id)


@dataclass
class World:
    """Both vendors' records."""

    planhat: PlanhatTenant
    rocketlane: RocketlaneWorkspace
