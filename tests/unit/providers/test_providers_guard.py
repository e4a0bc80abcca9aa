from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from virtual_time import run

from portal_gateway.errors import (
    AccessDenied,
    BreakerOpen,
    GatewayError,
    VendorBusy,
    VendorError,
    VendorRefusedUs,
    VendorUnavailable,
    VendorUnreadable,
)
from portal_gateway.observe.events import Events
from portal_gateway.providers.alerts import Alerts
from portal_gateway.providers.breaker import FIRST_PAUSE_S, MIN_FAILURES
from portal_gateway.providers.guard import Guard, Kind
from portal_gateway.providers.limiter import UNEVEN_S, loop_time
from portal_gateway.providers.urgency import Hurry, Urgency, hurry, urgency
from portal_gateway.store.memory import MemoryStore

TIMEOUT_S = 5.0

AWAY = VendorUnavailable("reset")
NOT_SENT = VendorUnavailable("refused", sent=False)
BUSY = VendorBusy("429", 30.0)


class Vendor:
    """Does with each call what a test wrote down: answers, raises, or takes so many seconds; at last it answers."""

    def __init__(self, *outcomes: str | Exception | float) -> None:
        self.outcomes = list(outcomes)
        self.calls: list[float] = []

    async def __call__(self) -> str:
        self.calls.append(loop_time())
        outcome = self.outcomes.pop(0) if self.outcomes else "answer"
        if isinstance(outcome, Exception):
            raise outcome
        if isinstance(outcome, float):
            await asyncio.sleep(outcome)
            raise AWAY
        return outcome


class Bench:
    def __init__(self, **options: Any) -> None:
        self.events = Events()
        limits = {"per_minute": 6000, **options}
        self.guard = Guard("success", Alerts("success", self.events), timeout_s=TIMEOUT_S, clock=loop_time, **limits)

    def alerts(self, slug: str) -> int:
        return self.events.counts["vendor_alert", "success", slug]

    async def error(self, vendor: Callable[[], Coroutine[Any, Any, str]], kind: Kind = Kind.READ) -> GatewayError:
        with pytest.raises(GatewayError) as caught:
            await self.guard.run(vendor, kind)
        return caught.value

    async def opened(self) -> None:
        """The breaker opens: mints are not tried twice, so each is one failure."""
        for _ in range(MIN_FAILURES):
            assert await self.error(Vendor(AWAY), Kind.MINT) is AWAY


# --- the second try -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcomes", "kind", "result", "calls"),
    [
        pytest.param(["yes"], Kind.READ, "yes", 1, id="works"),
        pytest.param([AWAY, "yes"], Kind.READ, "yes", 2, id="a read is asked again"),
        pytest.param([AWAY, "yes"], Kind.LIST, "yes", 2, id="a list is asked again"),
        pytest.param([AWAY, "yes"], Kind.MINT, AWAY, 1, id="a mint that may have happened is not"),
        pytest.param([NOT_SENT, "yes"], Kind.MINT, "yes", 2, id="a mint that cannot have happened is"),
        pytest.param([NOT_SENT, AWAY, "yes"], Kind.MINT, AWAY, 2, id="a mint: not a third time"),
        pytest.param([AWAY, NOT_SENT, "yes"], Kind.READ, NOT_SENT, 2, id="a read: not a third time"),
        pytest.param([AWAY, BUSY], Kind.READ, BUSY, 2, id="the second answer counts"),
        pytest.param([BUSY], Kind.READ, BUSY, 1, id="429"),
        pytest.param([VendorRefusedUs("401")], Kind.READ, VendorRefusedUs, 1, id="401"),
        pytest.param([VendorError("400")], Kind.READ, VendorError, 1, id="400"),
        pytest.param([VendorUnreadable("html")], Kind.READ, VendorUnreadable, 1, id="garbage"),
        pytest.param([AccessDenied("404")], Kind.READ, AccessDenied, 1, id="404"),
        pytest.param([ValueError("a bug")], Kind.READ, ValueError, 1, id="a bug of ours"),
        pytest.param([TIMEOUT_S * 2], Kind.READ, VendorUnavailable, 1, id="hangs"),
        pytest.param([TIMEOUT_S * 0.6], Kind.READ, AWAY, 1, id="fails late"),
        pytest.param([TIMEOUT_S * 0.4, "yes"], Kind.READ, "yes", 2, id="fails soon"),
        pytest.param([TIMEOUT_S * 0.4, TIMEOUT_S], Kind.READ, VendorUnavailable, 2, id="fails soon, then hangs"),
    ],
)
def test_what_is_asked_twice(outcomes: list[Any], kind: Kind, result: Any, calls: int) -> None:
    async def scenario() -> None:
        bench, vendor, begin = Bench(), Vendor(*outcomes), loop_time()
        if isinstance(result, str):
            assert await bench.guard.run(vendor, kind) == result
        else:
            with pytest.raises(Exception) as caught:  # noqa: PT011
                await bench.guard.run(vendor, kind)
            assert caught.value is result or type(caught.value) is result
        assert len(vendor.calls) == calls
        assert loop_time() - begin <= TIMEOUT_S

    run(scenario())


