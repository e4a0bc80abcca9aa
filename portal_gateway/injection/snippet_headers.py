"""The snippets of a page as headers, for a proxy in front that puts them into the page by itself.

Such a proxy is nginx, with `auth_request` and `sub_filter` (docs/nginx.md). It asks with the headers of the page's own
request, before there is a page: that is taken for one that no shared cache keeps and that has no
Content-Security-Policy. There is always an answer, since nginx would make an error of the page of one of ours
(docs/rules.md, rule 1).
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import replace
from urllib.parse import unquote_to_bytes

from portal_gateway.injection.decide import PageDecider
from portal_gateway.injection.outcomes import Outcomes
from portal_gateway.injection.plan import Plan, plan_injection
from portal_gateway.injection.requests import request_refusal
from portal_gateway.injection.rules import PagePlacements, Placement, RuleSet
from portal_gateway.observe.events import Events
from portal_gateway.wire import headers as h
from portal_gateway.wire.asgi import Scope
from portal_gateway.wire.trust import TrustedPeers

# All snippets of one answer: nginx has 4 KB for the whole head of a response unless told otherwise (proxy_buffer_size).
MAX_BYTES = 3072
_PAGE_HEADERS = [(b"content-type", b"text/html")]
_LINE_BREAKS = re.compile(rb"[\x00-\x1f\x7f]+")


class SnippetHeaders:
    """Finds the snippets of the page that X-Original-URI names, for the user of the request that asks."""

    def __init__(
        self, rules: RuleSet, decider: PageDecider, trusted: TrustedPeers, events: Events, *, server_timing: bool
    ) -> None:
        """`decider` asks identity sources that need nothing of the app's response."""
        self._rules = rules
        self._decider = decider
        self._trusted = trusted
        self._events = events
        self._server_timing = server_timing
        self._names = _header_names(rules.placements)

    async def __call__(self, scope: Scope) -> dict[str, str]:
        """The headers of the answer to this request. Never raises."""
        try:
            page = self._page(scope)
            found = page if isinstance(page, str) else await self._snippets(scope, page)
        except Exception as error:
            self._events.failed(error, "snippet_headers")
            found = "internal_error"
        if isinstance(found, str):
            self._events.not_injected(found)
            return self._timing(found)
        return found

    def _page(self, scope: Scope) -> PagePlacements | str:
        """What goes into the page, or why nothing does."""
        headers = scope["headers"]
        if not self._trusted.trusts(scope):
            return "untrusted_proxy"
        target = h.first(headers, b"x-original-uri")
        if target is None:
            return "no_original_uri"
        path = unquote_to_bytes(target.partition(b"?")[0]).decode("utf-8", "replace")
        return request_refusal(scope) or self._rules.pages[path]

    async def _snippets(self, scope: Scope, page: PagePlacements) -> dict[str, str] | str:
        plan = plan_injection(200, _PAGE_HEADERS, page, lambda: "")
        if isinstance(plan, str):
            return plan
        if plan.signs_inline:
            # A signed link is for one response that nobody keeps (rule 3); what becomes of these is up to the proxy.
            plan = replace(plan, signs_inline=False)
        outcomes = await self._outcomes(scope, plan, page.budget_s)
        found: dict[str, str] = {}
        reasons: list[str] = []
        left = MAX_BYTES
        for slot, outcome in zip(plan.slots, outcomes.each, strict=True):
            snippet, reason = _LINE_BREAKS.sub(b" ", outcome.snippet).strip(), outcome.reason
            if len(snippet) > left:
                reason = "header_too_long"
            if reason:
                self._events.placement_empty(slot.placement.portal, reason)
                reasons.append(reason)
                continue
            left -= len(snippet)
            found[self._names[slot.placement]] = snippet.decode("ascii")
            self._events.injected(slot.placement.portal, "loader" if outcome.is_loader else "decided")
        return found | self._timing("snippets" if found else reasons[0])

    async def _outcomes(self, scope: Scope, plan: Plan, budget_s: float) -> Outcomes:
        outcomes = self._decider.at_hand(scope, plan)
        if outcomes is not None:
            return outcomes
        try:
            async with asyncio.timeout(budget_s):
                return await self._decider.ask(scope, plan)
        except TimeoutError:
            return self._decider.loaders(scope, plan)

    def _timing(self, summary: str) -> dict[str, str]:
        return {"server-timing": f'portal;desc="{summary}"'} if self._server_timing else {}


def _header_names(placements: tuple[Placement, ...]) -> dict[Placement, str]:
    """Named as in the configuration: `portals.success.inject[0]` is `portal-snippet-success-0`."""
    counts: Counter[str] = Counter()
    names = {}
    for placement in placements:
        portal = placement.portal
        names[placement] = f"portal-snippet-{portal.replace('_', '-')}-{counts[portal]}"
        counts[portal] += 1
    return names
