"""The texts of one language, by key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal, get_args

import yaml

LanguageTag = Literal["en", "de", "fr", "es", "ja"]
LANGUAGES: tuple[LanguageTag, ...] = get_args(LanguageTag)
FALLBACK: LanguageTag = "en"

# 2 ms rather than 15, while a visitor waits.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Language:
    """Texts of the language `tag` (RFC 5646). Keys are as in the language's file, joined by dots."""

    def __init__(self, tag: LanguageTag, texts: Mapping[str, str]) -> None:
        self.tag = tag
        self.texts = texts

    def __call__(self, key: str, /, **values: object) -> str:
        """The text with its placeholders filled in, as plain text. Raises KeyError for what is not there."""
        return self.texts[key].format_map(values)

    def __contains__(self, key: str) -> bool:
        return key in self.texts


@lru_cache(maxsize=len(LANGUAGES))
def language(tag: LanguageTag) -> Language:
    """The language, read from its file the first time."""
    source = files("portal_gateway.languages").joinpath(f"{tag}.yaml").read_text("utf-8")
    return Language(tag, dict(_flat(yaml.load(source, _LOADER))))  # noqa: S506


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        if isinstance(value, str):
            yield prefix + key, value
        else:
            yield from _flat(value, f"{prefix}{key}.")
