"""What an answer looks like without what it says: keys and types, no values. Pure.

Rules of this file
- No value is shown, whatever its type. A key is shown only if it looks like a name that a programmer gave.
- However large the answer, its shape is a few lines.
"""

from __future__ import annotations

import json
import re
from typing import Any

MAX_KEYS = 30
MAX_DEPTH = 6
_NAME = re.compile(r"[A-Za-z_][A-Za-z_.-]{0,40}[0-9]{0,2}")


def shape_of(body: bytes) -> str:
    """The shape of a body: `{"access": boolean}`, `3 x {"_id": string}`, `text of 57 bytes`."""
    if not body:
        return "empty"
    try:
        value = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        start = body[:256].lstrip().lower()
        return f"{'HTML' if start.startswith((b'<!doctype', b'<html')) else 'text'} of {len(body)} bytes"
    return _shape(value, 0)


def _shape(value: Any, depth: int) -> str:
    if isinstance(value, dict):
        return _object(value, depth)
    if isinstance(value, list):
        return _list(value, depth)
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    return "null" if value is None else "number"


def _object(value: dict[str, Any], depth: int) -> str:
    if not value or depth == MAX_DEPTH:
        return "{...}" if value else "{}"
    shown = [f'"{key}": {_shape(value[key], depth + 1)}' for key in value if _NAME.fullmatch(key)][:MAX_KEYS]
    hidden = len(value) - len(shown)
    return "{" + ", ".join([*shown, f"{hidden} more"] if hidden else shown) + "}"


def _list(value: list[Any], depth: int) -> str:
    if not value or depth == MAX_DEPTH:
        return "[...]" if value else "[]"
    shapes = list(dict.fromkeys(_shape(item, depth + 1) for item in value))
    more = f" and {len(shapes) - 1} other shapes" if len(shapes) > 1 else ""
    return f"[{len(value)} x {shapes[0]}{more}]"
