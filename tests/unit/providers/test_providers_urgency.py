from __future__ import annotations

import asyncio

import pytest
from virtual_time import run

from portal_gateway.providers.limiter import loop_time
from portal_gateway.providers.urgency import Hurry, Urgency, hurry, urgency

LAUNCH, PAGE, REFRESH = Urgency.LAUNCH, Urgency.PAGE, Urgency.REFRESH


@pytest.mark.parametrize(
    ("joining", "seen"),
    [
        pytest.param([], [], id="nobody"),
        pytest.param([REFRESH, REFRESH], [], id="as urgent"),
        pytest.param([LAUNCH, PAGE, LAUNCH], [LAUNCH], id="less urgent"),
        pytest.param([PAGE, LAUNCH], [PAGE, LAUNCH], id="more urgent"),
    ],
)
def test_it_grows_with_those_who_join_and_never_shrinks(joining: list[Urgency], seen: list[Urgency]) -> None:
    told: list[Urgency] = []
    question = Hurry(REFRESH)
    with question.watched(lambda: told.append(question.urgency)):
        for joins in joining:
            question.grow(joins)
    question.grow(LAUNCH)
    assert told == seen
    assert question.urgency is LAUNCH


def test_tasks_that_a_task_starts_are_in_a_hurry_with_it() -> None:
    async def part() -> Urgency:
        await asyncio.sleep(1)
        return urgency.get()

    async def scenario() -> list[Urgency]:
        hurry.set(question := Hurry(REFRESH))
        begun = asyncio.create_task(part())
        urgency.set(PAGE)
        other = asyncio.create_task(part())
        await asyncio.sleep(0.5)
        question.grow(LAUNCH)
        return [await begun, await other]

    assert run(scenario()) == [LAUNCH, PAGE]


@pytest.mark.parametrize(("joins", "slept_s"), [(LAUNCH, 1.0), (REFRESH, 5.0)])
def test_it_sleeps_until_it_grows(joins: Urgency, slept_s: float) -> None:
    async def scenario() -> float:
        question, begin = Hurry(REFRESH), loop_time()
        asyncio.get_running_loop().call_later(1.0, question.grow, joins)
        await question.sleep(5.0)
        return loop_time() - begin

    assert run(scenario()) == pytest.approx(slept_s)
