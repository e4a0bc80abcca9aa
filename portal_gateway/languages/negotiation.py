"""The language that a browser asks for: Accept-Language (RFC 9110 section 12.5.4), looked up as RFC 4647 says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from portal_gateway.languages.catalogue import FALLBACK, LANGUAGES, Language, LanguageTag, language

# Browsers send a few dozen bytes; what is behind that is nobody's preference.
MAX_LENGTH = 256

_RANGE = re.compile(
    r"(?P<range>\*|[a-z]{1,8}(?:-[a-z0-9]{1,8})*)(?:[ \t]*;[ \t]*q=(?P<weight>0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?"
)


def negotiated(accept_language: str) -> Language:
    """The language that fits an Accept-Language header best; English if none does."""
    return language(lookup(accept_language[:MAX_LENGTH].lower(), LANGUAGES) or FALLBACK)


@lru_cache(maxsize=256)
def lookup(accept_language: str, available: Sequence[LanguageTag]) -> LanguageTag | None:
    """The tag of `available` that a lower-case Accept-Language asks for first; None if it asks for none of them."""
    weighted = list(_ranges(accept_language))
    refused = {asked for asked, weight in weighted if weight == 0}
    # Sorting is stable: of equal weights the one that is named first.
    for asked, weight in sorted(weighted, key=lambda item: -item[1]):
        if weight == 0:
            break
        for tag in _ever_shorter(asked):
            if tag in refused:
                break
            for known in available:
                if known == tag:
                    return known
    return None


def _ranges(header: str) -> Iterator[tuple[str, float]]:
    for element in header.split(","):
        match = _RANGE.fullmatch(element.strip())
        if match is not None:
            yield match["range"], float(match["weight"] or 1)


def _ever_shorter(asked: str) -> Iterator[str]:
    """RFC 4647 section 3.4: "zh-hant-x-a" is also asked for as "zh-hant" and as "zh", never as "zh-hant-x"."""
    subtags = asked.split("-")
    while subtags:
        yield "-".join(subtags)
        subtags.pop()
        while subtags and len(subtags[-1]) == 1:
            subtags.pop()
