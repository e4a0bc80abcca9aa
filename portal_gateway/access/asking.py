"""One question to the vendor. Whatever comes of it is a decision."""

from __future__ import annotations

from dataclasses import dataclass

from portal_gateway.access.freshness import Lifetimes
from portal_gateway.errors import IncompleteIdentity, VendorBusy, VendorError
from portal_gateway.models import Access, EndUser
from portal_gateway.observe.events import Events
from portal_gateway.providers.base import Provider
from portal_gateway.providers.urgency import Hurry, Urgency, hurry

INCOMPLETE = Access.unknown(IncompleteIdentity.code)
BROKEN = Access.unknown("internal_error")


@dataclass(frozen=True, slots=True)
class Source:
    """Where the decisions of one portal come from, and how long they hold."""

    provider: Provider
    lifetimes: Lifetimes


class Question:
    """Whether a user has access to a portal, asked for somebody who is in a hurry, or not.

    Whoever joins later makes `hurry` grow. After `ask`, `hold_s` is how long the vendor wants us to wait with the next
    one, if it said so.
    """

    def __init__(self, portal: str, user: EndUser, source: Source, events: Events, asked_for: Urgency) -> None:
        self.hurry = Hurry(asked_for)
        self.asked_for = asked_for
        self.hold_s: float | None = None
        self._portal = portal
        self._user = user
        self._source = source
        self._events = events

    async def ask(self) -> Access:
        """The vendor's answer. Trouble is UNKNOWN, with its reason; nothing is raised."""
        hurry.set(self.hurry)
        access = await self._ask()
        self._events.decided(self._portal, access)
        return access

    async def _ask(self) -> Access:
        try:
            return await self._source.provider.check_access(self._user)
        except VendorError as error:
            self.hold_s = error.retry_after_s if isinstance(error, VendorBusy) else None
            return Access.unknown(error.code)
        except IncompleteIdentity:
            return INCOMPLETE
        except Exception as error:
            self._events.failed(error, "access", self._portal)
            return BROKEN
