"""What the gateway did, counted by name and labels, and logged where a person should know.

Labels are portal names from the configuration and slugs from our own code, so that the number of series is bounded
and no personal data gets in.
"""

from __future__ import annotations

import logging
from collections import Counter

from portal_gateway.models import Access, Verdict

logger = logging.getLogger("portal_gateway")

Series = tuple[str, str, str]


class Events:
    """Counts what happened. `counts` maps (event, portal or mode, reason) to a number."""

    def __init__(self) -> None:
        self.counts: Counter[Series] = Counter()

    def injected(self, portal: str, mode: str) -> None:
        self.counts["injected", portal, mode] += 1

    def not_injected(self, reason: str) -> None:
        """A whole response was left alone."""
        self.counts["not_injected", "", reason] += 1

    def placement_empty(self, portal: str, reason: str) -> None:
        """One rule put nothing into a page that was eligible."""
        self.counts["placement_empty", portal, reason] += 1

    def decided(self, portal: str, access: Access) -> None:
        """The vendor was asked."""
        self.counts[f"access_{access.verdict.value}", portal, access.reason] += 1
        if access.verdict is Verdict.UNKNOWN:
            logger.warning("portal %s: no access decision (%s)", portal, access.reason)

    def minted(self, portal: str, purpose: str) -> None:
        self.counts["minted", portal, purpose] += 1

    def refused(self, portal: str, reason: str) -> None:
        """A portal route did not lead into the portal."""
        self.counts["refused", portal, reason] += 1

    def failed(self, error: BaseException, where: str, portal: str = "") -> None:
        """Our own code failed: logged with its traceback, never shown."""
        self.counts["internal_error", portal, where] += 1
        logger.error("internal error in %s %s", where, portal, exc_info=error)
