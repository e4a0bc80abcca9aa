from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal_gateway.languages.catalogue import LANGUAGES
from portal_gateway.languages.negotiation import MAX_LENGTH, lookup, negotiated


@pytest.mark.parametrize(
    ("header", "tag"),
    [
        pytest.param("de", "de", id="one"),
        pytest.param("DE", "de", id="case"),
        pytest.param("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5", "fr", id="mdn"),
        pytest.param("en;q=0.8, ja", "ja", id="weight-before-order"),
        pytest.param("es, fr", "es", id="order-at-equal-weight"),
        pytest.param("es;q=0.5;, de ; q=0.4", "de", id="malformed-is-skipped"),
        pytest.param("de-Latn-AT-1996", "de", id="ever-shorter"),
        pytest.param("de-x-mine", "de", id="private-use"),
        pytest.param("pt-BR, es;q=0.2", "es", id="the-first-that-there-is"),
        pytest.param("de;q=0, fr;q=0.1", "fr", id="refused"),
        pytest.param("de-AT, de;q=0, es;q=0.1", "es", id="refused-by-its-shorter-form"),
        pytest.param("ja;q=0.001", "ja", id="hardly-wanted"),
        pytest.param("*", "en", id="anything"),
        pytest.param("tlh", "en", id="none"),
        pytest.param("", "en", id="empty"),
        pytest.param("en-GB", "en", id="english"),
        pytest.param("deu", "en", id="not-a-prefix"),
        pytest.param("de;q=2", "en", id="weight-too-large"),
        pytest.param("de;q=0.1234", "en", id="weight-too-long"),
        pytest.param("x" * MAX_LENGTH + ",de", "en", id="too-long-to-be-read"),
    ],
)
def test_the_language_that_fits_best(header: str, tag: str) -> None:
    assert negotiated(header).tag == tag


@given(st.text(max_size=80))
def test_whatever_is_asked_there_is_an_answer(header: str) -> None:
    assert negotiated(header).tag in LANGUAGES
    assert lookup(header, LANGUAGES) in (None, *LANGUAGES)
