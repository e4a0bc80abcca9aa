"""Tags as the HTML tokenizer reads them (HTML 13.2.5.6 to 13.2.5.40), by one regular expression each.

Possessive quantifiers keep the expressions linear and, more to the point, make an unfinished tag fail to match
instead of matching as something shorter. They hold no capturing groups: python/cpython issue 101955.
"""

from __future__ import annotations

import re
from html import entities, unescape

_ATTRIBUTE_NAME = rb"(?:=[^\t\n\f\r />=]*+|[^\t\n\f\r />=]++)"
# After "=": a quoted value, an unquoted one, or none because the tag ends.
_VALUE = rb"""(?:"[^"]*+"|'[^']*+'|[^\t\n\f\r "'>][^\t\n\f\r >]*+|(?=>))"""
_EQUALS = rb"[\t\n\f\r ]*+=[\t\n\f\r ]*+"
_ATTRIBUTE = _ATTRIBUTE_NAME + rb"(?:" + _EQUALS + _VALUE + rb"|(?![\t\n\f\r ]*+=))"

TAG = re.compile(
    rb"<(/?)([a-zA-Z][^\t\n\f\r />]*+)((?:[\t\n\f\r /]++|" + _ATTRIBUTE + rb")*+)>",
)
# An element of text only that no tree rule treats apart, from its start tag to its end tag.
LEAF = re.compile(
    rb"<(abbr|a|b|cite|code|em|i|kbd|label|small|span|strong|sub|sup|time|u|var)(?=[\t\n\f\r />])"
    rb"((?:[\t\n\f\r /]++|" + _ATTRIBUTE + rb")*+)>[^<]*+</\1>"
)
_ONE_ATTRIBUTE = re.compile(
    rb"("
    + _ATTRIBUTE_NAME
    + rb")(?:"
    + _EQUALS
    + rb"""(?:"([^"]*+)"|'([^']*+)'|([^\t\n\f\r "'>][^\t\n\f\r >]*+)|(?=\Z)))?"""
)
_REFERENCE = re.compile(r"&(?:#[xX][0-9a-fA-F]+;?|#[0-9]+;?|[a-zA-Z][a-zA-Z0-9]*;?)")


class Tag:
    """One start or end tag. The attributes are read when first asked for; most tags are never asked."""

    __slots__ = ("_attributes", "end", "name", "raw")

    def __init__(self, name: bytes, end: bool = False, raw: bytes = b"") -> None:
        self.name = name
        self.end = end
        self.raw = raw
        self._attributes: dict[str, str] | None = None

    @property
    def attributes(self) -> dict[str, str]:
        if self._attributes is None:
            self._attributes = parse_attributes(self.raw) if self.raw else {}
        return self._attributes

    def add_attributes(self, raw: bytes) -> None:
        """Those that are there already stay as they are."""
        self.raw += b" " + raw
        self._attributes = None

    @property
    def self_closing(self) -> bool:
        """Whether the tag ends in "/>": a slash that is not the end of an unquoted value."""
        if not self.raw.endswith(b"/"):
            return False
        return not any(match.end() == len(self.raw) for match in _ONE_ATTRIBUTE.finditer(self.raw))


def parse_attributes(raw: bytes) -> dict[str, str]:
    """Names in lower case, values with character references resolved; of duplicates the first counts.

    Bytes are read as UTF-8; what is not UTF-8 survives as lone surrogates, which no selector holds.
    """
    attributes: dict[str, str] = {}
    for match in _ONE_ATTRIBUTE.finditer(raw):
        name = _text(match[1].lower())
        if name not in attributes:
            attributes[name] = resolve_references(_text(match[2] or match[3] or match[4] or b""))
    return attributes


def resolve_references(value: str) -> str:
    """Character references as they count in an attribute value (HTML 13.2.5.72 to 13.2.5.80)."""
    return _REFERENCE.sub(_resolve, value) if "&" in value else value


def _resolve(match: re.Match[str]) -> str:
    text = match[0]
    if text[1] == "#":
        return unescape(text)
    if text[1:] in entities.html5 and text.endswith(";"):
        return entities.html5[text[1:]]
    # Without its semicolon a reference counts only if no letter, digit or "=" follows: "&copy=1" is no ©.
    if text[1:] in entities.html5 and match.string[match.end() : match.end() + 1] != "=":
        return entities.html5[text[1:]]
    return text


def _text(raw: bytes) -> str:
    text = raw.decode("utf-8", "surrogateescape")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\x00", "\ufffd")
