from __future__ import annotations

import re
from importlib.resources import files

import pytest

from portal_gateway.portal.branding import brand_css, brand_of, site_url
from portal_gateway.settings.brand import BrandSettings
from portal_gateway.settings.colors import DARK_CARD, LIGHT_CARD, is_readable


def test_no_colour_no_file() -> None:
    assert brand_css(BrandSettings(color_dark="#ffffff")) is None


@pytest.mark.parametrize("color", ["#000", "#fff", "#2f5bea", "#ffcc00", "#800000"])
def test_both_schemes_have_a_colour_and_text_that_is_readable_on_it(color: str) -> None:
    css = (brand_css(BrandSettings(color=color)) or b"").decode()
    pairs = re.findall(r"--accent: (#\w{6}); --on-accent: (#\w{6});", css)
    assert len(pairs) == 2
    assert all(is_readable(text, ground) for ground, text in pairs)
    assert is_readable(pairs[1][0], DARK_CARD)


def test_a_colour_for_dark_ground_is_taken_as_it_is() -> None:
    assert b"{ --accent: #123456;" in (brand_css(BrandSettings(color="#000", color_dark="#123456")) or b"")


def test_the_ground_that_colours_are_compared_with_is_that_of_the_pages() -> None:
    css = files("portal_gateway.portal").joinpath("static/portal.css").read_text()
    assert re.findall(r"--card: (#\w+);", css) == [LIGHT_CARD, DARK_CARD]


def test_places_are_as_the_browser_needs_them() -> None:
    assert site_url("/a", "/app") == "/app/a"
    assert site_url("https://acme.example/a", "/app") == "https://acme.example/a"
    assert brand_of(BrandSettings(logo="/a.svg"), "").logo_url == "/a.svg"
    assert brand_of(BrandSettings(), "/app").logo_url is None
