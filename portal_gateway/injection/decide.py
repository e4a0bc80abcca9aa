"""What each placement of a page gets for the user of the request: the snippet, or nothing for a reason."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from portal_gateway.access.directory import Directory, Portal
from portal_gateway.errors import GatewayError, IdentityError
from portal_gateway.identity.base import NotAtHand
from portal_gateway.identity.chain import IdentityChain
from portal_gateway.injection.plan import Plan, Slot
from portal_gateway.injection.rules import Placement
from portal_gateway.injection.snippets import Snippets
from portal_gateway.models import Access, EndUser
from portal_gateway.observe.events import Events
from portal_gateway.wire.asgi import Scope


class Outcome(NamedTuple):
    """The bytes for one placement; empty with the reason for that."""

    snippet: bytes
    reason: str = ""
    is_loader: bool = False


class PageDecider:
    """Finds the outcomes of all placements of a page."""

    def __init__(self, identities: IdentityChain, directory: Directory, snippets: Snippets, events: Events) -> None:
        self._identities = identities
        self._directory = directory
        self._snippets = snippets
        self._events = events
        #: Whether the app may be sent requests of our own to learn who the end user is.
        self.asks_the_app = not identities.immediate

    def loaders(self, scope: Scope, plan: Plan) -> list[Outcome]:
        """The outcomes that need no user: the loader where the plan allows it."""
        return [self._loader(scope, plan, slot) for slot in plan.slots]

    def at_hand(self, scope: Scope, plan: Plan) -> list[Outcome] | None:
        """The outcomes if everything is known already, without waiting; else None."""
        if not plan.is_decided:
            return self.loaders(scope, plan)
        if plan.signs_inline:
            return None
        try:
            user = self._identities.at_hand(scope) or _NOBODY
        except NotAtHand:
            return None
        except Exception as error:
            user = self._nobody_known(error)
        outcomes = []
        for slot in plan.slots:
            if slot.mode != "decided":
                outcomes.append(self._loader(scope, plan, slot))
                continue
            access = user if isinstance(user, Access) else self._directory.peek(slot.placement.portal, user)
            if access is None:
                return None
            outcomes.append(self._decided(scope, slot.placement, access))
        return outcomes

    async def ask(self, scope: Scope, plan: Plan) -> list[Outcome]:
        """The outcomes, waiting for identity source and vendor as long as they take. Never raises: the page is under
        way already."""
        user = await self._identify(scope)
        if isinstance(user, Access):
            return [
                self._decided(scope, slot.placement, user)
                if slot.mode == "decided"
                else self._loader(scope, plan, slot)
                for slot in plan.slots
            ]
        return await asyncio.gather(*(self._ask_one(scope, plan, slot, user) for slot in plan.slots))

    def under_page_policies(self, scope: Scope, plan: Plan, outcomes: list[Outcome]) -> list[Outcome]:
        """What is left of the outcomes under `plan`, which knows more policies than the one they were found for."""
        return [
            self._loader(scope, plan, slot)
            if outcome.is_loader or (slot.mode == "empty" and outcome.snippet)
            else outcome
            for slot, outcome in zip(plan.slots, outcomes, strict=True)
        ]

    async def _ask_one(self, scope: Scope, plan: Plan, slot: Slot, user: EndUser) -> Outcome:
        if slot.mode != "decided":
            return self._loader(scope, plan, slot)
        try:
            portal = self._directory.find(slot.placement.portal)
            access = (await self._directory.decide(portal, user)).access
            signs = plan.signs_inline and access.granted
            signed = await self._signed(portal, user, slot.placement) if signs else None
        except Exception as error:
            self._events.failed(error, "decision", slot.placement.portal)
            return Outcome(b"", "internal_error")
        return self._decided(scope, slot.placement, access, signed)

    async def _signed(self, portal: Portal, user: EndUser, placement: Placement) -> str | None:
        """The signed link that goes into the page, if the rule wants one."""
        if placement.rule.sign != "inline":
            return None
        try:
            return await self._directory.mint(portal, user, placement.purpose)
        except GatewayError:
            return None  # the link to our own launch route still works, or says why not

    async def _identify(self, scope: Scope) -> EndUser | Access:
        """The end user, or what everybody's access is without one."""
        try:
            return await self._identities.identify(scope) or _NOBODY
        except Exception as error:
            return self._nobody_known(error)

    def _nobody_known(self, error: Exception) -> Access:
        if not isinstance(error, IdentityError):
            self._events.failed(error, "identity")
        return _UNCLEAR

    def _decided(self, scope: Scope, placement: Placement, access: Access, signed: str | None = None) -> Outcome:
        if not access.granted:
            return Outcome(b"", access.reason)
        try:
            return Outcome(self._snippets.decided(placement, _root_path(scope), signed))
        except Exception as error:
            self._events.failed(error, "template", placement.portal)
            return Outcome(b"", "template_error")

    def _loader(self, scope: Scope, plan: Plan, slot: Slot) -> Outcome:
        placement = slot.placement
        if slot.mode == "empty":
            return Outcome(b"", slot.reason)
        if not plan.loader_allowed:
            return Outcome(b"", "csp_script")
        if placement.rule.template is not None:
            return Outcome(b"", "template_needs_decision")
        snippet = self._snippets.loader(placement, _root_path(scope), plan.nonce)
        return Outcome(snippet, is_loader=True)


def _root_path(scope: Scope) -> str:
    root = scope.get("root_path")
    return str(root).rstrip("/") if root else ""


_NOBODY = Access.deny("anonymous")
_UNCLEAR = Access.unknown("identity_unavailable")
