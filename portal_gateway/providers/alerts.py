"""Conditions at a vendor that an operator has to look at: counted each time, logged when they begin."""

from __future__ import annotations

import logging
from collections import Counter

logger = logging.getLogger("portal_gateway.vendor")


class Alerts:
    """The alerts of one portal. `counts` maps the slug of a condition to how often it was met."""

    def __init__(self, portal: str) -> None:
        self.counts: Counter[str] = Counter()
        self._portal = portal
        self._raised: set[str] = set()

    def raised(self, slug: str, message: str, level: int = logging.WARNING) -> None:
        """Count it, and log `message` unless the condition has lasted since it was last logged."""
        self.counts[slug] += 1
        if slug not in self._raised:
            self._raised.add(slug)
            logger.log(level, "portal %s: %s", self._portal, message)

    def cleared(self, slug: str) -> None:
        """The condition is over; the next time is logged again."""
        self._raised.discard(slug)
