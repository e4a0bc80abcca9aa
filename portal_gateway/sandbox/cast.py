"""The demo's cast: the host app's people, and what each vendor knows of them.

| person | company | Planhat           | Rocketlane                      |
| ------ | ------- | ----------------- | ------------------------------- |
| jane   | 201     | access            | project 5001                    |
| omar   | 201     | access            | a customer, but in no project   |
| ines   | 201     | known, not shared | project 5001                    |
| noah   | 201     | unknown           | unknown                         |
| lena   | 301     | access            | project 6001                    |
| pia    | 301     | known, not shared | projects 6001 and 6002          |
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from portal_gateway.sandbox.world import (
    Company,
    Phase,
    PlanhatEndUser,
    PlanhatTenant,
    Project,
    RocketlaneUser,
    RocketlaneWorkspace,
    Task,
    World,
)


@dataclass(frozen=True)
class Person:
    """A user of the demo host app; `note` tells visitors of the sign-in page what to expect."""

    id: str
    email: str
    name: str
    role: str
    company_id: str
    company_name: str
    note: str

    @property
    def initials(self) -> str:
        return "".join(part[0] for part in self.name.split())[:2]


VANCE, GLOBEX = "Vance Foods", "Globex Produce"

PEOPLE = (
    Person("jane", "jane@vance.example", "Jane Moreau", "Head of operations", "201", VANCE, "Both portals"),
    Person("omar", "omar@vance.example", "Omar Haddad", "Quality manager", "201", VANCE, "Customer portal only"),
    Person("ines", "ines@vance.example", "Ines Castell", "IT lead", "201", VANCE, "Onboarding only"),
    Person("noah", "noah@vance.example", "Noah Brandt", "Site technician", "201", VANCE, "No portal"),
    Person("lena", "lena@globex.example", "Lena Fischer", "Plant manager", "301", GLOBEX, "Both portals"),
    Person(
        "pia",
        "pia@globex.example",
        "Pia Lindqvist",
        "Programme lead",
        "301",
        GLOBEX,
        "Two onboarding projects",
    ),
)


def create_world() -> World:
    """A fresh copy of the vendors' records."""
    return World(planhat=_planhat(), rocketlane=_rocketlane())


def _planhat() -> PlanhatTenant:
    vance = ("65f1c0ffee00000000000201", VANCE)
    globex = ("65f1c0ffee00000000000301", GLOBEX)
    people = [
        ("jane", "Jane", "Moreau", "vance", vance, True),
        ("omar", "Omar", "Haddad", "vance", vance, True),
        ("ines", "Ines", "Castell", "vance", vance, False),
        ("lena", "Lena", "Fischer", "globex", globex, True),
        ("pia", "Pia", "Lindqvist", "globex", globex, False),
    ]
    return PlanhatTenant(
        [
            PlanhatEndUser(
                id=f"65f1c0ffee0000000000100{number}",
                email=f"{key}@{domain}.example",
                first_name=first,
                last_name=last,
                company_id=company[0],
                company_name=company[1],
                external_id=key,
                source_id=f"crm-{1000 + number}",
                portal_access=access,
            )
            for number, (key, first, last, domain, company, access) in enumerate(people, start=1)
        ]
    )


def _rocketlane() -> RocketlaneWorkspace:
    return RocketlaneWorkspace(
        companies=[Company(201, VANCE, ["vance.example"]), Company(301, GLOBEX, ["globex.example"])],
        users=[
            RocketlaneUser(101, "sam@coldchain.example", "Sam", "Okafor", type="TEAM_MEMBER"),
            RocketlaneUser(301, "jane@vance.example", "Jane", "Moreau", company_id=201),
            RocketlaneUser(302, "omar@vance.example", "Omar", "Haddad", company_id=201),
            RocketlaneUser(303, "ines@vance.example", "Ines", "Castell", company_id=201),
            RocketlaneUser(304, "lena@globex.example", "Lena", "Fischer", company_id=301),
            RocketlaneUser(305, "pia@globex.example", "Pia", "Lindqvist", company_id=301),
        ],
        projects=[
            Project(5001, "Vance onboarding", 201, date(2026, 12, 11), 101, False, [301, 303], [101], _rollout(5)),
            Project(5002, "Vance pilot", 201, date(2026, 3, 27), 101, True, [301], [101], _rollout(9)),
            Project(6001, "Globex onboarding", 301, date(2027, 1, 22), 101, False, [304, 305], [101], _rollout(3)),
            Project(6002, "Globex second plant", 301, date(2027, 4, 16), 101, False, [305], [101], _rollout(1)),
        ],
    )


def _rollout(done: int) -> list[Phase]:
    """The plan every customer gets, with its first `done` tasks finished."""
    plan = {
        "Kick-off": [
            ("Kick-off call", "Sam Okafor", "2 Nov"),
            ("Agree on the success plan", "Customer", "6 Nov"),
        ],
        "Set-up": [
            ("Mount sensors and gateways", "Customer", "13 Nov"),
            ("Connect single sign-on", "Customer", "18 Nov"),
            ("Import sites and storage rooms", "Sam Okafor", "20 Nov"),
        ],
        "Training": [("Operator training", "Sam Okafor", "27 Nov"), ("Alarm drill", "Customer", "2 Dec")],
        "Go-live": [
            ("Go-live review", "Sam Okafor", "9 Dec"),
            ("Hand over to support", "Sam Okafor", "11 Dec"),
        ],
    }
    remaining = iter(range(done))
    return [
        Phase(name, [Task(task, next(remaining, None) is not None, owner, due) for task, owner, due in tasks])
        for name, tasks in plan.items()
    ]
