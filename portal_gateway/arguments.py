"""What arguments of the command line may be, and what they mean."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Sequence

from portal_gateway.models import EndUser

_FIELDS = ("id", "email", "email_verified", "name", "company_id")
_KNOWN = f"{', '.join(_FIELDS)} and attributes.NAME"


def port_number(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def page_path(text: str) -> str:
    if not text.startswith("/"):
        raise ArgumentTypeError('a path starts with "/"')
    return text


def positive_number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError("must be a number from 1")
    return int(text)


def end_user(words: Sequence[str]) -> EndUser:
    """The end user of `42 email=jane@vance.com company_id=201 attributes.plan=pro`: an id, and fields.

    Raises ValueError, with what to write instead.
    """
    first, *rest = words
    pairs = [word.partition("=") for word in ((first if first.startswith("id=") else f"id={first}"), *rest)]
    values: dict[str, str] = {}
    attributes: dict[str, str] = {}
    for name, equals, value in pairs:
        if not equals or not (name in _FIELDS or name.startswith("attributes.")):
            raise ValueError(f"{name!r} is not FIELD=VALUE; fields are {_KNOWN}")
        if name in values or name in attributes:
            raise ValueError(f"{name} is given twice")
        if name.startswith("attributes."):
            attributes[name.removeprefix("attributes.")] = value
        else:
            values[name] = value
    verified = values.pop("email_verified", "false")
    if verified not in ("true", "false"):
        raise ValueError("email_verified is true or false")
    return EndUser(**values, email_verified=verified == "true", attributes=attributes)
