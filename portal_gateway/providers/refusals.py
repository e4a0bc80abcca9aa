"""An unusual share of refusals says more about our settings than about the users."""

from __future__ import annotations

from collections import deque

from portal_gateway.providers.alerts import Alerts

REFUSALS = frozenset({403, 404})
# The last so many answers count, and so many are the least to tell anything from.
WATCHED, ENOUGH = 50, 20
# Where nine of ten users have no access, a run of 20 refusals is no wonder; 48 of 50 still is one.
UNUSUAL_SHARE, USUAL_SHARE = 0.95, 0.5

SLUG = "everyone_refused"


class Refusals:
    """Watches the statuses of one vendor's answers. 401 is no part of it: the first one is an alert of its own."""

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts
        self._refused: deque[bool] = deque(maxlen=WATCHED)

    def saw(self, status: int) -> None:
        self._refused.append(status in REFUSALS)
        share = sum(self._refused) / len(self._refused)
        if len(self._refused) >= ENOUGH and share >= UNUSUAL_SHARE:
            self._alerts.raised(
                SLUG,
                f"nearly all of the last {len(self._refused)} calls were answered with 403 or 404: are the cluster,"
                " the form of the ids and the token's permissions right, does the endpoint exist?",
            )
        elif share <= USUAL_SHARE:
            self._alerts.cleared(SLUG)
