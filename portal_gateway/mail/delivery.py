"""Rounds of delivery: each mail in the queue at least once, and hardly ever twice.

It goes out twice if the connection breaks, or the process dies, between the server's taking it and our hearing of that.
Both have the same Message-ID.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from portal_gateway.mail.pace import Pace
from portal_gateway.mail.queue import MailQueue
from portal_gateway.mail.smtp import Deferred, NotSent, ServerAway, SmtpClient, Undeliverable
from portal_gateway.observe.events import Events
from portal_gateway.store.base import StoreUnavailable

logger = logging.getLogger("portal_gateway")


class Delivery:
    def __init__(
        self, queue: MailQueue, client: SmtpClient, events: Events, pace: Pace, clock: Callable[[], float] = time.time
    ) -> None:
        """`clock` tells seconds since 1970: replicas compare them."""
        self._queue = queue
        self._client = client
        self._events = events
        self._pace = pace
        self._clock = clock
        self._lease_s = 1.5 * client.max_send_s
        self._done: set[str] = set()  # and still in the queue, whose store was away then
        self._failures = 0  # to get a session, in a row

    @property
    def server_is_away(self) -> bool:
        """Whether the last round ended without a session."""
        return self._failures > 0

    async def round(self) -> float:
        """Try each mail that waits and is nobody else's; how many seconds to pause after that."""
        try:
            left = await self._round()
        except StoreUnavailable:
            return self._pace.idle_s  # the store logs it
        except ServerAway as trouble:
            if not self._failures:
                logger.warning("mail: no session with the SMTP server, mails wait (%s)", trouble)
            self._failures += 1
            return self._pace.reconnect_s(self._failures)
        except Exception as error:  # its lease keeps the mail out of the next rounds
            self._events.failed(error, "mail")
            return self._pace.waiting_s
        self._failures = 0
        return self._pace.waiting_s if left else self._pace.idle_s

    async def _round(self) -> bool:
        """Whether mails are left."""
        for mail_id in tuple(self._done):
            await self._forget(mail_id)
        waiting = await self._queue.waiting()
        gone = 0
        for mail_id in waiting:
            if await self._queue.lease(mail_id, self._lease_s):
                gone += await self._deliver(mail_id)
        if not gone:
            await self._client.hang_up()
        return gone < len(waiting)

    async def _deliver(self, mail_id: str) -> bool:
        """Whether the leased mail is out of the queue now."""
        mail = await self._queue.get(mail_id)
        if mail is None:
            if await self._queue.forget(mail_id):
                self._record(mail_id, "", "expired")
            return True
        try:
            await self._client.send(mail.to, mail.message)
        except (ServerAway, asyncio.CancelledError):
            await self._queue.give_back(mail_id)
            raise
        except Deferred as trouble:
            self._record(mail_id, mail.kind, "deferred", trouble)
            await self._queue.put_off(mail_id, self._pace.retry_s(self._clock() - mail.queued_at))
            return False
        except Undeliverable as refusal:
            self._record(mail_id, mail.kind, "undeliverable", refusal)
        else:
            self._record(mail_id, mail.kind, "sent")
        self._done.add(mail_id)
        await self._forget(mail_id)
        return True

    async def _forget(self, mail_id: str) -> None:
        await self._queue.forget(mail_id)
        self._done.discard(mail_id)

    def _record(self, mail_id: str, kind: str, outcome: str, why: NotSent | None = None) -> None:
        """The id is also in the mail's Message-ID, by which it is found in the logs of servers."""
        self._events.mailed(kind, outcome)
        if outcome != "sent":
            logger.warning("mail %s: %s%s", mail_id, outcome, f" ({why})" if why else "")
