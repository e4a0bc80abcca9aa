from __future__ import annotations

from typing import Any

import pytest
from gateway_kit import ENVIRON, VENDOR, rocketlane

from portal_gateway import load_settings
from portal_gateway.injection.rules import PagePlacements, Placement, RuleSet
from portal_gateway.injection.snippets import MAX_RENDERED, PortalUrls, Snippets, decided_snippet, loader_snippet
from portal_gateway.languages.catalogue import LanguageTag

URLS = PortalUrls("/portal/onboarding/launch", "/portal/onboarding/embed")


def placement(**rule: Any) -> Placement:
    portals = {"onboarding": rocketlane({"at": "nav", **rule}, label=rule.pop("portal_label", "Onboarding"))}
    settings = load_settings({"portals": portals}, environ=ENVIRON)
    page = RuleSet(settings.portals, {"onboarding": VENDOR}).pages["/"]
    assert isinstance(page, PagePlacements)
    return page.placements[0]


def snippets() -> Snippets:
    return Snippets("/portal", "/portal/-/assets/w.js", {"onboarding": "no-referrer"})


def test_a_link_opens_our_launch_route_in_a_new_tab() -> None:
    html = decided_snippet(placement(), URLS, "strict-origin").decode()
    assert html.startswith('<a class="portal-link" href="/portal/onboarding/launch" target="_blank"')
    assert 'rel="noopener nofollow"' in html
    assert 'referrerpolicy="strict-origin"' in html
    assert html.endswith(">Onboarding</a>")


def test_an_iframe_has_a_title_and_a_visible_link_beside_it() -> None:
    html = decided_snippet(placement(**{"as": "iframe"}), URLS, "strict-origin").decode()
    frame, link = html.split("</iframe>")
    assert 'src="/portal/onboarding/embed" title="Onboarding"' in frame
    assert f'allow="storage-access {VENDOR}; fullscreen {VENDOR}; ' in frame
    assert 'sandbox="allow-scripts allow-same-origin ' in frame
    assert 'class="portal-frame-open" href="/portal/onboarding/launch"' in link


@pytest.mark.parametrize(
    ("tag", "text"), [("en", "Onboarding: open in a new tab"), ("ja", "Onboarding&#65306;&#26032;&#12375;&#12356;")]
)
def test_the_link_beside_an_iframe_is_in_the_configured_language(tag: LanguageTag, text: str) -> None:
    portals = {"onboarding": rocketlane({"at": "nav", "as": "iframe"}, label="Onboarding")}
    rules = RuleSet(load_settings({"portals": portals}, environ=ENVIRON).portals, {"onboarding": VENDOR}, tag)
    assert text in decided_snippet(rules.placements[0], URLS, "strict-origin").decode()


@pytest.mark.parametrize(
    ("label", "escaped"),
    [
        ("<script>\"&'", "&lt;script&gt;&quot;&amp;&#x27;"),
        ("Zürich ☃", "Z&#252;rich &#9731;"),
        ("\U0001f600", "&#128512;"),
    ],
)
def test_labels_are_escaped_and_ascii_in_every_form(label: str, escaped: str) -> None:
    for form in ("link", "iframe"):
        chosen = placement(**{"as": form, "label": label})
        for html in (decided_snippet(chosen, URLS, "origin"), loader_snippet(chosen, "/portal", "/w.js")):
            assert html.isascii()
            assert escaped.encode() in html
            assert b"<script>" not in html


def test_attributes_of_the_rule_are_escaped_and_win_over_ours() -> None:
    rule = {"attributes": {"class": 'mine"><script>', "data-x": "1"}}
    html = decided_snippet(placement(**rule), URLS, "origin").decode()
    assert 'class="mine&quot;&gt;&lt;script&gt;"' in html
    assert 'data-x="1"' in html
    assert "portal-link" not in html


def test_a_template_is_escaped_and_sandboxed() -> None:
    rule = {"template": "<b title='{{ portal }}'>{{ label }} {{ launch_url }} {{ embed_url }}</b>", "label": "<i>"}
    html = decided_snippet(placement(**rule), URLS, "origin")
    assert html == b"<b title='onboarding'>&lt;i&gt; /portal/onboarding/launch /portal/onboarding/embed</b>"
    hostile = placement(template="{{ ''.__class__.__mro__[1].__subclasses__() }}")
    with pytest.raises(Exception, match="unsafe"):
        decided_snippet(hostile, URLS, "origin")


def test_the_loader_is_an_element_after_its_script() -> None:
    html = loader_snippet(placement(), "/app/portal", "/app/w.js").decode()
    script, element = html.split("</script>")
    assert script == '<script type="module" src="/app/w.js">'
    assert element == '<portal-link portal="onboarding" label="Onboarding" mount="/app/portal" light=""></portal-link>'


def test_the_loader_of_a_replacement_ends_with_the_element_whose_next_sibling_is_replaced() -> None:
    html = loader_snippet(placement(position="replace", **{"as": "iframe"}), "/portal", "/w.js").decode()
    assert html.endswith('replaces=""></portal-frame>')


def test_the_loader_carries_the_nonce_of_a_page_that_demands_one() -> None:
    html = loader_snippet(placement(), "/portal", "/w.js", nonce='a"b')
    assert b'nonce="a&quot;b"' in html


def test_rendered_snippets_are_kept_by_placement_and_root_path() -> None:
    kept, chosen = snippets(), placement()
    first = kept.decided(chosen, "")
    assert kept.decided(chosen, "") is first
    assert b'href="/app/portal/onboarding/launch"' in kept.decided(chosen, "/app")
    assert b'referrerpolicy="no-referrer"' in first


def test_root_paths_that_a_visitor_may_choose_do_not_fill_the_memory() -> None:
    kept, chosen = snippets(), placement()
    for number in range(MAX_RENDERED + 10):
        kept.decided(chosen, f"/tenant-{number}")
    assert kept._rendered.cache_info().currsize == MAX_RENDERED


def test_a_signed_link_is_in_the_link_and_is_not_kept() -> None:
    kept, chosen = snippets(), placement()
    html = kept.decided(chosen, "", f"{VENDOR}/enter?a=1&token=T1")
    assert b'href="https://vendor.example/enter?a=1&amp;token=T1"' in html
    assert b"T1" not in kept.decided(chosen, "")
    other = kept.decided(chosen, "", f"{VENDOR}/enter?token=T2")
    assert b"T2" in other
    assert b"T1" not in other


def test_beside_a_signed_iframe_the_link_stays_our_own_since_a_signed_link_may_open_only_once() -> None:
    html = snippets().decided(placement(**{"as": "iframe"}), "", f"{VENDOR}/enter?token=T1").decode()
    assert html.count("T1") == 1
    assert f'src="{VENDOR}/enter?token=T1"' in html
    assert 'href="/portal/onboarding/launch"' in html


def test_the_loader_of_snippets_points_below_the_root_path() -> None:
    html = snippets().loader(placement(), "/app", None)
    assert b'mount="/app/portal"' in html
    assert b'src="/app/portal/-/assets/w.js"' in html
