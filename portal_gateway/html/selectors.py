"""CSS selectors that can be decided at the start tag, which is all a stream shows (Selectors Level 4).

A selector is a list of chains; a chain is compounds joined by the descendant or the child combinator. Whatever
needs a later sibling, an earlier sibling's attributes or the content of an element is refused with the reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

# HTML, "Case-sensitivity of selectors": the values of these attributes compare ASCII case-insensitively.
_CASELESS_ATTRIBUTES = frozenset(
    [
        "accept",
        "accept-charset",
        "align",
        "alink",
        "axis",
        "bgcolor",
        "charset",
        "checked",
        "clear",
        "codetype",
        "color",
        "compact",
        "declare",
        "defer",
        "dir",
        "direction",
        "disabled",
        "enctype",
        "face",
        "frame",
        "hreflang",
        "http-equiv",
        "lang",
        "language",
        "link",
        "media",
        "method",
        "multiple",
        "nohref",
        "noresize",
        "noshade",
        "nowrap",
        "readonly",
        "rel",
        "rev",
        "rules",
        "scope",
        "scrolling",
        "selected",
        "shape",
        "target",
        "text",
        "type",
        "valign",
        "valuetype",
        "vlink",
    ]
)

_SPACE = " \t\n\r\f"
_SPACES = re.compile(f"[{_SPACE}]+")
_ESCAPE = r"\\(?:[0-9a-fA-F]{1,6}(?:\r\n|[ \t\n\r\f])?|[^\n\r\f0-9a-fA-F])"
_IDENTIFIER = re.compile(rf"(?:--|-?(?:[a-zA-Z_]|[^\x00-\x7f]|{_ESCAPE}))(?:[\w-]|[^\x00-\x7f]|{_ESCAPE})*", re.ASCII)
_NAME = re.compile(rf"(?:[\w-]|[^\x00-\x7f]|{_ESCAPE})+", re.ASCII)
_STRING = re.compile(r"\"((?:[^\"\\\n\r\f]|\\.|\\\n)*)\"|'((?:[^'\\\n\r\f]|\\.|\\\n)*)'", re.DOTALL)
_ONE_ESCAPE = re.compile(r"\\(?:([0-9a-fA-F]{1,6})(?:\r\n|[ \t\n\r\f])?|(\r\n|[\s\S]))")
_COMBINATOR = re.compile(r"[ \t\n\r\f]*([>+~]|\|\|)[ \t\n\r\f]*|[ \t\n\r\f]+")
_NTH = re.compile(r"([+-]?\d*)n(?:\s*([+-])\s*(\d+))?|([+-]?\d+)", re.IGNORECASE | re.ASCII)
_OPERATOR = re.compile(r"[~^$*|]?=")


class SelectorError(ValueError):
    """The selector cannot be used; the message says why and what works instead."""


class Combinator(Enum):
    DESCENDANT = " "
    CHILD = ">"


@dataclass(frozen=True, slots=True)
class AttributeTest:
    """`[name]` when `operator` is empty, else `[name operator "value"]`. An id is `=`, a class is `~=`."""

    name: str
    operator: str = ""
    value: str = ""
    ignore_case: bool = False

    def accepts(self, actual: str) -> bool:
        if not self.operator:
            return True
        value = self.value
        if self.ignore_case:
            actual, value = _ascii_lower(actual), _ascii_lower(value)
        if self.operator == "=":
            return actual == value
        if self.operator == "|=":
            return actual == value or actual.startswith(value + "-")
        if self.operator == "~=":
            return value in _SPACES.split(actual) if value else False
        if not value:
            return False
        return {"^=": actual.startswith, "$=": actual.endswith, "*=": actual.__contains__}[self.operator](value)


@dataclass(frozen=True, slots=True)
class NthChild:
    """`:nth-child(an+b)`; `:first-child` is 0n+1."""

    step: int
    offset: int

    def accepts(self, index: int) -> bool:
        distance = index - self.offset
        if self.step == 0:
            return distance == 0
        return distance % self.step == 0 and distance // self.step >= 0


@dataclass(frozen=True, slots=True)
class Compound:
    """One element's conditions; `name` is None for any type. `combinator` joins it to the compound before."""

    name: str | None
    attributes: tuple[AttributeTest, ...] = ()
    positions: tuple[NthChild, ...] = ()
    combinator: Combinator = Combinator.DESCENDANT


