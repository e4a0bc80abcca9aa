"""Where each inject rule lands in one page, or why it does not.

Pure, and without rules of its own: it asks the functions that the middleware asks. Who the end user is plays no part: a
rule that lands shows its snippet to those with access.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from portal_gateway.html.codings import CodingError, decoder
from portal_gateway.html.meta_csp import PageHead
from portal_gateway.html.scanner import MarkKind, Scanner
from portal_gateway.injection.caching import is_shared_cacheable
from portal_gateway.injection.plan import coding_of, plan_injection, response_refusal, under_page_policies
from portal_gateway.injection.requests import request_refusal
from portal_gateway.injection.rules import NO_RULE, PagePlacements, Placement, RuleSet, page_placements
from portal_gateway.wire.asgi import RawHeaders, Scope
from portal_gateway.wire.requests import route_path

_CONTEXT = 48  # characters of markup shown on each side, white space collapsed
_CONTEXT_BYTES = 8 * _CONTEXT


@dataclass(frozen=True, slots=True)
class Answer:
    """What the host app answers."""

    status: int
    headers: RawHeaders
    body: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the page without its content coding.

    `offset` is in bytes from the beginning, line and column (in characters) count from 1; `before` and `after` are
    the markup on both sides.
    """

    offset: int
    line: int
    column: int
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one rule: places and a mode with its cause, or the reason why there are none."""

    placement: Placement
    mode: str = ""
    cause: str = ""
    places: tuple[Place, ...] = ()
    reason: str = ""


def explain(rules: RuleSet, scope: Scope, answer: Answer, own_origin: str) -> list[Verdict]:
    """The verdict on each rule, in the order of the configuration.

    `scope` is the request, `own_origin` the page's origin in the browser, empty if nobody knows.
    """
    page = rules.pages[route_path(scope)]
    applied = () if isinstance(page, str) else page.placements
    refusal = request_refusal(scope) or response_refusal(answer.status, answer.headers)
    places: dict[int, tuple[Place, ...]] = {}
    misses: dict[int, str] = {}
    head = PageHead()
    if not isinstance(page, str) and refusal is None:
        try:
            body = _decoded(answer)
        except CodingError:
            refusal = "broken_coding"
        else:
            places, misses = _scanned(page, body, head)

    def verdict(placement: Placement) -> Verdict:
        index = next((i for i, other in enumerate(applied) if other is placement), None)
        if index is None:
            return Verdict(placement, reason=page if isinstance(page, str) else NO_RULE)
        if refusal is not None:
            return Verdict(placement, reason=refusal)
        plan = plan_injection(answer.status, answer.headers, page_placements([placement]), lambda: own_origin)
        if isinstance(plan, str):
            return Verdict(placement, reason=plan)
        [slot] = under_page_policies(plan, head.policies(), own_origin).slots
        reason = slot.reason or misses.get(index, "")
        if reason:
            return Verdict(placement, reason=reason)
        return Verdict(placement, slot.mode, _cause(placement, answer.headers), places[index])

    return [verdict(placement) for placement in rules.placements]


def _decoded(answer: Answer) -> bytes:
    coding = decoder(coding_of(answer.headers))
    return b"".join([*coding.decode(answer.body), *coding.finish()])


def _scanned(page: PagePlacements, body: bytes, head: PageHead) -> tuple[dict[int, tuple[Place, ...]], dict[int, str]]:
    """The places by the index of the placement, and for those without one the reason. What is before the first place
    goes into `head`."""
    scanner = Scanner(page.targets)
    offset = 0
    offsets: dict[int, list[int]] = {}
    for segment in (*scanner.feed(body), *scanner.close()):
        if isinstance(segment, bytes):
            if not offsets:
                head.add(segment)
            offset += len(segment)
        elif segment.kind is not MarkKind.REPLACE_END:
            offsets.setdefault(segment.target, []).append(offset)
    places = {index: tuple(place_at(body, offset) for offset in found) for index, found in offsets.items()}
    missing = [index for index in range(len(page.placements)) if index not in offsets]
    return places, {index: scanner.reason(index) or "no_match" for index in missing}


def place_at(body: bytes, offset: int) -> Place:
    line_start = body.rfind(b"\n", 0, offset) + 1
    return Place(
        offset=offset,
        line=body.count(b"\n", 0, offset) + 1,
        column=len(body[line_start:offset].decode("utf-8", "replace")) + 1,
        before=_one_line(body[max(0, offset - _CONTEXT_BYTES) : offset])[-_CONTEXT:],
        after=_one_line(body[offset : offset + _CONTEXT_BYTES])[:_CONTEXT],
    )


def _one_line(markup: bytes) -> str:
    # Cut in the middle of a character, or not UTF-8 at all: still readable where it matters.
    text = markup.decode("utf-8", "ignore")
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))


def _cause(placement: Placement, headers: RawHeaders) -> str:
    """Why the snippet has its mode."""
    if placement.rule.mode != "auto":
        return "the rule says so"
    return "shared caches may keep the page" if is_shared_cacheable(headers) else "no shared cache may keep the page"


def lands(verdicts: Sequence[Verdict]) -> bool:
    return any(verdict.places for verdict in verdicts)
