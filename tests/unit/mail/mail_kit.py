"""Mailers of a test's own, at a pace at which tests do not wait."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from smtp_server import MailServer

from portal_gateway.mail.base import Mail
from portal_gateway.mail.outbox import Outbox
from portal_gateway.mail.pace import Pace
from portal_gateway.mail.queue import MailQueue
from portal_gateway.observe.events import Events
from portal_gateway.settings.mail import MailSettings
from portal_gateway.store.base import Store

JANE = "jane@vance.com"
MAIL = Mail(JANE, "Your link", "Open it.\n", "<p>Open it.</p>\n", "join")

QUICK = Pace(
    idle_s=0.01,
    waiting_s=0.01,
    first_retry_s=0.01,
    last_retry_s=0.02,
    first_reconnect_s=0.01,
    last_reconnect_s=0.02,
    goodbye_s=5,
)
# Only what `send` wakes up happens.
PATIENT = replace(QUICK, idle_s=3600, waiting_s=3600, first_retry_s=3600, last_retry_s=3600, first_reconnect_s=3600)


def settings_for(server: MailServer, **values: object) -> MailSettings:
    fields = {"host": "127.0.0.1", "port": server.port, "security": "none", "from": "Acme <portal@acme.com>"}
    return MailSettings.model_validate({**fields, **values})


@asynccontextmanager
async def running_outbox(
    server: MailServer, store: Store, events: Events | None = None, pace: Pace = QUICK, **settings: object
) -> AsyncIterator[Outbox]:
    """Closed in the end; not started."""
    outbox = Outbox(settings_for(server, **settings), MailQueue(store), events or Events(), pace)
    try:
        yield outbox
    finally:
        await outbox.aclose()


def outcomes(events: Events) -> dict[str, int]:
    """What has become of mails of the kind "join"."""
    return {
        outcome: count for (event, kind, outcome), count in events.counts.items() if (event, kind) == ("mail", "join")
    }
