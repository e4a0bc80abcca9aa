"""Conditions at a vendor that an operator has to look at: counted each time, logged when they begin."""

from __future__ import annotations

import logging

from portal_gateway.observe.events import Events

logger = logging.getLogger("portal_gateway.vendor")


class Alerts:
    """The alerts of one portal."""

    def __init__(self, portal: str, events: Events) -> None:
        self._portal = portal
        self._events = events
        self._raised: set[str] = set()

    def raised(self, slug: str, message: str, level: int = logging.WARNING) -> None:
        """Count it, and log `message` unless the condition has lasted since it was last logged."""
        self._events.alerted(self._portal, slug)
        if slug not in self._raised:
            self._raised.add(slug)
            logger.log(level, "portal %s: %s", self._portal, message)

    def cleared(self, slug: str) -> None:
        """The condition is over; the next time is logged again."""
        if slug in self._raised:
            self._raised.discard(slug)
            self._events.recovered(self._portal, slug)

    def called(self, outcome: str) -> None:
        """Count one call: "answered", or the code of the error."""
        self._events.vendor_called(self._portal, outcome)
