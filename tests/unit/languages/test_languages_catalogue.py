from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

import portal_gateway
from portal_gateway.languages.catalogue import FALLBACK, LANGUAGES, LanguageTag, language

ROOT = Path(portal_gateway.__file__).parent
ENGLISH = language(FALLBACK)
OTHERS = [tag for tag in LANGUAGES if tag != FALLBACK]


def placeholders(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in Formatter().parse(text) if name is not None)


@pytest.mark.parametrize("tag", OTHERS)
def test_every_language_has_the_same_texts(tag: LanguageTag) -> None:
    assert list(language(tag).texts) == list(ENGLISH.texts)


@pytest.mark.parametrize("tag", OTHERS)
def test_every_text_has_the_same_placeholders(tag: LanguageTag) -> None:
    texts = language(tag).texts
    wrong = [key for key, text in ENGLISH.texts.items() if placeholders(texts[key]) != placeholders(text)]
    assert wrong == []


@pytest.mark.parametrize("tag", LANGUAGES)
def test_texts_are_plain_and_tidy(tag: LanguageTag) -> None:
    for key, text in language(tag).texts.items():
        assert text == " ".join(text.split(" ")).strip(), key
        assert not re.search(r"[<>&\n]", text), key


@pytest.mark.parametrize("tag", OTHERS)
def test_nothing_was_left_in_english(tag: LanguageTag) -> None:
    texts = language(tag).texts
    same = {key for key, text in ENGLISH.texts.items() if texts[key] == text}
    assert same == set()


@pytest.mark.parametrize("tag", LANGUAGES)
def test_every_trouble_has_a_title_and_a_sentence(tag: LanguageTag) -> None:
    errors = {key: text for key, text in language(tag).texts.items() if key.startswith("errors.")}
    assert {key.rpartition(".")[2] for key in errors} == {"title", "body"}
    for key, text in errors.items():
        assert text.endswith((".", "。")) is key.endswith(".body"), key


def test_values_are_filled_in_as_they_are() -> None:
    assert language("de")("portal.open", label="{x} <b>") == "{x} <b> öffnen"
    with pytest.raises(KeyError):
        ENGLISH("portal.open")
    with pytest.raises(KeyError):
        ENGLISH("portal.nothing")
    assert "portal.open" in ENGLISH
    assert "portal.nothing" not in ENGLISH


def test_every_text_that_is_asked_for_exists() -> None:
    asked = set()
    rooms = [ROOT / "portal", ROOT / "joining"]
    for path in [path for room in rooms for path in (*room.glob("*.py"), *room.glob("templates/*"))]:
        asked |= set(re.findall(r'\bt(?:exts)?\("([a-z_.]+)"', path.read_text("utf-8")))
    assert len(asked) > 10
    assert {key for key in asked if not key.endswith(".")} <= set(ENGLISH.texts)
