"""Decisions as bytes in the shared level: JSON with a version. Pure; what cannot be read is no decision."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from portal_gateway.models import Access, Choice, Verdict

VERSION = 1
# A user with some hundred projects; whoever has more is asked about in each process.
MAX_BYTES = 64 * 1024
# By how much the clocks of two replicas may differ. What was made further in the future is not believed.
SKEW_S = 5.0

_SHARED = {verdict.value: verdict for verdict in (Verdict.GRANTED, Verdict.DENIED)}


class Unreadable(Exception):
    """Bytes that are no decision of this version."""


@dataclass(frozen=True, slots=True)
class Found:
    """An explicit answer of the vendor, and how many seconds ago some replica got it."""

    access: Access
    age_s: float


def encode(access: Access, subject: str, generation: str, made_at: float) -> bytes | None:
    """The bytes for an explicit answer given at `made_at` (Unix time); None if they would be too many."""
    value = {
        "v": VERSION,
        "subject": subject,
        "generation": generation,
        "made_at": made_at,
        "access": access.verdict.value,
        "reason": access.reason,
        "choices": [[choice.id, choice.label] for choice in access.choices],
    }
    data = json.dumps(value, separators=(",", ":")).encode()
    return data if len(data) <= MAX_BYTES else None


def decode(data: bytes, subject: str, generation: str, now: float) -> Found | None:
    """The answer in `data`, if it is about `subject` and of this generation. Raises Unreadable."""
    try:
        value = json.loads(data)
        if value["v"] != VERSION:
            raise Unreadable("another version")
        if (value["subject"], value["generation"]) != (subject, generation):
            return None
        access = Access(_SHARED[value["access"]], _text(value["reason"]), _choices(value["choices"]))
        age_s = now - float(value["made_at"])
    except (KeyError, TypeError, ValueError, RecursionError, OverflowError) as error:
        raise Unreadable(type(error).__name__) from None
    if not age_s >= -SKEW_S:
        raise Unreadable("from the future")
    return Found(access, max(age_s, 0.0))


def _choices(value: Any) -> tuple[Choice, ...]:
    return tuple(Choice(_text(id_), _text(label)) for id_, label in value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
