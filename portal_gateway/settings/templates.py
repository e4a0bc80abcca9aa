"""Templates like "extid-{id}" that make a vendor's id out of an end user's fields."""

from __future__ import annotations

import re
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from portal_gateway.errors import IncompleteIdentity
from portal_gateway.models import EndUser

_FIELDS = ("id", "email", "name", "company_id")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_KNOWN = "{id}, {email}, {name}, {company_id}, {attributes.NAME}"


class UserTemplate:
    """A text with placeholders for fields of an end user."""

    __slots__ = ("_parts", "text")

    def __init__(self, text: str) -> None:
        """Raises ValueError for an unknown placeholder or a stray brace."""
        # Odd items of a split by a capturing pattern are what it captured.
        self._parts = tuple(_PLACEHOLDER.split(text))
        self.text = text
        if not text.strip():
            raise ValueError("must not be empty")
        if any("{" in part or "}" in part for part in self._parts[::2]):
            raise ValueError(f"has a stray brace; placeholders are {_KNOWN}")
        for name in self._parts[1::2]:
            if name not in _FIELDS and not re.fullmatch(r"attributes\.[\w.-]+", name):
                raise ValueError(f"unknown placeholder {{{name}}}; known are {_KNOWN}")

    def render(self, user: EndUser) -> str:
        """The text for `user`.

        Raises IncompleteIdentity if the user lacks a field or it is blank: an id made of nothing addresses
        somebody else, or everybody.
        """
        return "".join(_field(user, part) if index % 2 else part for index, part in enumerate(self._parts))

    def __repr__(self) -> str:
        return f"UserTemplate({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UserTemplate) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            cls,
            core_schema.str_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda t: t.text),
        )


def _field(user: EndUser, name: str) -> str:
    value: object
    if name.startswith("attributes."):
        value = user.attributes.get(name.removeprefix("attributes."))
    else:
        value = getattr(user, name)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise IncompleteIdentity(name)
    text = str(value)
    if not text.strip():
        raise IncompleteIdentity(name)
    return text