def test_the_second_try_comes_a_little_later_and_not_always_at_the_same_time() -> None:
    async def scenario() -> set[float]:
        pauses = set()
        for _ in range(20):
            vendor = Vendor(AWAY)
            await Bench().guard.run(vendor)
            pauses.add(round(vendor.calls[1] - vendor.calls[0], 3))
        return pauses

    pauses = run(scenario())
    assert min(pauses) >= 0.05
    assert max(pauses) <= 0.26
    assert len(pauses) > 5


def test_the_second_try_counts_against_the_limit_and_does_not_wait_for_it() -> None:
    async def scenario() -> None:
        bench, vendor = Bench(per_minute=10), Vendor(AWAY)
        assert await bench.error(vendor) is AWAY
        assert len(vendor.calls) == 1
        assert bench.alerts("rate_limit") == 0

    run(scenario())


# --- the breaker ----------------------------------------------------------------------------------


def test_after_failures_nothing_is_sent_and_nothing_is_waited_for() -> None:
    async def scenario() -> None:
        bench, vendor = Bench(), Vendor()
        await bench.opened()
        call = bench.guard.run(vendor)
        with pytest.raises(BreakerOpen):
            call.send(None)  # an answer before anything could be awaited
        assert vendor.calls == []

    run(scenario())


@pytest.mark.parametrize(
    ("outcome", "opens"),
    [
        pytest.param(AWAY, True, id="connection lost"),
        pytest.param(NOT_SENT, True, id="connection refused"),
        pytest.param(VendorUnreadable("html"), True, id="garbage"),
        pytest.param(TIMEOUT_S * 2, True, id="time-out"),
        pytest.param(AccessDenied("404"), False, id="404"),
        pytest.param(VendorRefusedUs("401"), False, id="401"),
        pytest.param(VendorError("400"), False, id="400"),
        pytest.param(VendorBusy("429", 0.0), False, id="429"),
        pytest.param(ValueError("a bug"), False, id="a bug of ours"),
    ],
)
def test_what_opens_it(outcome: Any, opens: bool) -> None:
    async def scenario() -> None:
        bench = Bench()
        vendor = Vendor(*[outcome] * 100)
        for _ in range(MIN_FAILURES * 3):
            with pytest.raises(Exception):  # noqa: B017, PT011
                await bench.guard.run(vendor)
        assert (bench.alerts("breaker_open") > 0) is opens
        assert (len(vendor.calls) < MIN_FAILURES * 3) is opens

    run(scenario())


def test_one_call_finds_out_whether_the_vendor_is_back() -> None:
    async def scenario() -> None:
        bench = Bench()
        await bench.opened()
        await asyncio.sleep(FIRST_PAUSE_S)
        probe = Vendor(TIMEOUT_S * 0.2)
        probing = asyncio.create_task(bench.error(probe))
        await asyncio.sleep(0.1)
        others = Vendor()
        assert isinstance(await bench.error(others), BreakerOpen)
        assert await probing is AWAY
        assert isinstance(await bench.error(others), BreakerOpen)
        assert (len(probe.calls), len(others.calls)) == (1, 0), "a probe is not tried twice"

        await asyncio.sleep(FIRST_PAUSE_S * 2)
        assert await bench.guard.run(others) == "answer"
        assert await bench.guard.run(others) == "answer"

    run(scenario())


