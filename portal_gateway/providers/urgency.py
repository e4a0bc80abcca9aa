"""Who waits for a call to a vendor: it decides which call goes next when the rate limit makes some of them wait."""

from __future__ import annotations

from contextvars import ContextVar
from enum import IntEnum


class Urgency(IntEnum):
    """The lower, the sooner."""

    LAUNCH = 0
    """A person has clicked."""

    PAGE = 1
    """A page is being shown, and goes out without the answer if that is late."""

    REFRESH = 2
    """Nobody waits."""


urgency: ContextVar[Urgency] = ContextVar("urgency", default=Urgency.LAUNCH)
