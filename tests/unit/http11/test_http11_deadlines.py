from __future__ import annotations

import asyncio

from portal_gateway.http11.deadlines import Deadlines


class Member:
    def __init__(self) -> None:
        self.checked = asyncio.Event()
        self.times: list[float] = []

    def check(self, now: float) -> None:
        self.times.append(now)
        self.checked.set()


async def test_members_are_looked_at_again_and_again_until_they_leave() -> None:
    deadlines, member, other = Deadlines(), Member(), Member()
    deadlines.add(member)
    deadlines.add(other)
    await member.checked.wait()
    deadlines.discard(member)
    other.checked.clear()
    await other.checked.wait()
    deadlines.discard(other)
    assert len(member.times) == 1
    assert len(other.times) == 2
    assert other.times[0] < other.times[1]


async def test_one_that_leaves_while_all_are_looked_at_disturbs_nobody() -> None:
    class Leaving(Member):
        def check(self, now: float) -> None:
            super().check(now)
            deadlines.discard(self)

    deadlines = Deadlines()
    members = [Leaving() for _ in range(5)]
    for member in members:
        deadlines.add(member)
    for member in members:
        await member.checked.wait()


async def test_it_rests_without_members_and_begins_anew() -> None:
    deadlines, member = Deadlines(), Member()
    deadlines.add(member)
    deadlines.discard(member)
    await asyncio.sleep(0.3)  # longer than a tick
    deadlines.add(member)
    await member.checked.wait()
    deadlines.discard(member)
