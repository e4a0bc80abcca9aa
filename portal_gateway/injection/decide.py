"""What each placement of a page gets for the user of the request: the snippet, or nothing for a reason."""

from __future__ import annotations

import asyncio
from typing import Final, TypeAlias

from portal_gateway.access.directory import Directory, Portal
from portal_gateway.errors import GatewayError, IdentityError
from portal_gateway.identity.base import NotAtHand
from portal_gateway.identity.chain import IdentityChain
from portal_gateway.injection.outcomes import Outcome, Outcomes
from portal_gateway.injection.plan import Plan, Slot
from portal_gateway.injection.rules import Placement
from portal_gateway.injection.snippets import Snippets
from portal_gateway.models import Access, EndUser, Verdict
from portal_gateway.observe.events import Events
from portal_gateway.wire.asgi import Scope

# So many outcomes are remembered. They are few, unless every page comes with a nonce of its own.
MAX_REMEMBERED = 1024

_Refusals: TypeAlias = tuple[str | None, ...]
"""For each slot why the user is shown nothing there, or None."""
_Key: TypeAlias = tuple[Plan, str | None, _Refusals]
"""The plan, the root path, and the refusals: all that outcomes at hand follow from."""
_GRANTED: Final = Verdict.GRANTED
_TEMPLATE_ERROR: Final = "template_error"


class PageDecider:
    """Finds the outcomes of all placements of a page."""

    def __init__(self, identities: IdentityChain, directory: Directory, snippets: Snippets, events: Events) -> None:
        self._identities = identities
        self._directory = directory
        self._snippets = snippets
        self._events = events
        # What follows from the decisions is the same for everybody of whom they are the same.
        self._remembered: dict[_Key, Outcomes] = {}
        #: Whether the app may be sent requests of our own to learn who the end user is.
        self.asks_the_app = not identities.immediate

    def loaders(self, scope: Scope, plan: Plan) -> Outcomes:
        """The outcomes that need no user: the loader where the plan allows it."""
        return Outcomes(plan.slots, [self._loader(scope, plan, slot) for slot in plan.slots])

    def at_hand(self, scope: Scope, plan: Plan) -> Outcomes | None:
        """The outcomes if everything is known already, without waiting; else None."""
        user = None
        if plan.is_decided:
            if plan.signs_inline:
                return None
            try:
                user = self._identities.at_hand(scope) or _NOBODY
            except NotAtHand:
                return None
            except Exception as error:
                user = self._nobody_known(error)
        refusals: list[str | None] = []
        for slot in plan.slots:
            if user is None or slot.mode != "decided":
                refusals.append(None)
                continue
            access = user if isinstance(user, Access) else self._directory.peek(slot.placement.portal, user)
            if access is None:
                return None
            refusals.append(None if access.verdict is _GRANTED else access.reason)
        key = (plan, scope.get("root_path"), tuple(refusals))
        outcomes = self._remembered.get(key)
        return self._remember(key, scope) if outcomes is None else outcomes

    async def ask(self, scope: Scope, plan: Plan) -> Outcomes:
        """The outcomes, waiting for identity source and vendor as long as they take. Never raises: the page is under
        way already."""
        user = await self._identify(scope)
        if isinstance(user, Access):
            outcomes = [self._outcome(scope, plan, slot, user.reason) for slot in plan.slots]
        else:
            outcomes = await asyncio.gather(*(self._ask_one(scope, plan, slot, user) for slot in plan.slots))
        return Outcomes(plan.slots, outcomes)

    def under_page_policies(self, scope: Scope, plan: Plan, outcomes: Outcomes) -> Outcomes:
        """What is left of the outcomes under `plan`, which knows more policies than the one they were found for."""
        left = [
            self._loader(scope, plan, slot)
            if outcome.is_loader or (slot.mode == "empty" and outcome.snippet)
            else outcome
            for slot, outcome in zip(plan.slots, outcomes.each, strict=True)
        ]
        return Outcomes(plan.slots, left)

    def _remember(self, key: _Key, scope: Scope) -> Outcomes:
        plan, _, refusals = key
        outcomes = Outcomes(
            plan.slots,
            [self._outcome(scope, plan, slot, refusal) for slot, refusal in zip(plan.slots, refusals, strict=True)],
        )
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        if not any(outcome.reason == _TEMPLATE_ERROR for outcome in outcomes.each):  # which is tried again
            self._remembered[key] = outcomes
        return outcomes

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
        return self._outcome(scope, plan, slot, access.reason if not access.granted else None, signed)

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

    def _outcome(self, scope: Scope, plan: Plan, slot: Slot, refusal: str | None, signed: str | None = None) -> Outcome:
        if slot.mode != "decided":
            return self._loader(scope, plan, slot)
        if refusal is not None:
            return Outcome(b"", refusal)
        try:
            return Outcome(self._snippets.decided(slot.placement, _root_path(scope), signed))
        except Exception as error:
            self._events.failed(error, "template", slot.placement.portal)
            return Outcome(b"", _TEMPLATE_ERROR)

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


_NOBODY: Final = Access.deny("anonymous")
_UNCLEAR: Final = Access.unknown("identity_unavailable")
