from __future__ import annotations

from typing import Any

import pytest
from settings_fakes import loaded

from portal_gateway.errors import SettingsError
from portal_gateway.settings.advice import advice
from portal_gateway.settings.brand import BrandSettings


def refused(**brand: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        loaded(brand=brand)
    return str(caught.value)


def test_there_is_no_brand_by_default() -> None:
    assert loaded().brand == BrandSettings()
    assert loaded().brand.home == "/"
    assert loaded().brand.logo_origin is None


@pytest.mark.parametrize("logo", ["/static/logo.svg", "https://cdn.acme.com/l.png?v=1", "http://127.0.0.1:8000/l.png"])
def test_logos(logo: str) -> None:
    assert loaded(brand={"logo": logo}).brand.logo == logo


def test_where_a_logo_comes_from() -> None:
    assert loaded(brand={"logo": "https://CDN.acme.com:443/l.png"}).brand.logo_origin == "https://cdn.acme.com"
    assert loaded(brand={"logo": "/l.png"}).brand.logo_origin is None


@pytest.mark.parametrize(
    "logo",
    [
        "logo.svg",
        "//cdn.acme.com/l.png",
        "/\\evil.example/l.png",
        "data:image/png;base64,AA",
        "https://u:p@a.com/l.png",
    ],
)
def test_what_is_no_place(logo: str) -> None:
    assert "brand.logo: must be a path of the app" in refused(logo=logo)
    assert "brand.home: must be a path of the app" in refused(home=logo)


def test_a_logo_that_browsers_would_block() -> None:
    assert "brand.logo: must be https" in refused(logo="http://cdn.acme.com/l.png")


@pytest.mark.parametrize("key", ["color", "color_dark"])
def test_colours(key: str) -> None:
    assert getattr(loaded(brand={key: "#2F5"}).brand, key) == "#22ff55"
    assert f"brand.{key}: 'navy' is not a colour such as" in refused(**{key: "navy"})


@pytest.mark.parametrize(
    ("brand", "doubtful"),
    [
        ({"color": "#2f5bea"}, []),
        ({"color": "#ffcc00"}, ["brand.color"]),
        ({"color": "#2f5bea", "color_dark": "#2f5bea"}, ["brand.color_dark"]),
        ({"color_dark": "#8ba6ff"}, ["brand.color_dark"]),
    ],
    ids=["readable", "pale", "dark-on-dark", "without-color"],
)
def test_what_cannot_be_read_is_said(brand: dict[str, str], doubtful: list[str]) -> None:
    found = [problem for problem in advice(loaded(brand=brand)) if problem.path.startswith("brand")]
    assert [problem.path for problem in found] == doubtful
