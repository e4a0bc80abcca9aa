from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from portal_gateway.access.asking import Source
from portal_gateway.access.freshness import Lifetimes
from portal_gateway.access.keys import PortalKeys
from portal_gateway.access.memory import MemoryLevel
from portal_gateway.access.replicas import Replicas
from portal_gateway.access.service import AccessService
from portal_gateway.access.shared import SharedLevel
from portal_gateway.errors import IncompleteIdentity
from portal_gateway.models import Access, EndUser
from portal_gateway.observe.events import Events
from portal_gateway.providers.base import Purpose
from portal_gateway.providers.urgency import Urgency, urgency
from portal_gateway.store.base import Store, StoreUnavailable
from portal_gateway.store.memory import MemoryStore

TTL = Lifetimes(granted_s=300, denied_s=60, stale_s=3600)
YES, NO = Access.grant("vendor_yes"), Access.deny("vendor_no")


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def latest() -> float:
    """Dice that put off every background question until the TTL is over."""
    return 0.0


class Vendor:
    """A provider whose answer is `answer`: an Access, an exception to raise, or a function of the user."""

    frame_origin = "https://vendor.example"
    embeds = True

    def __init__(self) -> None:
        self.answer: Access | Exception | Callable[[EndUser], Access] = YES
        self.link: str | Exception = "https://vendor.example/signed"
        self.asked: list[EndUser] = []
        self.asked_for: list[Urgency] = []
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
        self.asked_for.append(urgency.get())
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
    for _ in range(50):
        await asyncio.sleep(0)


class SharedStore(MemoryStore):
    """A store for several services in this process, which can be away and remembers what it was asked."""

    shared = True

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.calls: list[tuple[str, str]] = []
        self.missed: list[Callable[[], None]] = []

    def values(self) -> dict[str, bytes]:
        return {key: value for key, (value, _) in self._entries.items()}

    def forget_everything(self) -> None:
        self._entries.clear()

    def listen(self, heard: Callable[[bytes], None], missed: Callable[[], None]) -> None:
        super().listen(lambda message: None if self.away else heard(message), missed)
        self.missed.append(missed)

    async def get(self, key: str) -> bytes | None:
        await self._called("get", key)
        return await super().get(key)

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        await self._called("put", key)
        await super().put(key, value, ttl_s)

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        await self._called("add", key)
        return await super().add(key, value, ttl_s)

    async def put_if(self, guard: str, expected: bytes, key: str, value: bytes, ttl_s: float) -> bool:
        await self._called("put_if", key)
        return await super().put_if(guard, expected, key, value, ttl_s)

    async def drop(self, *keys: str) -> None:
        await self._called("drop", *keys)
        await super().drop(*keys)

    async def drop_if(self, key: str, expected: bytes) -> bool:
        await self._called("drop_if", key)
        return await super().drop_if(key, expected)

    async def publish(self, message: bytes) -> None:
        await self._called("publish", "")
        await super().publish(message)

    async def _called(self, name: str, *keys: str) -> None:
        self.calls += [(name, key) for key in keys]
        await asyncio.sleep(0)
        if self.away:
            raise StoreUnavailable("away")


SECRET = b"the portal's api secret"


def replica(
    vendors: Vendor | Mapping[str, Vendor],
    store: Store,
    clock: Clock,
    *,
    secret: bytes = SECRET,
    rules: str = "",
    launch_wait_s: float = 5.0,
    dice: Callable[[], float] = latest,
) -> AccessService:
    """One gateway's service; those with the same store, secret and rules share decisions."""
    by_name = {"success": vendors} if isinstance(vendors, Vendor) else dict(vendors)
    keys = {name: PortalKeys(name, secret, rules) for name in by_name}
    events = Events()
    lifetimes = dict.fromkeys(by_name, TTL)
    level = SharedLevel(store, keys, lifetimes, events, clock=clock, dice=latest, launch_wait_s=launch_wait_s)
    sources = {name: Source(vendor, TTL) for name, vendor in by_name.items()}
    return AccessService(sources, MemoryLevel(1000), events, Replicas(keys, level), clock=clock, dice=dice)
