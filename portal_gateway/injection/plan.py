"""Which responses are injected, how, and with which headers. Pure: a response head in, a plan out.

What is not injected is left alone for a named reason (docs/rules.md, rule 9). When in doubt, leave alone (rule 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from portal_gateway.html.charsets import is_scannable
from portal_gateway.html.codings import is_decodable
from portal_gateway.html.csp import Policies
from portal_gateway.injection.caching import is_for_shared_caches, is_shared_cacheable, private_headers
from portal_gateway.injection.conditional import LoaderTags
from portal_gateway.injection.requests import PAGE_TYPES
from portal_gateway.injection.rules import PagePlacements, Placement
from portal_gateway.wire import headers as h
from portal_gateway.wire.asgi import RawHeaders
from portal_gateway.wire.headers import HeaderPairs

MARK = b"x-portal-gateway"

# Headers that describe the exact bytes of the app's body.
BODY_FACTS = frozenset(
    {b"content-length", b"content-md5", b"digest", b"content-digest", b"repr-digest", b"accept-ranges"}
)
# All that a response is judged by, beside headers for shared caches.
_DECISIVE = frozenset(
    {
        MARK,
        b"cache-control",
        b"content-disposition",
        b"content-encoding",
        b"content-range",
        b"content-security-policy",
        b"content-type",
    }
)
_MARKED_DECIDED = (MARK, b"decided")
_MARKED_LOADER = (MARK, b"loader")


@dataclass(frozen=True, slots=True)
class Slot:
    """What one placement gets in this response: decided for the user, the loader, or nothing for a reason."""

    placement: Placement
    mode: str  # "decided", "loader" or "empty"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a response is injected. `headers` is its head, without Content-Length.

    The nonce is the page's own, for the loader where a policy demands one.
    """

    slots: tuple[Slot, ...]
    headers: RawHeaders
    coding: bytes
    nonce: str | None
    loader_allowed: bool
    policies: Policies
    own_origin: str

    @property
    def is_decided(self) -> bool:
        return any(slot.mode == "decided" for slot in self.slots)


def plan_injection(
    status: int, headers: RawHeaders, page: PagePlacements, tags: LoaderTags, own_origin: str
) -> Plan | str:
    """The plan for a response to an eligible request, or the reason to leave it alone.

    `own_origin` is the page's origin as the browser sees it, for what 'self' means in its policies.
    """
    decisive = tuple([pair for pair in headers if _is_decisive(pair[0].lower())])
    terms = _terms(status, decisive, page, own_origin)
    if isinstance(terms, str):
        return terms
    head = [pair for pair in headers if pair[0].lower() not in BODY_FACTS]
    head = terms.policies.extended_for_frame(head, _frame_origins(terms.slots), own_origin)
    if terms.decided:
        head = private_headers(head, stored=not _any_inline(terms.slots))
        head.append(_MARKED_DECIDED)
    else:
        head = tags.response_headers(head)
        head.append(_MARKED_LOADER)
    return Plan(terms.slots, head, terms.coding, terms.nonce, terms.loader_allowed, terms.policies, own_origin)


@dataclass(frozen=True, slots=True)
class _Terms:
    """What of a plan follows from the decisive headers alone."""

    slots: tuple[Slot, ...]
    decided: bool
    coding: bytes
    nonce: str | None
    loader_allowed: bool
    policies: Policies


@lru_cache(maxsize=512)
def _terms(
    status: int, headers: tuple[tuple[bytes, bytes], ...], page: PagePlacements, own_origin: str
) -> _Terms | str:
    """The terms for a response, or the reason to leave it alone. The heads of one app's pages are few."""
    refusal = response_refusal(status, headers)
    if refusal is not None:
        return refusal
    policies = Policies.parse(headers)
    loader_allowed, nonce = _loader_terms(policies, own_origin)
    shared = is_shared_cacheable(headers)
    slots = tuple(_slot(p, policies, own_origin, shared, loader_allowed) for p in page.placements)
    if all(slot.mode == "empty" for slot in slots):
        return slots[0].reason
    decided = any(slot.mode == "decided" for slot in slots)
    return _Terms(slots, decided, coding_of(headers), nonce, loader_allowed, policies)