@dataclass(frozen=True, slots=True)
class Selector:
    text: str
    chains: tuple[tuple[Compound, ...], ...]

    def __str__(self) -> str:
        return self.text


_UNSTREAMABLE = {
    "+": "the sibling combinators + and ~ need the element before; use a child combinator and a class",
    "~": "the sibling combinators + and ~ need the element before; use a child combinator and a class",
    "||": "the column combinator || is not supported; use a class on the cells",
}
_NEEDS_THE_END = "is known only when the parent ends; use :first-child, :nth-child(), a class or an id"
_NEEDS_CONTENT = "depends on the content, which comes after the start tag; use a class or an id on the element"
_NEEDS_LIVE_PAGE = "depends on a live page, not on the markup; use a class or an id"
_PSEUDO_REASONS = {
    "last-child": _NEEDS_THE_END,
    "nth-last-child": _NEEDS_THE_END,
    "only-child": _NEEDS_THE_END,
    "last-of-type": _NEEDS_THE_END,
    "nth-last-of-type": _NEEDS_THE_END,
    "only-of-type": _NEEDS_THE_END,
    "has": _NEEDS_CONTENT,
    "empty": _NEEDS_CONTENT,
    "hover": _NEEDS_LIVE_PAGE,
    "focus": _NEEDS_LIVE_PAGE,
    "target": _NEEDS_LIVE_PAGE,
    "checked": _NEEDS_LIVE_PAGE,
    "is": "is not supported; write the alternatives as a list: a, b",
    "where": "is not supported; write the alternatives as a list: a, b",
    "not": "is not supported; name what the element has, such as a class or an id",
}