@pytest.mark.parametrize(
    ("who", "ends"),
    [
        pytest.param(Urgency.PAGE, BreakerOpen, id="for a page: unanswered"),
        pytest.param(Urgency.REFRESH, BreakerOpen, id="in the background: unanswered"),
        pytest.param(Urgency.LAUNCH, str, id="for a click: answered"),
    ],
)
def test_when_it_opens_only_a_person_waits_for_what_was_sent_before(who: Urgency, ends: type) -> None:
    async def scenario() -> None:
        bench, begin = Bench(), loop_time()

        async def slow() -> str:
            await asyncio.sleep(TIMEOUT_S * 0.8)
            return "answer"

        urgency.set(who)
        slow_call = asyncio.create_task(bench.guard.run(slow))
        urgency.set(Urgency.LAUNCH)
        await asyncio.sleep(0.1)
        await bench.opened()
        await asyncio.wait([slow_call])
        assert type(slow_call.exception() or slow_call.result()) is ends
        assert (loop_time() - begin < 0.2) is (ends is BreakerOpen)

    run(scenario())


def test_when_it_opens_a_call_that_a_click_has_joined_is_answered() -> None:
    async def scenario() -> None:
        bench, question = Bench(), Hurry(Urgency.REFRESH)

        async def slow() -> str:
            await asyncio.sleep(TIMEOUT_S * 0.8)
            return "answer"

        hurry.set(question)
        slow_call = asyncio.create_task(bench.guard.run(slow))
        urgency.set(Urgency.LAUNCH)
        await asyncio.sleep(0.1)
        question.grow(Urgency.LAUNCH)
        await bench.opened()
        assert await slow_call == "answer"

    run(scenario())


@pytest.mark.parametrize("who", Urgency)
def test_the_call_that_opens_it_fails_in_its_own_way(who: Urgency) -> None:
    async def scenario() -> None:
        bench = Bench()
        urgency.set(who)
        await bench.opened()
        assert type(await bench.error(Vendor())) is BreakerOpen
        assert bench.alerts("breaker_open") == 1

    run(scenario())


def test_a_click_that_joins_a_call_in_the_queue_takes_it_along() -> None:
    async def scenario() -> None:
        bench, vendor, question = Bench(per_minute=60), Vendor(), Hurry(Urgency.REFRESH)
        urgency.set(Urgency.REFRESH)
        others = [asyncio.create_task(bench.guard.run(Vendor())) for _ in range(10)]
        hurry.set(question)
        joined = asyncio.create_task(bench.guard.run(vendor))
        await asyncio.sleep(0.1)
        begin = loop_time()
        question.grow(Urgency.LAUNCH)
        assert await joined == "answer"
        assert vendor.calls == [begin]
        assert sum(other.done() for other in others) == 3
        for other in others:
            other.cancel()

    run(scenario())


def test_when_it_opens_whoever_waits_for_a_turn_is_told_at_once() -> None:
    async def scenario() -> None:
        bench, vendor = Bench(per_minute=60), Vendor()
        for _ in range(4):
            await bench.guard.run(vendor)
        urgency.set(Urgency.PAGE)
        waiting = [asyncio.create_task(bench.guard.run(vendor)) for _ in range(3)]
        urgency.set(Urgency.LAUNCH)
        await bench.opened()
        begin = loop_time()
        await asyncio.wait(waiting)
        assert {type(call.exception()) for call in waiting} == {BreakerOpen}
        assert loop_time() == begin
        assert len(vendor.calls) == 4

    run(scenario())


def test_a_probe_whose_caller_left_tells_nothing() -> None:
    async def scenario() -> None:
        bench = Bench()
        await bench.opened()
        await asyncio.sleep(FIRST_PAUSE_S)
        probing = asyncio.create_task(bench.guard.run(Vendor(3600.0)))
        await asyncio.sleep(0.1)
        probing.cancel()
        await asyncio.wait([probing])
        assert await bench.guard.run(Vendor()) == "answer"

    run(scenario())


