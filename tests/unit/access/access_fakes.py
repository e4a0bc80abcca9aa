from __future__ import annotations

import asyncio
from collections.abc import Callable

from portal_gateway.access.freshness import Lifetimes
from portal_gateway.errors import IncompleteIdentity
from portal_gateway.models import Access, EndUser
from portal_gateway.providers.base import Purpose

TTL = Lifetimes(granted_s=300, denied_s=60, stale_s=3600)
YES, NO = Access.grant("vendor_yes"), Access.deny("vendor_no")


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Vendor:
    """A provider whose answer is `answer`: an Access, an exception to raise, or a function of the user."""

    frame_origin = "https://vendor.example"
    embeds = True

    def __init__(self) -> None:
        self.answer: Access | Exception | Callable[[EndUser], Access] = YES
        self.link: str | Exception = "https://vendor.example/signed"
        self.asked: list[EndUser] = []
        self.minted: list[tuple[str, Purpose, str | None]] = []
        self.forgotten = 0
        self.open = asyncio.Event()
        self.open.set()

    def subject(self, user: EndUser) -> str:
        if user.email is None:
            raise IncompleteIdentity("email")
        return user.email

    async def check_access(self, user: EndUser) -> Access:
        self.asked.append(user)
        answer = self.answer
        await self.open.wait()
        if isinstance(answer, Exception):
            raise answer
        return answer(user) if callable(answer) else answer

    async def mint(self, user: EndUser, purpose: Purpose, choice: str | None = None) -> str:
        self.minted.append((user.id, purpose, choice))
        if isinstance(self.link, Exception):
            raise self.link
        return self.link

    def forget(self) -> None:
        self.forgotten += 1

    async def aclose(self) -> None: ...


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(5):
        await asyncio.sleep(0)
