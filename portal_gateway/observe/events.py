"""What the gateway did, counted by name and labels, and logged where a person should know.

Labels are portal names from the configuration and slugs from our own code, so that the number of series is bounded
and no personal data gets in.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Protocol

from portal_gateway.models import Access, Verdict

logger = logging.getLogger("portal_gateway")

Series = tuple[str, str, str]


class Counts(dict[Series, int]):
    """What `collections.Counter` does, of which `+=` alone takes five times as long: too dear for every response."""

    def __missing__(self, series: Series) -> int:
        return 0


class Counting(Protocol):
    """What counts by itself, and is read and set back from here."""

    number: int


class Tally:
    """Counts one thing that happens with every page."""

    def __init__(self) -> None:
        self.number = 0


def placed(result: tuple[str, str, str]) -> Series:
    """What is counted for one rule in one page. The result is the portal, the mode of the snippet that went in, and the
    reason if none did."""
    portal, mode, reason = result
    return ("placement_empty", portal, reason) if reason else ("injected", portal, mode)


class Events:
    """Counts what happened.

    `conditions` are the alerts that have not been cleared, as (portal, condition).
    """

    def __init__(self) -> None:
        self._counts = Counts()
        self._tallies: dict[Series, Tally] = {}
        self._left_alone: dict[str, Tally] = {}
        self._counting: list[tuple[Series, Counting]] = []
        self.conditions: set[tuple[str, str]] = set()

    @property
    def counts(self) -> Counts:
        """How often (event, portal or mode, reason) has happened."""
        for series, counting in [*self._tallies.items(), *self._counting]:
            if counting.number:
                self._counts[series] += counting.number
                counting.number = 0
        return self._counts

    def counted_by(self, counting: Counting, series: Series) -> None:
        """`counting` counts `series`, too."""
        self._counting.append((series, counting))

    def tally(self, series: Series) -> Tally:
        """What counts `series` from now on, for those who do that all the time."""
        return self._tallies.setdefault(series, Tally())

    def count(self, happened: Iterable[Series]) -> None:
        """What has been put into the words of `counts` already."""
        for series in happened:
            self.tally(series).number += 1

    def injected(self, portal: str, mode: str) -> None:
        self._counts["injected", portal, mode] += 1

    def not_injected(self, reason: str) -> None:
        """A whole response was left alone."""
        tally = self._left_alone.get(reason)
        if tally is None:
            tally = self._left_alone[reason] = self.tally(("not_injected", "", reason))
        tally.number += 1

    def placement_empty(self, portal: str, reason: str) -> None:
        """One rule put nothing into a page that was eligible."""
        self._counts["placement_empty", portal, reason] += 1

    def decided(self, portal: str, access: Access) -> None:
        """The vendor was asked."""
        self._counts[f"access_{access.verdict.value}", portal, access.reason] += 1
        if access.verdict is Verdict.UNKNOWN:
            logger.warning("portal %s: no access decision (%s)", portal, access.reason)

    def alerted(self, portal: str, condition: str) -> None:
        """Something at the vendor that an operator has to look at; `providers.alerts` logs it."""
        self._counts["vendor_alert", portal, condition] += 1
        self.conditions.add((portal, condition))

    def recovered(self, portal: str, condition: str) -> None:
        """What `alerted` told of is over."""
        self.conditions.discard((portal, condition))

    def vendor_called(self, portal: str, outcome: str) -> None:
        """One call to a vendor's API, answered ("answered") or not: then the code of the error."""
        self._counts["vendor_call", portal, outcome] += 1

    def store_failed(self, reason: str) -> None:
        """The cache that replicas share was not there when it was needed; the store logs it."""
        self._counts["store_failed", "", reason] += 1

    def shared_level(self, portal: str, outcome: str) -> None:
        """Another replica's answer was looked for: found ("hit") or why not."""
        self._counts["shared_level", portal, outcome] += 1

    def minted(self, portal: str, purpose: str) -> None:
        self._counts["minted", portal, purpose] += 1

    def refused(self, portal: str, reason: str) -> None:
        """A portal route did not lead into the portal."""
        self._counts["refused", portal, reason] += 1

    def hooked(self, portal: str, outcome: str) -> None:
        """A portal's hook was called."""
        self._counts["hook", portal, outcome] += 1

    def joining(self, portal: str, outcome: str) -> None:
        """Somebody asked for a link, was invited, joined, or was refused with a reason; `joining.audit` logs it."""
        self._counts["joining", portal, outcome] += 1

    def mailed(self, kind: str, outcome: str) -> None:
        """A mail was queued or not, sent, deferred, undeliverable or has expired; the outbox logs what is amiss."""
        self._counts["mail", kind, outcome] += 1

    def failed(self, error: BaseException, where: str, portal: str = "") -> None:
        """Our own code failed: logged with its traceback, never shown."""
        self._counts["internal_error", portal, where] += 1
        logger.error("internal error in %s %s", where, portal, exc_info=error)
