"""What is held about a user, for people who want to know why a link is shown or not."""

from __future__ import annotations

from dataclasses import dataclass

from portal_gateway.models import Access


@dataclass(frozen=True, slots=True)
class Held:
    """What one level ("process" or "shared") holds; `expires_in_s` is 0 for what is past its TTL."""

    level: str
    access: Access
    age_s: float
    expires_in_s: float


@dataclass(frozen=True, slots=True)
class Report:
    """What is held, the nearest level first, and the levels that did not answer. Nothing held: no levels."""

    levels: tuple[Held, ...]
    unavailable: tuple[str, ...] = ()
