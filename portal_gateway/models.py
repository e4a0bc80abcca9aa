"""The words of the project as values: end user, access decision, portal choices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


@dataclass(frozen=True, slots=True)
class EndUser:
    """The signed-in person, as an identity source proved it for one request.

    `id` is the host app's own id and never empty. Everything else may be unknown; a portal whose templates
    need what is missing is not shown, and says so.
    """

    id: str
    email: str | None = None
    email_verified: bool = False
    name: str | None = None
    company_id: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not self.id.strip():
            raise ValueError("an end user needs a non-empty id")


class Verdict(Enum):
    """What is known about a user's access to a portal. Only an explicit yes of the vendor is GRANTED."""

    GRANTED = "granted"
    DENIED = "denied"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several things a user may open in a portal (a Rocketlane project)."""

    id: str
    label: str


@dataclass(frozen=True, slots=True)
class Access:
    """An access decision with the reason for it.

    `reason` is a stable slug ("vendor_yes", "not_a_member", "vendor_unavailable"): counted, logged and shown by
    `explain`, so it never holds personal data. `choices` lists what a granted user may open where a portal has
    several destinations; empty where it has one.
    """

    verdict: Verdict
    reason: str
    choices: tuple[Choice, ...] = ()

    @property
    def granted(self) -> bool:
        return self.verdict is Verdict.GRANTED

    @classmethod
    def grant(cls, reason: str, choices: tuple[Choice, ...] = ()) -> Access:
        return cls(Verdict.GRANTED, reason, choices)

    @classmethod
    def deny(cls, reason: str) -> Access:
        return cls(Verdict.DENIED, reason)

    @classmethod
    def unknown(cls, reason: str) -> Access:
        return cls(Verdict.UNKNOWN, reason)