def test_calls_that_wait_for_their_turn_are_not_made_when_it_has_opened() -> None:
    async def scenario() -> None:
        bench = Bench(per_minute=60)
        vendor = Vendor(*[AWAY] * 100)
        outcomes = await asyncio.gather(*(bench.guard.run(vendor, Kind.MINT) for _ in range(8)), return_exceptions=True)
        assert len(vendor.calls) == MIN_FAILURES
        assert {type(outcome) for outcome in outcomes} >= {BreakerOpen, VendorUnavailable}

    run(scenario())


def test_it_is_told_when_it_opens_and_once_until_the_vendor_is_back(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        bench = Bench()
        for round_ in (1, 2):
            await bench.opened()
            await asyncio.sleep(60)
            await bench.error(Vendor(AWAY))
            assert bench.alerts("breaker_open") == 2 * round_
            assert len(caplog.records) == round_
            await asyncio.sleep(60)
            await bench.guard.run(Vendor())

    run(scenario())
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


# --- the limits -----------------------------------------------------------------------------------


def test_a_429_makes_all_calls_of_the_portal_wait_in_all_replicas() -> None:
    async def scenario() -> None:
        store = MemoryStore(clock=loop_time)
        bench, replica = Bench(lists_per_minute=600, store=store), Bench(lists_per_minute=600, store=store)
        assert await bench.error(Vendor(BUSY), Kind.LIST) is BUSY
        vendor = Vendor()
        for guard in (bench, replica):
            for kind in Kind:
                error = await guard.error(vendor, kind)
                assert isinstance(error, VendorBusy)
                assert error.retry_after_s == pytest.approx(30, abs=0.1)
        assert vendor.calls == []

        await asyncio.sleep(27)
        begin = loop_time()
        assert await replica.guard.run(vendor) == "answer"
        assert loop_time() - begin == pytest.approx(3, abs=0.1)

    run(scenario())


def test_lists_have_a_limit_of_their_own_within_that_of_all_calls() -> None:
    async def scenario() -> None:
        bench = Bench(per_minute=400, lists_per_minute=60)
        vendor, begin = Vendor(), loop_time()
        for _ in range(6):
            await bench.guard.run(vendor, Kind.LIST)
        assert loop_time() == begin
        await bench.guard.run(vendor, Kind.LIST)
        assert loop_time() - begin > 1
        begin = loop_time()
        for _ in range(30):
            await bench.guard.run(vendor, Kind.READ)
        assert loop_time() == begin

    run(scenario())


@pytest.mark.parametrize(("who", "wait_s"), [(Urgency.LAUNCH, 5.0), (Urgency.PAGE, 10.0), (Urgency.REFRESH, 20.0)])
def test_how_long_a_call_may_wait_depends_on_who_waits(who: Urgency, wait_s: float) -> None:
    async def scenario() -> None:
        urgency.set(who)
        bench, begin = Bench(per_minute=60), loop_time()
        vendor = Vendor()
        outcomes = await asyncio.gather(*(bench.guard.run(vendor) for _ in range(100)), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {str, VendorBusy}
        assert wait_s - 1.5 < vendor.calls[-1] - begin <= wait_s + UNEVEN_S

    run(scenario())


def test_without_being_told_a_call_is_one_that_a_person_waits_for() -> None:
    assert urgency.get() is Urgency.LAUNCH


def test_a_lack_of_room_is_told_once_while_it_lasts(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> Bench:
        bench = Bench(per_minute=60)
        for round_ in (1, 2):
            for _ in range(3):
                await asyncio.gather(*(bench.guard.run(Vendor()) for _ in range(100)), return_exceptions=True)
                await bench.guard.run(Vendor())
            assert len(caplog.records) == round_
            await asyncio.sleep(120)
            await bench.guard.run(Vendor())
        return bench

    assert run(scenario()).alerts("rate_limit") > 500


def test_closing_lets_nobody_wait() -> None:
    async def scenario() -> None:
        bench, vendor = Bench(per_minute=60), Vendor()
        calls = [asyncio.create_task(bench.guard.run(vendor)) for _ in range(7)]
        await asyncio.sleep(0.1)
        await bench.guard.aclose()
        await asyncio.wait(calls)
        assert [call.cancelled() for call in calls] == [False] * 6 + [True]

    run(scenario())
