"""The inject rules of all portals, digested once, and found by path."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from portal_gateway.html.scanner import CompiledTargets, Target, compile_targets
from portal_gateway.html.selectors import parse_selector
from portal_gateway.providers.base import Purpose
from portal_gateway.settings.portals import InjectRule, PortalSettings


@dataclass(frozen=True, slots=True)
class Placement:
    """One inject rule of one portal. `frame_origin` is where its iframe leads, None for a link."""

    portal: str
    rule: InjectRule
    label: str
    frame_origin: str | None
    extend_csp: bool
    budget_s: float

    @property
    def purpose(self) -> Purpose:
        return "link" if self.frame_origin is None else "embed"


@dataclass(frozen=True, slots=True)
class PagePlacements:
    """The placements of one page, and their targets compiled for the scanner in the same order."""

    placements: tuple[Placement, ...]
    targets: CompiledTargets
    budget_s: float


class RuleSet:
    """Finds the placements for a path. The sets of rules that apply together are few and compiled once each."""

    def __init__(self, portals: Mapping[str, PortalSettings], frame_origins: Mapping[str, str]) -> None:
        self._rules: list[tuple[re.Pattern[str], Placement]] = []
        for name, portal in portals.items():
            for rule in portal.inject:
                pattern = re.compile("|".join(path_pattern(glob) for glob in rule.paths))
                self._rules.append((pattern, _placement(name, portal, rule, frame_origins[name])))
        self._pages: dict[tuple[int, ...], PagePlacements | None] = {(): None}
        self.for_path = lru_cache(maxsize=2048)(self._for_path)

    def _for_path(self, path: str) -> PagePlacements | None:
        """What goes into the page at `path` (decoded, without the application's root path), or None."""
        indexes = tuple(i for i, (pattern, _) in enumerate(self._rules) if pattern.fullmatch(path))
        if indexes not in self._pages:
            self._pages[indexes] = page_placements([self._rules[i][1] for i in indexes])
        return self._pages[indexes]


def page_placements(placements: Sequence[Placement]) -> PagePlacements:
    targets = [Target(parse_selector(p.rule.at), p.rule.position, every=p.rule.all) for p in placements]
    budget_s = max(placement.budget_s for placement in placements)
    return PagePlacements(tuple(placements), compile_targets(targets), budget_s)


def path_pattern(glob: str) -> str:
    """A regular expression for a path glob: `*` within a segment, `**` over segments, `/**` also "nothing more"."""
    pattern = ""
    for part in re.split(r"(/\*\*|\*\*|\*)", glob):
        match part:
            case "/**":
                pattern += "(?:/.*)?"
            case "**":
                pattern += ".*"
            case "*":
                pattern += "[^/]*"
            case _:
                pattern += re.escape(part)
    return f"(?s:{pattern})"


def _placement(name: str, portal: PortalSettings, rule: InjectRule, frame_origin: str) -> Placement:
    is_frame = rule.as_ == "iframe" and rule.template is None
    return Placement(
        portal=name,
        rule=rule,
        label=rule.label or portal.label,
        frame_origin=frame_origin if is_frame else None,
        extend_csp=portal.csp == "extend",
        budget_s=portal.access.budget_ms / 1000,
    )
