"""The inject rules of all portals, digested once, and found by path."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from portal_gateway.html.places import KnownPlaces
from portal_gateway.html.scanner import CompiledTargets, Target, compile_targets
from portal_gateway.html.selectors import parse_selector
from portal_gateway.html.skipping import prepare
from portal_gateway.languages.catalogue import FALLBACK, Language, LanguageTag, language
from portal_gateway.providers.base import Purpose
from portal_gateway.settings.portals import InjectRule, PortalSettings
from portal_gateway.wire.memo import Memo
from portal_gateway.wire.requests import is_below

# Start tags that end an open paragraph (HTML 13.2.6.4.7), and those that a template should not have there either.
_BLOCK = re.compile(
    r"<(?:address|article|aside|blockquote|center|dd|details|dialog|dir|div|dl|dt|fieldset|figcaption|figure|footer|form|"
    r"h[1-6]|header|hgroup|hr|li|listing|main|menu|nav|ol|p|plaintext|pre|search|section|summary|table|ul|xmp)[\s/>]",
    re.IGNORECASE,
)
# A longer path is no page's. The cache of found paths stays small so, and patterns are spared hostile input.
MAX_PATH = 2048
# Why nothing goes into a page.
NO_RULE: Final = "no_rule"
OWN_PATH: Final = "own_path"


@dataclass(frozen=True, slots=True, eq=False)  # equal only to itself: a key that costs nothing to hash
class Placement:
    """One inject rule of one portal. `frame_origin` is where its iframe leads, None for a link; `open_text` is that of
    the link beside an iframe."""

    portal: str
    rule: InjectRule
    label: str
    frame_origin: str | None
    extend_csp: bool
    budget_s: float
    frame_attributes: Mapping[str, str]
    open_text: str

    @property
    def purpose(self) -> Purpose:
        return "link" if self.frame_origin is None else "embed"


@dataclass(frozen=True, slots=True, eq=False)
class PagePlacements:
    """The placements of one page, and their targets compiled for the scanner in the same order."""

    placements: tuple[Placement, ...]
    targets: CompiledTargets
    budget_s: float
    known_places: KnownPlaces = field(default_factory=KnownPlaces)


class RuleSet:
    """Finds the placements for a path. The sets of rules that apply together are few and compiled once each."""

    def __init__(
        self,
        portals: Mapping[str, PortalSettings],
        frame_origins: Mapping[str, str],
        tag: LanguageTag = FALLBACK,
        *,
        mount_path: str = "/portal",
    ) -> None:
        """`tag` is the language of what is said beside the portals' labels."""
        texts = language(tag)
        self._mount_path = mount_path
        self._rules: list[tuple[re.Pattern[str], Placement]] = []
        for name, portal in portals.items():
            for rule in portal.inject:
                pattern = re.compile("|".join(path_pattern(glob) for glob in rule.paths))
                self._rules.append((pattern, _placement(name, portal, rule, frame_origins[name], texts)))
        if self._rules:
            prepare()
        self._by_indexes: dict[tuple[int, ...], PagePlacements | str] = {(): NO_RULE}
        #: What goes into the page at a path (decoded, without the application's root path), or why nothing does:
        #: NO_RULE, or OWN_PATH from `mount_path` on, where no page is the app's.
        self.pages: Memo[str, PagePlacements | str] = Memo(self._find, max_entries=2048, max_key=MAX_PATH)

    @property
    def placements(self) -> tuple[Placement, ...]:
        """Those of all paths, in the order of the configuration."""
        return tuple(placement for _, placement in self._rules)

    def version(self, *further: str) -> str:
        """A digest of all rules and of what else the inserted bytes depend on; any change changes it."""
        described = repr((further, [placement for _, placement in self._rules]))
        return sha256(described.encode("utf-8", "backslashreplace")).hexdigest()[:12]

    def _find(self, path: str) -> PagePlacements | str:
        if is_below(path, self._mount_path):
            return OWN_PATH
        if len(path) > MAX_PATH:
            return NO_RULE
        indexes = tuple(i for i, (pattern, _) in enumerate(self._rules) if pattern.fullmatch(path))
        if indexes not in self._by_indexes:
            self._by_indexes[indexes] = page_placements([self._rules[i][1] for i in indexes])
        return self._by_indexes[indexes]


def page_placements(placements: Sequence[Placement]) -> PagePlacements:
    targets = [_target(placement.rule) for placement in placements]
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


def _target(rule: InjectRule) -> Target:
    starts_block = rule.template is not None and _BLOCK.search(rule.template) is not None
    return Target(parse_selector(rule.at), rule.position, every=rule.all, breaks_paragraph=starts_block)


def _placement(name: str, portal: PortalSettings, rule: InjectRule, frame_origin: str, texts: Language) -> Placement:
    label = rule.label or portal.label
    is_frame = rule.as_ == "iframe" and rule.template is None
    return Placement(
        portal=name,
        rule=rule,
        label=label,
        frame_origin=frame_origin if is_frame else None,
        extend_csp=portal.csp == "extend",
        budget_s=portal.access.budget_ms / 1000,
        frame_attributes=portal.frame.attributes(label, frame_origin, portal.referrer_policy),
        open_text=texts("portal.new_tab_named", label=label),
    )
