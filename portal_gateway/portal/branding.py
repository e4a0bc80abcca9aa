"""The brand of the gateway's own pages: what their templates are given, and the colours as a style sheet."""

from __future__ import annotations

from dataclasses import dataclass

from portal_gateway.settings.brand import BrandSettings
from portal_gateway.settings.colors import DARK_CARD, readable_on, text_on


@dataclass(frozen=True, slots=True)
class Brand:
    """What templates know of the brand; `logo_url` as the browser needs it."""

    name: str | None
    logo_url: str | None


def brand_of(settings: BrandSettings, root_path: str) -> Brand:
    return Brand(settings.name, None if settings.logo is None else site_url(settings.logo, root_path))


def site_url(place: str, root_path: str) -> str:
    """A path of the app as browsers know it, under the path that the whole app is mounted at; a URL as it is."""
    return root_path + place if place.startswith("/") else place


def brand_css(settings: BrandSettings) -> bytes | None:
    """The colours in both schemes, as a file since the pages allow no inline style; None if there are none."""
    if settings.color is None:
        return None
    dark = settings.color_dark or readable_on(DARK_CARD, settings.color)
    return (
        f":root {{ {_accent(settings.color)} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ {_accent(dark)} }} }}\n"
    ).encode()


def snippet_css(settings: BrandSettings) -> bytes:
    """The colour for snippets in pages of the app, whose own rules win; a button brings its ground along."""
    if settings.color is None:
        return b""
    color, text = settings.color, text_on(settings.color)
    return f":where(:root) {{ --portal-color: {color}; --portal-on-color: {text}; }}\n".encode()


def _accent(color: str) -> str:
    return f"--accent: {color}; --on-accent: {text_on(color)};"
