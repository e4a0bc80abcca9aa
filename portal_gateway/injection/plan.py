"""Which responses are injected, how, and with which headers. Pure: a response head in, a plan out.

What is not injected is left alone for a named reason (docs/rules.md, rule 9). When in doubt, leave alone (rule 1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from portal_gateway.html.charsets import is_scannable
from portal_gateway.html.codings import is_decodable
from portal_gateway.html.csp import Policies
from portal_gateway.injection.caching import (
    VALIDATORS,
    is_for_caches,
    is_for_shared_caches,
    is_shared_cacheable,
    private_lines,
)
from portal_gateway.injection.conditional import LoaderTags
from portal_gateway.injection.requests import PAGE_TYPES
from portal_gateway.injection.rules import PagePlacements, Placement
from portal_gateway.wire import headers as h
from portal_gateway.wire.asgi import RawHeaders, Scope
from portal_gateway.wire.headers import HeaderPairs
from portal_gateway.wire.memo import Memo

MARK: Final = b"x-portal-gateway"

# Headers that describe the exact bytes of the app's body.
BODY_FACTS: Final = frozenset(
    {b"content-length", b"content-md5", b"digest", b"content-digest", b"repr-digest", b"accept-ranges"}
)
# All that a response is judged by, beside headers for shared caches.
_DECISIVE: Final = frozenset(
    {
        MARK,
        b"cache-control",
        b"content-disposition",
        b"content-encoding",
        b"content-range",
        b"content-security-policy",
        b"content-type",
        b"vary",
    }
)


@dataclass(frozen=True, slots=True)
class Slot:
    """What one placement gets in this response: decided for the user, the loader, or nothing for a reason."""

    placement: Placement
    mode: str  # "decided", "loader" or "empty"
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """How a response is injected. It follows from the decisive headers alone, and is shared by all that have the same.

    The nonce is the page's own, for the loader where a policy demands one. `dropped` says of the name of a header
    whether the app's head loses it; `added` are the lines that it gets.
    """

    slots: tuple[Slot, ...]
    coding: bytes
    nonce: str | None
    loader_allowed: bool
    policies: Policies
    own_origin: str  # empty where no header needs it
    dropped: Memo[bytes, bool]
    added: tuple[tuple[bytes, bytes], ...]
    is_decided: bool
    signs_inline: bool
    has_frame: bool
    # Whether a policy in the page's own markup could block what goes in: an iframe or the loader, not a link.
    minds_policies: bool

    def head(self, headers: HeaderPairs, tags: LoaderTags) -> RawHeaders:
        """The head of the response in place of the app's, without Content-Length."""
        dropped = self.dropped
        head = [line for line in headers if not dropped[line[0]]]
        if self.has_frame:
            head = self.policies.extended_for_frame(head, _frame_origins(self.slots), self.own_origin)
        if not self.is_decided:
            head = tags.response_headers(head)
        head += self.added
        return head


def plan_injection(status: int, headers: RawHeaders, page: PagePlacements, own_origin: Callable[[], str]) -> Plan | str:
    """The plan for a response to an eligible request, or the reason to leave it alone.

    `own_origin` gives the page's origin as the browser sees it, for what 'self' means in its policies.
    """
    refused = type_refusal(headers) or status_refusal(status)
    return refused or plan_page(headers, page, lambda _: own_origin(), {})


def type_refusal(headers: RawHeaders) -> str | None:
    """What has to be found out cheaply: most responses say a type that is no page's."""
    for name, value in headers:
        # JSON is what most scripts get: told without hashing the value.
        if name == b"content-type" and (value == b"application/json" or not _is_page[value]):
            return "content_type"
    return None


def status_refusal(status: int) -> str | None:
    """Why no page comes with this status, or None."""
    if status == 200:
        return None
    return "not_modified" if status == 304 else "status"


def plan_page(
    headers: RawHeaders, page: PagePlacements, own_origin: Callable[[Scope], str], scope: Scope
) -> Plan | str:
    """`plan_injection` for the response to `scope`, if neither its type nor its status refuse."""
    eligible = _ELIGIBLE[tuple([field for field in headers if _decides[field[0]]])]
    if isinstance(eligible, str):
        return eligible
    return _PLANS[eligible, page, own_origin(scope) if eligible.policies.policies else ""]


