from __future__ import annotations

import re
from typing import Any

import pytest
from gateway_kit import ENVIRON, VENDOR, planhat, rocketlane

from portal_gateway import load_settings
from portal_gateway.injection.rules import MAX_PATH, NO_RULE, OWN_PATH, PagePlacements, RuleSet, path_pattern

ORIGINS = {"success": "https://share.planhat.com", "onboarding": VENDOR}


def rule_set(*success: dict[str, Any], onboarding: tuple[dict[str, Any], ...] = (), **options: Any) -> RuleSet:
    portals = {"success": planhat(*success, **options), "onboarding": rocketlane(*onboarding)}
    return RuleSet(load_settings({"portals": portals}, environ=ENVIRON).portals, ORIGINS)


@pytest.mark.parametrize(
    ("glob", "matching", "others"),
    [
        ("/**", ["/", "", "/a", "/a/b.html", "/a\nb"], ["a"]),
        ("/orders/*", ["/orders/", "/orders/1"], ["/orders", "/orders/1/2", "/order/1"]),
        ("/orders/**", ["/orders", "/orders/", "/orders/1/2"], ["/orders2", "/x/orders"]),
        ("/a/**/z", ["/a/z", "/a/b/c/z"], ["/az", "/a/b"]),
        ("/r*.html", ["/r.html", "/report.html"], ["/rxhtml", "/r/x.html"]),
        ("/a.b+(c)", ["/a.b+(c)"], ["/aXb+(c)", "/a.bb(c)"]),
        ("/**.pdf", ["/.pdf", "/x/y.pdf"], ["/x/y.pdfx"]),
        ("/exact", ["/exact"], ["/exact/", "/exactly", "/Exact"]),
    ],
)
def test_a_glob_covers_whole_paths(glob: str, matching: list[str], others: list[str]) -> None:
    pattern = re.compile(path_pattern(glob))
    assert [path for path in [*matching, *others] if pattern.fullmatch(path)] == matching


def test_a_page_gets_the_rules_of_all_portals_whose_paths_fit_in_order() -> None:
    rules = rule_set(
        {"at": "nav", "paths": ["/a", "/b"]},
        {"at": "aside", "paths": ["/b"]},
        onboarding=({"at": "main", "as": "iframe", "paths": ["/b"]},),
    )
    assert rules.pages["/c"] == NO_RULE
    only, both = rules.pages["/a"], rules.pages["/b"]
    assert isinstance(only, PagePlacements)
    assert isinstance(both, PagePlacements)
    assert [p.rule.at for p in only.placements] == ["nav"]
    assert [(p.portal, p.rule.at) for p in both.placements] == [
        ("success", "nav"),
        ("success", "aside"),
        ("onboarding", "main"),
    ]
    assert len(both.targets.targets) == 3


def test_pages_with_the_same_rules_share_what_is_compiled() -> None:
    rules = rule_set({"at": "nav", "paths": ["/a/*"]})
    assert rules.pages["/a/1"] is rules.pages["/a/2"]


def test_a_path_longer_than_any_page_has_no_rule_and_is_not_remembered() -> None:
    rules = rule_set({"at": "nav"})
    assert rules.pages["/" + "x" * (MAX_PATH - 1)] != NO_RULE
    assert rules.pages["/" + "x" * MAX_PATH] == NO_RULE
    assert rules.pages.keys() == {"/" + "x" * (MAX_PATH - 1)}


def test_no_rule_is_for_the_paths_of_the_gateway() -> None:
    settings = load_settings({"portals": {"success": planhat({"at": "nav"})}}, environ=ENVIRON)
    rules = RuleSet(settings.portals, ORIGINS, mount_path="/help")
    own = ("/help", "/help/", "/help/success", "/help/" + "x" * MAX_PATH)
    assert [rules.pages[path] for path in own] == [OWN_PATH] * 4
    assert OWN_PATH not in [rules.pages[path] for path in ("/", "/helpers", "/a/help", "/portal")]


def test_the_longest_budget_of_a_page_counts() -> None:
    rules = rule_set({"at": "nav"}, onboarding=({"at": "main"},), access={"budget_ms": 20})
    page = rules.pages["/"]
    assert isinstance(page, PagePlacements)
    assert page.budget_s == 0.15
    assert [p.budget_s for p in page.placements] == [0.02, 0.15]


def test_only_an_iframe_has_a_frame_origin_and_the_purpose_embed() -> None:
    page = rule_set(
        {"at": "nav", "as": "link", "label": "Our portal"},
        {"at": "nav", "as": "iframe"},
        {"at": "nav", "template": "<b></b>"},
    ).pages["/"]
    assert isinstance(page, PagePlacements)
    assert [(p.frame_origin, p.purpose) for p in page.placements] == [
        (None, "link"),
        ("https://share.planhat.com", "embed"),
        (None, "link"),
    ]
    assert [p.label for p in page.placements] == ["Our portal", "Success portal", "Success portal"]


@pytest.mark.parametrize(
    ("template", "breaks"),
    [
        ("<div>{{ label }}</div>", True),
        ("<H2>x</H2>", True),
        ("<hr/>", True),
        ("<span>x</span>", False),
        ("<picture></picture>", False),
    ],
)
def test_a_template_that_starts_a_block_would_end_a_paragraph(template: str, breaks: bool) -> None:
    page = rule_set({"at": "p", "template": template}).pages["/"]
    assert isinstance(page, PagePlacements)
    assert page.targets.targets[0].breaks_paragraph is breaks


def test_links_and_iframes_do_not_end_a_paragraph() -> None:
    page = rule_set({"at": "p"}, {"at": "p", "as": "iframe"}).pages["/"]
    assert isinstance(page, PagePlacements)
    assert not any(target.breaks_paragraph for target in page.targets.targets)


def test_the_version_changes_with_every_rule_label_and_further_text() -> None:
    first = rule_set({"at": "nav"}).version("widget-1")
    assert first == rule_set({"at": "nav"}).version("widget-1")
    others = [
        rule_set({"at": "nav"}).version("widget-2"),
        rule_set({"at": "nav"}).version("widget", "-1"),
        rule_set({"at": "main"}).version("widget-1"),
        rule_set({"at": "nav"}, label="Other").version("widget-1"),
        rule_set({"at": "nav", "attributes": {"class": "x"}}).version("widget-1"),
    ]
    assert len({first, *others}) == 6
