"""Strict reading of JSON answers: one value, in UTF-8, in which no key says two things."""

from __future__ import annotations

import json
from typing import Any

from portal_gateway.errors import VendorError, VendorUnreadable
from portal_gateway.providers.client import VendorAnswer


def json_value(text: str) -> Any:
    """The value of a JSON text. Raises ValueError, also for repeated keys and deep nesting."""
    try:
        return json.loads(text, object_pairs_hook=_unambiguous)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def json_body(answer: VendorAnswer) -> Any:
    """The JSON value of a 200 answer. Raises VendorUnreadable, and VendorError for any other status."""
    if answer.status != 200:
        raise VendorError(f"the vendor answered with status {answer.status}")
    try:
        return json_value(answer.body.decode("utf-8-sig"))
    except ValueError:
        raise VendorUnreadable("the vendor's answer is not JSON") from None


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key is repeated")
    return values