def parse_selector(text: str) -> Selector:
    """The selector, or SelectorError with the reason why it cannot be matched in a stream."""
    return Selector(text, _Parser(text).chains())


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text.strip(_SPACE)
        self.source = text
        self.position = 0

    def chains(self) -> tuple[tuple[Compound, ...], ...]:
        chains = [self._chain()]
        while self._take(","):
            self._skip_space()
            chains.append(self._chain())
        if self.position < len(self.text):
            raise self._error(f"unexpected {self.text[self.position]!r}")
        return tuple(chains)

    def _chain(self) -> tuple[Compound, ...]:
        compounds = [self._compound(Combinator.DESCENDANT)]
        while True:
            match = _COMBINATOR.match(self.text, self.position)
            if match is None or self.text.startswith(",", match.end()):
                self.position = match.end() if match else self.position
                return tuple(compounds)
            self.position = match.end()
            sign = match[1] or " "
            if sign in _UNSTREAMABLE:
                raise self._error(_UNSTREAMABLE[sign])
            compounds.append(self._compound(Combinator(sign)))

    def _compound(self, combinator: Combinator) -> Compound:
        start = self.position
        name = None if self._take("*") else self._type_name()
        attributes: list[AttributeTest] = []
        positions: list[NthChild] = []
        while self.position < len(self.text):
            if self._take("#"):
                attributes.append(AttributeTest("id", "=", self._name("an id", _NAME)))
            elif self._take("."):
                attributes.append(AttributeTest("class", "~=", self._name("a class")))
            elif self._take("["):
                attributes.append(self._attribute())
            elif self._take(":"):
                positions.append(self._pseudo_class())
            else:
                break
        if self.text.startswith("|", self.position) and not self.text.startswith("||", self.position):
            raise self._error("namespaces are not supported; write the element name alone")
        if self.position == start:
            found = repr(self.text[start]) if start < len(self.text) else "the end"
            raise self._error(f"expected an element, #id, .class, [attribute] or * but found {found}")
        return Compound(name, tuple(attributes), tuple(positions), combinator)

    def _type_name(self) -> str | None:
        match = _IDENTIFIER.match(self.text, self.position)
        if match is None:
            return None
        self.position = match.end()
        return _ascii_lower(_unescape(match[0]))

    def _attribute(self) -> AttributeTest:
        self._skip_space()
        name = _ascii_lower(self._name("an attribute name"))
        self._skip_space()
        if self._take("]"):
            return AttributeTest(name)
        match = _OPERATOR.match(self.text, self.position)
        if match is None:
            raise self._error("expected ], =, ~=, ^=, $=, *= or |= after the attribute name")
        self.position = match.end()
        self._skip_space()
        value = self._value()
        self._skip_space()
        ignore_case = name in _CASELESS_ATTRIBUTES
        if self._take("i") or self._take("I"):
            ignore_case = True
        elif self._take("s") or self._take("S"):
            ignore_case = False
        self._skip_space()
        if not self._take("]"):
            raise self._error("expected ] at the end of the attribute condition")
        return AttributeTest(name, match[0], value, ignore_case)

    def _value(self) -> str:
        match = _STRING.match(self.text, self.position)
        if match is None:
            return self._name("a value (quote it if it is not a plain word)")
        self.position = match.end()
        return _unescape(match[1] if match[1] is not None else match[2])

    def _pseudo_class(self) -> NthChild:
        if self.text.startswith(":", self.position):
            raise self._error("a pseudo-element is not an element; select the element itself")
        name = _ascii_lower(self._name("a pseudo-class"))
        if name == "first-child":
            return NthChild(0, 1)
        if name == "nth-child":
            return self._nth_child()
        reason = _PSEUDO_REASONS.get(
            name, "is not supported; :first-child and :nth-child() are, or use a class or an id"
        )
        raise self._error(f":{name} {reason}")

    def _nth_child(self) -> NthChild:
        closing = self.text.find(")", self.position)
        if not self._take("(") or closing < 0:
            raise self._error(":nth-child needs an argument such as (2n+1)")
        argument = self.text[self.position : closing].strip(_SPACE)
        self.position = closing + 1
        if argument.lower() in ("odd", "even"):
            return NthChild(2, 1 if argument.lower() == "odd" else 0)
        match = _NTH.fullmatch(argument)
        if match is None:
            raise self._error(f":nth-child({argument}) is not of the form an+b, odd or even")
        if match[4] is not None:
            return NthChild(0, int(match[4]))
        step = int(match[1] + "1") if match[1] in ("", "+", "-") else int(match[1])
        return NthChild(step, int(match[2] + match[3]) if match[2] else 0)

    def _name(self, what: str, pattern: re.Pattern[str] = _IDENTIFIER) -> str:
        match = pattern.match(self.text, self.position)
        if match is None:
            raise self._error(f"expected {what}")
        self.position = match.end()
        return _unescape(match[0])

    def _take(self, literal: str) -> bool:
        if not self.text.startswith(literal, self.position):
            return False
        self.position += len(literal)
        return True

    def _skip_space(self) -> None:
        while self.position < len(self.text) and self.text[self.position] in _SPACE:
            self.position += 1

    def _error(self, reason: str) -> SelectorError:
        return SelectorError(f"selector {self.source!r}: {reason} (at character {self.position + 1})")


def _ascii_lower(text: str) -> str:
    return text.lower() if text.isascii() else "".join(c.lower() if c.isascii() else c for c in text)


def _unescape(text: str) -> str:
    """CSS Syntax 4.3.7: a hex escape, an escaped newline inside a string (nothing), or the character itself."""
    return _ONE_ESCAPE.sub(_escaped, text) if "\\" in text else text


def _escaped(match: re.Match[str]) -> str:
    if match[1] is None:
        return "" if match[2] in ("\n", "\r\n", "\r", "\f") else match[2]
    code = int(match[1], 16)
    return "\ufffd" if code == 0 or code > 0x10FFFF or 0xD800 <= code <= 0xDFFF else chr(code)
