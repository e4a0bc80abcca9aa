from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal_gateway.settings.colors import contrast, hex_color, is_readable, readable_on, text_on

COLORS = st.from_regex(r"#[0-9a-f]{6}", fullmatch=True)


@pytest.mark.parametrize(
    ("value", "color"), [("#2F5BEA", "#2f5bea"), (" #abc ", "#aabbcc"), ("#000", "#000000"), ("#ffffff", "#ffffff")]
)
def test_a_colour_is_written_one_way(value: str, color: str) -> None:
    assert hex_color(value) == color


@pytest.mark.parametrize(
    "value", ["", "red", "#12", "#1234", "#12345g", "2f5bea", "rgb(1,2,3)", "#fff;}", "#fff\n#000"]
)
def test_what_is_no_colour(value: str) -> None:
    with pytest.raises(ValueError, match="is not a colour"):
        hex_color(value)


def test_contrast_is_that_of_the_guidelines() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)
    assert contrast("#123456", "#123456") == 1


@given(COLORS, COLORS)
def test_contrast_goes_both_ways(one: str, other: str) -> None:
    assert contrast(one, other) == contrast(other, one)


@given(COLORS)
def test_there_is_text_for_every_ground(ground: str) -> None:
    assert is_readable(text_on(ground), ground)


@given(COLORS, COLORS)
def test_every_colour_can_be_made_readable(ground: str, color: str) -> None:
    made = readable_on(ground, color)
    assert is_readable(made, ground)
    assert made == color or not is_readable(color, ground)
