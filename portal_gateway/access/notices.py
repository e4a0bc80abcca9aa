"""Telling the other replicas what is to be dropped, for as long as it takes until the store has it.

A notice names a portal and a user by their marks. It is carried out in the store first and then told to all who
listen, so that whoever hears it finds the store clean.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from secrets import token_hex
from typing import Literal, get_args

from portal_gateway.store.base import Store, StoreUnavailable

VERSION = 1
# More than that wait for a store that is away: then the whole portal is dropped instead.
MAX_PENDING = 10_000
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 1.0
# How long a process that ends tries to get rid of its notices.
LAST_CHANCE_S = 1.0

Kind = Literal["drop", "forget", "forget_portal"]


@dataclass(frozen=True, slots=True)
class Notice:
    """`drop`: a decision proved wrong. `forget`: also what the provider keeps. `portal` and `user` are marks."""

    kind: Kind
    portal: str
    user: str = ""


def encode(notice: Notice, sender: str) -> bytes:
    value = {"v": VERSION, "from": sender, "kind": notice.kind, "portal": notice.portal, "user": notice.user}
    return json.dumps(value, separators=(",", ":")).encode()


def decode(data: bytes) -> tuple[Notice, str] | None:
    """A notice and its sender; None if that is something else, such as a message of another version."""
    try:
        value = json.loads(data)
        if value["v"] != VERSION or value["kind"] not in get_args(Kind):
            return None
        return Notice(value["kind"], str(value["portal"]), str(value["user"])), str(value["from"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


class NoticeBoard:
    """Sends notices and hears those of others."""

    def __init__(self, store: Store, carry_out: Callable[[Notice], Awaitable[None]]) -> None:
        """`carry_out` does in the store what a notice says. Raises StoreUnavailable."""
        self._store = store
        self._carry_out = carry_out
        self._name = token_hex(8)
        self._pending: dict[Notice, object] = {}
        self._sending: asyncio.Task[None] | None = None

    def listen(self, heard: Callable[[Notice], None], missed: Callable[[], None]) -> None:
        """Call `heard` with what others send, and `missed` when some of it may have been lost."""

        def on_message(data: bytes) -> None:
            decoded = decode(data)
            if decoded is not None and decoded[1] != self._name:
                heard(decoded[0])

        self._store.listen(on_message, missed)

    def is_pending(self, portal: str, user: str) -> bool:
        """Whether the store may still hold what was dropped here."""
        wanted = (Notice("drop", portal, user), Notice("forget", portal, user), Notice("forget_portal", portal))
        return bool(self._pending) and any(notice in self._pending for notice in wanted)

    def send(self, notice: Notice) -> None:
        if len(self._pending) >= MAX_PENDING:
            self._pending = {other: ticket for other, ticket in self._pending.items() if other.portal != notice.portal}
            notice = Notice("forget_portal", notice.portal)
        self._pending[notice] = object()
        if self._sending is None or self._sending.done():
            self._sending = asyncio.get_running_loop().create_task(self._send_pending())

    async def aclose(self) -> None:
        """Stop, after a last attempt if something is pending."""
        if self._sending is not None:
            await asyncio.wait({self._sending}, timeout=LAST_CHANCE_S)
            self._sending.cancel()

    async def _send_pending(self) -> None:
        pause_s = FIRST_PAUSE_S
        while self._pending:
            notice, ticket = next(iter(self._pending.items()))
            try:
                await self._carry_out(notice)
                await self._store.publish(encode(notice, self._name))
            except StoreUnavailable:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
                continue
            pause_s = FIRST_PAUSE_S
            if self._pending.get(notice) is ticket:  # not sent once more meanwhile
                del self._pending[notice]
