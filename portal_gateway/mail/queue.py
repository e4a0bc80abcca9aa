"""Mails that wait to be sent, in a store: if that is shared, any replica sends them, also after a restart.

- A mail is under a key of its own until it was sent or is not worth sending any more; an index names those that wait.
- Whoever wants to send one takes the lease on it first. A mail that is put off keeps its lease for that long.
- A mail is stored before it is named, and dropped before it is forgotten: what stops half-way loses none, and sends
  none again.

Addresses are in values only, which are dropped when the mail was sent.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import token_hex

from portal_gateway.store.base import Store, StoreUnavailable

# Of some 10 KB each.
MAX_WAITING = 1_000
MAX_TTL_S = 30 * 24 * 3600.0

_INDEX = "mail-index"
# Each failure to change the index means that another replica did.
_MAX_TRIES = 100


class QueueFull(Exception):
    """So many mails wait that no more are taken."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A mail that waits since `queued_at`, in seconds since 1970."""

    kind: str
    to: str = field(repr=False)
    queued_at: float
    message: bytes = field(repr=False)

    def encode(self) -> bytes:
        return json.dumps([self.kind, self.to, self.queued_at]).encode() + b"\n" + self.message

    @classmethod
    def decode(cls, value: bytes) -> Waiting:
        head, _, message = value.partition(b"\n")
        kind, to, queued_at = json.loads(head)
        return cls(kind, to, queued_at, message)


class MailQueue:
    """Every method raises StoreUnavailable."""

    def __init__(self, store: Store, max_waiting: int = MAX_WAITING) -> None:
        self._store = store
        self._max_waiting = max_waiting
        self._holder = token_hex(16).encode()
        self._changing = asyncio.Lock()
        self.shared = store.shared

    async def put(self, mail_id: str, mail: Waiting, ttl_s: float) -> None:
        """Raises QueueFull."""
        await self._store.put(_mail(mail_id), mail.encode(), min(ttl_s, MAX_TTL_S))

        def appended(ids: list[str]) -> list[str]:
            if len(ids) >= self._max_waiting:
                raise QueueFull
            return [*ids, mail_id]

        try:
            await self._change_index(appended)
        except QueueFull:
            await self._store.drop(_mail(mail_id))
            raise

    async def waiting(self) -> list[str]:
        """Ids of the mails that wait, the oldest first; some of them are leased."""
        return _ids(await self._store.get(_INDEX))

    async def lease(self, mail_id: str, lease_s: float) -> bool:
        """Whether the mail is ours to send for `lease_s` seconds."""
        return await self._store.add(_lease(mail_id), self._holder, lease_s)

    async def get(self, mail_id: str) -> Waiting | None:
        """None when it is not worth sending any more."""
        value = await self._store.get(_mail(mail_id))
        return None if value is None else Waiting.decode(value)

    async def put_off(self, mail_id: str, delay_s: float) -> None:
        """Keep a leased mail from everybody for so long."""
        lease = _lease(mail_id)
        await self._store.put_if(lease, self._holder, lease, self._holder, delay_s)

    async def give_back(self, mail_id: str) -> None:
        """Let others send a leased mail."""
        await self._store.drop_if(_lease(mail_id), self._holder)

    async def forget(self, mail_id: str) -> bool:
        """The mail was sent, or never will be. Whether it still waited."""
        await self._store.drop(_mail(mail_id))
        waited = await self._change_index(lambda ids: [other for other in ids if other != mail_id])
        await self.give_back(mail_id)
        return waited

    async def _change_index(self, change: Callable[[list[str]], list[str]]) -> bool:
        """Whether that changed anything."""
        async with self._changing:
            for _ in range(_MAX_TRIES):
                before = await self._store.get(_INDEX)
                ids = _ids(before)
                changed = change(ids)
                if changed == ids:
                    return False
                if await self._swap_index(before, " ".join(changed).encode()):
                    return True
        raise StoreUnavailable("contended")

    async def _swap_index(self, before: bytes | None, after: bytes) -> bool:
        if before is None:
            return await self._store.add(_INDEX, after, MAX_TTL_S)
        return await self._store.put_if(_INDEX, before, _INDEX, after, MAX_TTL_S)


def _ids(value: bytes | None) -> list[str]:
    return (value or b"").decode().split()


def _mail(mail_id: str) -> str:
    return f"mail:{mail_id}"


def _lease(mail_id: str) -> str:
    return f"mail-lease:{mail_id}"
