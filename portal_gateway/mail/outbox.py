"""The mailer: takes mails at once, delivers them in the background."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from datetime import UTC, datetime
from secrets import token_hex

from portal_gateway.mail.base import Mail, Mailer, MailUnavailable
from portal_gateway.mail.delivery import Delivery
from portal_gateway.mail.message import compose
from portal_gateway.mail.pace import Pace
from portal_gateway.mail.queue import MailQueue, QueueFull, Waiting
from portal_gateway.mail.smtp import SmtpClient
from portal_gateway.observe.events import Events
from portal_gateway.settings.mail import MailSettings, parse_mailbox
from portal_gateway.store.base import Store, StoreUnavailable

logger = logging.getLogger("portal_gateway")


def open_mailer(settings: MailSettings, store: Store, events: Events) -> Mailer:
    """Connects to nothing. Close it before the store."""
    return Outbox(settings, MailQueue(store), events, Pace())


class Outbox:
    """A `Mailer` by SMTP. One task of its own delivers."""

    def __init__(self, settings: MailSettings, queue: MailQueue, events: Events, pace: Pace) -> None:
        self._sender = parse_mailbox(settings.from_)
        self._reply_to = parse_mailbox(settings.reply_to or settings.from_)
        self._queue = queue
        self._events = events
        self._pace = pace
        self._client = SmtpClient(settings)
        self._delivery = Delivery(queue, self._client, events, pace)
        self._woken = asyncio.Event()
        self._closing = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._worker is None and not self._closing.is_set():
            self._worker = asyncio.create_task(self._work(), name="mail outbox")

    async def send(self, mail: Mail) -> None:
        mail_id, now = token_hex(16), time.time()
        message = compose(mail, mail_id, self._sender, self._reply_to, datetime.fromtimestamp(now, UTC))
        try:
            await self._queue.put(mail_id, Waiting(mail.kind, mail.to, now, message), mail.ttl_s)
        except (QueueFull, StoreUnavailable) as error:
            self._events.mailed(mail.kind, "not_queued")
            full = isinstance(error, QueueFull)
            raise MailUnavailable("too many mails wait" if full else "the store does not answer") from None
        self._events.mailed(mail.kind, "queued")
        self.start()
        self._woken.set()

    async def aclose(self) -> None:
        self._closing.set()
        self._woken.set()
        if self._worker is not None:
            await asyncio.wait({self._worker}, timeout=self._pace.goodbye_s)
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
        await self._client.hang_up()
        if not self._queue.shared and (lost := len(await self._queue.waiting())):
            logger.warning("mail: %d undelivered end with this process; a shared `cache` would keep them", lost)

    async def _work(self) -> None:
        while not (self._closing.is_set() and self._delivery.server_is_away):
            self._woken.clear()
            pause_s = await self._delivery.round()
            if self._closing.is_set():
                return
            # A server that is away is not asked again because there is one more mail for it.
            something = self._closing if self._delivery.server_is_away else self._woken
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await something.wait()
