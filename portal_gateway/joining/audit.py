"""Who let whom in, or was refused and why: one line each for an operator's records, and a count.

No token and no address is logged: a domain, and a mark by which the lines about one person can be told together.
"""

from __future__ import annotations

import logging

from portal_gateway.admission.addresses import Address
from portal_gateway.joining.keyring import Keyring
from portal_gateway.observe.events import Events

logger = logging.getLogger("portal_gateway.audit")


class Audit:
    """Counts and logs what happened at the doors."""

    def __init__(self, events: Events, keyring: Keyring) -> None:
        self._events = events
        self._keyring = keyring

    def record(
        self,
        portal: str,
        outcome: str,
        *,
        address: Address | None = None,
        project_id: int | None = None,
        by: str | None = None,
    ) -> None:
        """`outcome` is a slug; `by` the id of the end user who did it."""
        self._events.joining(portal, outcome)
        details = [f"portal={portal}", f"outcome={outcome}"]
        if address is not None:
            details += [f"person={self._keyring.mark('person', address.person)}", f"domain={address.domain}"]
        if project_id is not None:
            details.append(f"project={project_id}")
        if by is not None:
            details.append(f"by={self._keyring.mark('user', by)}")
        logger.info(" ".join(details))