def response_refusal(status: int, headers: HeaderPairs) -> str | None:
    """Why this response is left alone whatever the rules say, or None."""
    if status == 304:
        return "not_modified"
    if status != 200:
        return "status"
    if h.first(headers, MARK) is not None:
        return "already_injected"
    media_type, _, parameters = (h.first(headers, b"content-type") or b"").partition(b";")
    if media_type.strip().lower() not in PAGE_TYPES:
        return "content_type"
    if h.first(headers, b"content-range") is not None:
        return "content_range"
    disposition = h.first(headers, b"content-disposition")
    if disposition is not None and disposition.strip().lower().startswith(b"attachment"):
        return "attachment"
    if b"no-transform" in h.tokens(headers, b"cache-control"):
        return "no_transform"
    if not is_decodable(coding_of(headers)):
        return "coding"
    if not is_scannable(parameters):
        return "charset"
    return None


def under_page_policies(plan: Plan, further: Policies) -> Plan:
    """The plan for a page that brings `further` policies in its own markup, where they cannot be extended."""
    if not further.policies:
        return plan
    policies = Policies(plan.policies.policies + further.policies)
    loader_allowed, nonce = _loader_terms(policies, plan.own_origin)
    slots = []
    for slot in plan.slots:
        if slot.mode != "empty" and _blocks_frame(further, slot.placement, plan.own_origin):
            slot = Slot(slot.placement, "empty", "csp_frame")
        elif slot.mode == "loader" and not loader_allowed:
            slot = Slot(slot.placement, "empty", "csp_script")
        slots.append(slot)
    return replace(plan, slots=tuple(slots), nonce=nonce, loader_allowed=loader_allowed, policies=policies)


def coding_of(headers: HeaderPairs) -> bytes:
    """The content coding, b"identity" when none is named; several are joined and so are none we know."""
    return b",".join(h.tokens(headers, b"content-encoding")) or b"identity"


def _is_decisive(name: bytes) -> bool:
    return name in _DECISIVE or is_for_shared_caches(name)


def _any_inline(slots: Sequence[Slot]) -> bool:
    return any(slot.mode == "decided" and slot.placement.rule.sign == "inline" for slot in slots)


def _slot(placement: Placement, policies: Policies, own_origin: str, shared: bool, loader_allowed: bool) -> Slot:
    if not placement.extend_csp and _blocks_frame(policies, placement, own_origin):
        return Slot(placement, "empty", "csp_frame")
    mode: str = placement.rule.mode
    if mode == "auto":
        personal = placement.rule.template is not None or placement.rule.sign == "inline"
        mode = "loader" if shared and not personal else "decided"
        if mode == "decided" and shared:
            return Slot(placement, "empty", "shared_cacheable")
    if mode == "loader" and not loader_allowed:
        return Slot(placement, "empty", "csp_script")
    return Slot(placement, mode)


def _loader_terms(policies: Policies, own_origin: str) -> tuple[bool, str | None]:
    """Whether the loader can work under the policies, and the nonce that it needs for that."""
    blocked = policies.blocks_script(own_origin)
    nonce = policies.nonce(own_origin) if blocked else None
    return (not blocked or nonce is not None) and not policies.blocks_connect(own_origin), nonce


def _blocks_frame(policies: Policies, placement: Placement, own_origin: str) -> bool:
    """Whether the iframe would stay empty. Its own src is our embed route, which redirects to the vendor: a policy has
    to allow both."""
    origin = placement.frame_origin
    return origin is not None and any(policies.blocks_frame(target, own_origin) for target in (own_origin, origin))


def _frame_origins(slots: Sequence[Slot]) -> list[str]:
    return [
        slot.placement.frame_origin
        for slot in slots
        if slot.mode != "empty" and slot.placement.frame_origin is not None and slot.placement.extend_csp
    ]
