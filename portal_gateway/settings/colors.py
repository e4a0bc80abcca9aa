"""Colours as CSS writes them, and whether text in one can be read on another (WCAG 2.2). Pure."""

from __future__ import annotations

import re

# WCAG 2.2, success criterion 1.4.3: text of ordinary size.
READABLE = 4.5

# What text of the gateway's own pages stands on: --card in portal.css, by scheme.
LIGHT_CARD = "#ffffff"
DARK_CARD = "#1b202b"

_HEX = re.compile(r"#([0-9a-f]{3}|[0-9a-f]{6})", re.IGNORECASE)
_STEPS = 50


def hex_color(value: str) -> str:
    """`value` as "#rrggbb" in lower case. Raises ValueError for anything but #rgb and #rrggbb."""
    match = _HEX.fullmatch(value.strip())
    if match is None:
        raise ValueError(f'{value!r} is not a colour such as "#2f5bea" (three or six hexadecimal digits, in quotes)')
    digits = match[1].lower()
    return "#" + (digits if len(digits) == 6 else "".join(digit * 2 for digit in digits))


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two "#rrggbb" colours, from 1 to 21: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def is_readable(color: str, ground: str) -> bool:
    return contrast(color, ground) >= READABLE


def text_on(ground: str) -> str:
    """Black or white: the one that is read better on `ground`."""
    return max("#ffffff", "#000000", key=lambda color: contrast(color, ground))


def readable_on(ground: str, color: str) -> str:
    """`color`, with as little white or black in it as makes it readable on `ground`."""
    pole = text_on(ground)
    shades = (_mixed(color, pole, step / _STEPS) for step in range(_STEPS + 1))
    return next(shade for shade in shades if is_readable(shade, ground))


def _luminance(color: str) -> float:
    red, green, blue = (_linear(channel / 255) for channel in _channels(color))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)


def _mixed(color: str, other: str, share: float) -> str:
    pairs = zip(_channels(color), _channels(other), strict=True)
    return "#" + "".join(f"{round(one + (two - one) * share):02x}" for one, two in pairs)


def _channels(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
