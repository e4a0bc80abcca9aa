"""Planhat's answers, whose form is nowhere documented: tolerant in form, strict in content. Pure.

Rules of this file
- Access is granted by an explicit yes only. What is neither yes nor no, or both, is None: unknown.
- A link is one into the configured portal's own `/redirect/`. An error page, another host or another path of the
  same host is None, so that no answer can turn us into an open redirect.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from portal_gateway.errors import AccessDenied, VendorUnreadable
from portal_gateway.providers.answers import json_value
from portal_gateway.providers.mailbox import folded
from portal_gateway.wire.urls import origin_of

# RFC 3986 section 2 without "\\" and quotes: what a browser reads exactly as we do.
_URL_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
# What browsers take for "." and ".." (WHATWG URL, "single-dot" and "double-dot URL path segment").
_DOT_SEGMENT = re.compile(r"(\.|%2e){1,2}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AccessForm:
    """What an operator knows of the access answer's form beyond `true` and `false`.

    `keys` are keys of an object that hold the answer; `yes` and `no` are further texts that mean it.
    """

    keys: tuple[str, ...]
    yes: tuple[str, ...] = ()
    no: tuple[str, ...] = ()


def access_verdict(body: bytes, form: AccessForm) -> bool | None:
    """True and False for an explicit answer, None for any other body."""
    value = _value_of(body)
    if isinstance(value, dict):
        verdicts = {_told(value[key], form.yes, form.no) for key in form.keys if key in value}
        return verdicts.pop() if len(verdicts) == 1 else None
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    return _told(value, form.yes, form.no)


def _told(value: Any, yes: Collection[str], no: Collection[str]) -> bool | None:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str):
        return None
    text = value.strip()
    if text in no:
        return False
    return True if text in yes else None


def redirect_link(body: bytes, portal_base: str) -> str | None:
    """The link in a mint answer, byte for byte: the body, a JSON string, or the one link in an object."""
    value = _value_of(body)
    candidates = value.values() if isinstance(value, dict) else [value]
    links = [text for text in candidates if isinstance(text, str) and is_redirect_link(text, portal_base)]
    return links[0] if len(links) == 1 else None


def is_redirect_link(url: str, portal_base: str) -> bool:
    """Whether `url` is `{portal_base}/redirect/{token}`, also in the eyes of a browser."""
    if not _URL_CHARACTERS.fullmatch(url):
        return False
    origin = origin_of(url)
    if origin is None or origin != origin_of(portal_base):
        return False
    path = urlsplit(url).path
    prefix = f"{urlsplit(portal_base).path.rstrip('/')}/redirect/"
    segments = path.split("/")
    return path.startswith(prefix) and segments[-1] != "" and not any(map(_DOT_SEGMENT.fullmatch, segments))


def _value_of(body: bytes) -> Any:
    """The JSON value of a body, or else its text without blanks around it; None if it is not even text."""
    try:
        text = body.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return None
    try:
        return json_value(text)
    except ValueError:
        return text


def end_user_id(rows: Any, mailbox: str, company_id: str | None) -> str:
    """The `_id` of the end user with that e-mail address among the rows of a list answer.

    The address is compared here again: a filter that is ignored lists everybody. Nor is it unique: a person can
    be an end user of several companies. Then the company decides, and never the order.
    Raises AccessDenied if nobody or more than one is left, VendorUnreadable for rows of another shape.
    """
    matches = [row for row in _rows(rows) if _is_current(row) and folded(row["email"]) == mailbox]
    if len(matches) > 1:
        matches = [row for row in matches if company_id is not None and row.get("companyId") == company_id]
        if len(matches) != 1:
            raise AccessDenied("several end users have this e-mail address", "ambiguous_end_user")
    if not matches:
        raise AccessDenied("the portal does not know this user", "unknown_end_user")
    found = matches[0].get("_id")
    if not isinstance(found, str) or not found.strip():
        raise VendorUnreadable("an end user in the vendor's answer has no id")
    return found


def _is_current(row: dict[str, Any]) -> bool:
    return isinstance(row.get("email"), str) and not row.get("archived")


def _rows(value: Any) -> Iterable[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise VendorUnreadable("the vendor's list of end users has an unknown form")
    return value
