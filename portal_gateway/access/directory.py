"""The configured portals, each with what its routes need, and the one way into them.

Invariants (docs/rules.md): a link is minted only for the identity that this request proved (rule 3), only after an
explicit yes (rule 4), afresh for each response; when acting on a decision fails, the decision is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from portal_gateway.access.report import Report
from portal_gateway.access.service import AccessService, Decision
from portal_gateway.errors import (
    AccessDenied,
    ChoiceNeeded,
    GatewayError,
    IncompleteIdentity,
    UnknownPortal,
    VendorBusy,
    VendorUnavailable,
)
from portal_gateway.models import EndUser, Verdict
from portal_gateway.observe.events import Events
from portal_gateway.providers.base import Provider, Purpose
from portal_gateway.settings.frame import FrameSettings


@dataclass(frozen=True, slots=True)
class Portal:
    """One configured portal."""

    name: str
    label: str
    provider: Provider
    referrer_policy: str
    frame: FrameSettings = field(default_factory=FrameSettings)

    @property
    def frame_attributes(self) -> dict[str, str]:
        """The attributes of the portal's iframe, except its address."""
        return self.frame.attributes(self.label, self.provider.frame_origin, self.referrer_policy)


class Directory:
    """Looks portals up, asks for access and mints."""

    def __init__(self, portals: Mapping[str, Portal], access: AccessService, events: Events) -> None:
        self._portals = dict(portals)
        self._access = access
        self._events = events
        #: The decision about a user of a portal (its name) if it is at hand, without waiting.
        self.peek = access.peek

    @property
    def portals(self) -> tuple[Portal, ...]:
        return tuple(self._portals.values())

    def find(self, name: str) -> Portal:
        """Raises UnknownPortal."""
        try:
            return self._portals[name]
        except KeyError:
            raise UnknownPortal("there is no portal of that name") from None

    async def decide(self, portal: Portal, user: EndUser) -> Decision:
        """The decision for showing things. Never raises."""
        return await self._access.decide(portal.name, user)

    async def require(self, portal: Portal, user: EndUser) -> Decision:
        """The decision for entering. Raises AccessDenied, IncompleteIdentity, VendorUnavailable."""
        decision = await self._access.decide(portal.name, user, for_launch=True)
        access = decision.access
        if access.verdict is Verdict.GRANTED:
            return decision
        if access.verdict is Verdict.DENIED:
            raise AccessDenied("the vendor gives this user no access", access.reason)
        if access.reason == IncompleteIdentity.code:
            portal.provider.subject(user)  # names the field that is missing
            raise IncompleteIdentity("detail")
        if access.reason == VendorBusy.code:
            raise VendorBusy("the vendor's rate limit is reached", decision.expires_in_s)
        raise VendorUnavailable("the vendor did not say whether this user has access")

    async def mint(self, portal: Portal, user: EndUser, purpose: Purpose, choice: str | None = None) -> str:
        """A signed link of this user's own. Raises what `require` and the provider raise."""
        await self.require(portal, user)
        try:
            url = await portal.provider.mint(user, purpose, choice)
        except ChoiceNeeded:
            raise
        except GatewayError as error:
            # A vendor that is busy or away has not taken anything back.
            if not isinstance(error, VendorBusy | VendorUnavailable):
                self._access.drop(portal.name, user)
            self._events.refused(portal.name, f"mint_{error.code}")
            raise
        self._events.minted(portal.name, purpose)
        return url

    def drop(self, user: EndUser) -> None:
        """Drop the decisions about a user of all portals, in every replica."""
        for name in self._portals:
            self._access.drop(name, user)

    def forget(self, portal: Portal, user_id: str) -> int:
        return self._access.forget(portal.name, user_id)

    def forget_portal(self, portal: Portal) -> None:
        """Let nobody enter by a portal's decisions unasked, in every replica; a yes shows while it is asked about."""
        self._access.forget_portal(portal.name)

    async def report(self, portal: Portal, user: EndUser) -> Report:
        """What is held about the user; the vendor is not asked. Raises IncompleteIdentity."""
        return await self._access.report(portal.name, user)