# The heads of one app's responses are few: what follows from them is worked out once.


@dataclass(frozen=True, slots=True, eq=False)  # equal only to itself: a key that costs nothing to hash
class _Eligible:
    """The decisive headers of a response that may be injected, and the policies in them."""

    headers: tuple[tuple[bytes, bytes], ...]
    policies: Policies


def _eligible(headers: tuple[tuple[bytes, bytes], ...]) -> _Eligible | str:
    """What is told by the headers of a 200, or the reason to leave it alone."""
    return response_refusal(200, headers) or _Eligible(headers, Policies.parse(headers))


def _plan(key: tuple[_Eligible, PagePlacements, str]) -> Plan | str:
    eligible, page, own_origin = key
    headers, policies = eligible.headers, eligible.policies
    loader_allowed, nonce = _loader_terms(policies, own_origin)
    shared = is_shared_cacheable(headers)
    slots = tuple(_slot(p, policies, own_origin, shared, loader_allowed) for p in page.placements)
    if all(slot.mode == "empty" for slot in slots):
        return slots[0].reason
    is_decided = any(slot.mode == "decided" for slot in slots)
    signs_inline = any(slot.mode == "decided" and slot.placement.rule.sign == "inline" for slot in slots)
    dropped, added = set(BODY_FACTS), [(MARK, b"decided" if is_decided else b"loader")]
    if is_decided:
        dropped.update(VALIDATORS, (name.lower() for name, _ in headers if is_for_caches(name.lower())))
        added = private_lines(headers, stored=not signs_inline) + added
    has_frame = any(slot.placement.frame_origin is not None for slot in slots)
    return Plan(
        slots=slots,
        coding=coding_of(headers),
        nonce=nonce,
        loader_allowed=loader_allowed,
        policies=policies,
        own_origin=own_origin,
        dropped=Memo(lambda name: name.lower() in dropped, max_entries=128),
        added=tuple(added),
        is_decided=is_decided,
        signs_inline=signs_inline,
        has_frame=has_frame,
        minds_policies=has_frame or any(slot.mode == "loader" for slot in slots),
    )


_ELIGIBLE: Final = Memo(_eligible, max_entries=512, max_key=8192)
_PLANS: Final = Memo(_plan, max_entries=512, max_key=512)


def response_refusal(status: int, headers: HeaderPairs) -> str | None:
    """Why this response is left alone whatever the rules say, or None."""
    content_type = h.first(headers, b"content-type")
    if content_type is not None and not _is_page[content_type]:
        return "content_type"
    if (refused := status_refusal(status)) is not None:
        return refused
    if content_type is None:
        return "content_type"
    if h.first(headers, MARK) is not None:
        return "already_injected"
    if h.first(headers, b"content-range") is not None:
        return "content_range"
    disposition = h.first(headers, b"content-disposition")
    if disposition is not None and disposition.strip().lower().startswith(b"attachment"):
        return "attachment"
    if b"no-transform" in h.tokens(headers, b"cache-control"):
        return "no_transform"
    if not is_decodable(coding_of(headers)):
        return "coding"
    if not is_scannable(content_type.partition(b";")[2]):
        return "charset"
    return None


def under_page_policies(plan: Plan, further: Policies, own_origin: str) -> Plan:
    """The plan for a page that brings `further` policies in its own markup, where they cannot be extended."""
    if not further.policies:
        return plan
    policies = Policies(plan.policies.policies + further.policies)
    loader_allowed, nonce = _loader_terms(policies, own_origin)
    slots = []
    for slot in plan.slots:
        if slot.mode != "empty" and _blocks_frame(further, slot.placement, own_origin):
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


_is_page: Final[Memo[bytes, bool]] = Memo(lambda value: value.partition(b";")[0].strip().lower() in PAGE_TYPES)
_decides: Final[Memo[bytes, bool]] = Memo(lambda name: _is_decisive(name.lower()))


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
