"""Whose decision it is: users, addresses and portals are never mixed."""

from __future__ import annotations

import asyncio

from access_fakes import NO, TTL, YES, Clock, Vendor, latest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal_gateway.access.asking import Source
from portal_gateway.access.memory import MemoryLevel
from portal_gateway.access.service import AccessService
from portal_gateway.models import Access, EndUser
from portal_gateway.observe.events import Events


async def test_another_user_e_mail_address_or_portal_is_another_decision(
    vendor: Vendor, clock: Clock, events: Events, jane: EndUser
) -> None:
    other = Vendor()
    other.answer = NO
    sources = {"success": Source(vendor, TTL), "onboarding": Source(other, TTL)}
    service = AccessService(sources, MemoryLevel(100), events, clock=clock, dice=latest)
    assert (await service.decide("success", jane)).access is YES
    assert (await service.decide("onboarding", jane)).access is NO
    await service.decide("success", EndUser("8", jane.email))
    await service.decide("success", EndUser(jane.id, "jane@other.example"))
    assert (len(vendor.asked), len(other.asked)) == (3, 1)


USERS = [EndUser(str(n), f"u{n % 2}@vance.com") for n in range(4)]
STEPS = st.one_of(
    st.tuples(st.just("ask"), st.integers(0, 3), st.booleans()),
    st.tuples(st.just("cancel"), st.integers(0, 9), st.just(False)),
    st.tuples(st.just("forget"), st.integers(0, 3), st.just(False)),
    st.tuples(st.just("wait"), st.integers(0, 400), st.just(False)),
    st.tuples(st.just("open"), st.integers(0, 1), st.just(False)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_no_interleaving_mixes_users(steps: list[tuple[str, int, bool]]) -> None:
    asyncio.run(_interleave(steps))


async def _interleave(steps: list[tuple[str, int, bool]]) -> None:
    """Each user's answer carries the user's own id, so that a mix-up shows."""
    vendor, clock = Vendor(), Clock()
    vendor.answer = lambda user: Access.grant(f"for-{user.id}")
    service = AccessService({"success": Source(vendor, TTL)}, MemoryLevel(3), Events(), clock=clock, dice=latest)
    waiting: list[tuple[EndUser, asyncio.Task[object]]] = []
    for kind, number, flag in steps:
        if kind == "ask":
            user = USERS[number]
            waiting.append((user, asyncio.create_task(service.decide("success", user, for_launch=flag))))
        elif kind == "cancel" and waiting:
            waiting[number % len(waiting)][1].cancel()
        elif kind == "forget":
            service.forget("success", USERS[number].id)
        elif kind == "wait":
            clock.now += number
        elif kind == "open":
            (vendor.open.set if number else vendor.open.clear)()
        await asyncio.sleep(0)
        for user in USERS:
            peeked = service.peek("success", user)
            assert peeked is None or peeked.reason == f"for-{user.id}"
    vendor.open.set()
    for user, task in waiting:
        [result] = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(result, asyncio.CancelledError) or result.access.reason == f"for-{user.id}"
    await service.aclose()
