from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_time import run

from portal_gateway.errors import VendorBusy
from portal_gateway.providers.limiter import MAX_WAIT_S, Limiter, loop_time
from portal_gateway.providers.pause import Pause
from portal_gateway.providers.urgency import Hurry, Urgency
from portal_gateway.store.base import Store, StoreUnavailable
from portal_gateway.store.memory import MemoryStore
from portal_gateway.store.retrying import RetryingStore

LAUNCH, PAGE, REFRESH = Urgency.LAUNCH, Urgency.PAGE, Urgency.REFRESH
PATIENT_S = 1e6
PATIENCE_S = dict.fromkeys(Urgency, PATIENT_S)


class Replica:
    """A limiter, and when the calls left that it let through."""

    def __init__(self, per_minute: int, store: Store | None = None) -> None:
        self.store = MemoryStore(clock=loop_time) if store is None else store
        self.pause = Pause("success", self.store, loop_time)
        self.limiter = Limiter("success", per_minute, self.pause, self.store)
        self.left: list[float] = []
        self.order: list[Urgency] = []

    async def call(self, urgency: Urgency = LAUNCH, max_wait_s: float = PATIENT_S) -> None:
        await self.question(Hurry(urgency), dict.fromkeys(Urgency, max_wait_s))

    async def question(self, hurry: Hurry, max_wait_s: Mapping[Urgency, float] = MAX_WAIT_S) -> None:
        await self.limiter.turn(hurry, max_wait_s)
        self.left.append(loop_time())
        self.order.append(hurry.urgency)


class AwayStore(MemoryStore):
    away = True

    async def spend(self, key: str, per_minute: float, burst: int, max_wait_s: float) -> float:
        if self.away:
            raise StoreUnavailable("away")
        return await super().spend(key, per_minute, burst, max_wait_s)

    async def get(self, key: str) -> bytes | None:
        if self.away:
            raise StoreUnavailable("away")
        return await super().get(key)

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        if self.away:
            raise StoreUnavailable("away")
        await super().put(key, value, ttl_s)


class SpuriousStore(MemoryStore):
    """Answers too late now and then; what was asked may be done or not."""

    def __init__(self, share: float) -> None:
        super().__init__(clock=loop_time)
        self._share = share
        self._dice = random.Random(1)

    async def spend(self, key: str, per_minute: float, burst: int, max_wait_s: float) -> float:
        late, arrives = self._dice.random() < self._share, self._dice.random() < 0.2
        wait_s = await super().spend(key, per_minute, burst, max_wait_s) if arrives or not late else 0.0
        if late:
            await asyncio.sleep(0.05)
            raise StoreUnavailable("no answer in time")
        return wait_s

    def forget_everything(self) -> None:
        self._entries.clear()


def most_in_a_minute(times: Sequence[float]) -> int:
    """However a vendor counts its minutes, it sees no more than this in one of them."""
    ordered = sorted(times)
    return max((sum(1 for t in ordered if begin <= t < begin + 60) for begin in ordered), default=0)


def refused(call: asyncio.Task[None]) -> bool:
    return isinstance(call.exception(), VendorBusy)


@settings(max_examples=60, deadline=None)
@given(
    per_minute=st.sampled_from([1, 2, 3, 9, 10, 60, 200, 400]),
    replicas=st.integers(1, 3),
    arrivals=st.lists(
        st.tuples(st.floats(0, 40), st.integers(1, 60), st.sampled_from(Urgency), st.integers(0, 2)), max_size=12
    ),
)
def test_no_minute_has_more_calls_than_the_limit(
    per_minute: int, replicas: int, arrivals: list[tuple[float, int, Urgency, int]]
) -> None:
    async def scenario() -> list[float]:
        store = MemoryStore(clock=loop_time)
        shared = [Replica(per_minute, store) for _ in range(replicas)]
        calls = []
        for pause_s, count, urgency, number in arrivals:
            await asyncio.sleep(pause_s)
            replica = shared[number % replicas]
            calls += [asyncio.create_task(replica.call(urgency, MAX_WAIT_S[urgency])) for _ in range(count)]
        await asyncio.gather(*calls, return_exceptions=True)
        assert all(call.exception() is None or refused(call) for call in calls)
        assert not any(replica.limiter._waiting for replica in shared)
        return [moment for replica in shared for moment in replica.left]

    assert most_in_a_minute(run(scenario())) <= per_minute


@pytest.mark.parametrize("per_minute", [60, 200, 400])
def test_under_pressure_most_of_the_limit_is_used(per_minute: int) -> None:
    async def scenario() -> list[float]:
        replica = Replica(per_minute)
        begin = loop_time()
        calls = [asyncio.create_task(replica.call(LAUNCH)) for _ in range(per_minute * 4)]
        await asyncio.gather(*calls)
        return [moment - begin for moment in replica.left]

    left = run(scenario())
    minutes = [sum(minute * 60 <= moment < minute * 60 + 60 for moment in left) for minute in range(3)]
    assert all(0.8 * per_minute <= count <= per_minute for count in minutes), minutes
    assert most_in_a_minute(left) <= 0.95 * per_minute, "a twentieth is left for calls that are held up on their way"


def test_an_idle_limit_lets_a_tenth_leave_at_once() -> None:
    async def scenario() -> tuple[int, float]:
        replica = Replica(200)
        begin = loop_time()
        for _ in range(20):
            await replica.call()
        at_once = len([moment for moment in replica.left if moment == begin])
        await replica.call()
        return at_once, replica.left[-1] - begin

    at_once, wait_s = run(scenario())
    assert at_once == 20
    assert 0 < wait_s < 60 / 150


@pytest.mark.parametrize("same_process", [True, False], ids=["one process", "two replicas"])
def test_a_launch_goes_at_once_while_pages_and_refreshes_queue(same_process: bool) -> None:
    async def scenario() -> float:
        store = MemoryStore(clock=loop_time)
        busy = Replica(200, store)
        queue = [asyncio.create_task(busy.call(urgency)) for urgency in [PAGE, REFRESH] * 50]
        await asyncio.sleep(10)
        begin = loop_time()
        await (busy if same_process else Replica(200, store)).call(LAUNCH)
        for call in queue:
            call.cancel()
        return loop_time() - begin

    assert run(scenario()) == 0


def test_the_more_urgent_go_first_and_equals_in_order() -> None:
    async def scenario() -> list[Urgency]:
        replica = Replica(60)
        for _ in range(6):
            await replica.call(LAUNCH)
        replica.order.clear()
        await asyncio.gather(*(replica.call(u) for u in [REFRESH, PAGE, LAUNCH] * 5))
        return replica.order

    assert run(scenario()) == [LAUNCH] * 5 + [PAGE] * 5 + [REFRESH] * 5


def test_whoever_grows_more_urgent_overtakes_the_less_urgent_and_nobody_else() -> None:
    async def scenario() -> tuple[float, list[str]]:
        replica = Replica(60)
        for _ in range(6):
            await replica.call()
        names = {f"{who.name.lower()} {number}": Hurry(who) for who in Urgency for number in range(3)}
        left: list[str] = []
        calls = [asyncio.create_task(replica.question(hurry, PATIENCE_S)) for hurry in names.values()]
        for call, name in zip(calls, names, strict=True):
            call.add_done_callback(lambda _, name=name: left.append(name))
        await asyncio.sleep(0.5)
        names["refresh 1"].grow(PAGE)
        names["page 2"].grow(LAUNCH)
        names["refresh 1"].grow(LAUNCH)
        await asyncio.gather(*calls)
        return most_in_a_minute(replica.left), left

    most, left = run(scenario())
    assert left == [
        *("launch 0", "launch 1", "launch 2", "page 2", "refresh 1"),
        *("page 0", "page 1", "refresh 0", "refresh 2"),
    ]
    assert most <= 60


def test_a_refresh_that_a_launch_joins_goes_at_once_where_there_is_room_for_a_launch() -> None:
    async def scenario() -> float:
        replica = Replica(60)  # of which 6 may leave at once, 3 of them in the background
        hurries = [Hurry(REFRESH) for _ in range(10)]
        calls = [asyncio.create_task(replica.question(hurry)) for hurry in hurries]
        await asyncio.sleep(0.1)
        begin = loop_time()
        hurries[9].grow(LAUNCH)
        await calls[9]
        assert [call.done() for call in calls] == [True] * 3 + [False] * 6 + [True]
        for call in calls:
            call.cancel()
        return loop_time() - begin

    assert run(scenario()) == 0


@pytest.mark.parametrize("waited_s", [0.0, 18.0])
@pytest.mark.parametrize("launches", [0, 20], ids=["room", "no room"])
def test_whoever_grows_more_urgent_waits_as_long_as_one_who_comes_now(waited_s: float, launches: int) -> None:
    async def scenario() -> tuple[type, float]:
        replica = Replica(60)
        await replica.pause.begin(waited_s + 4.5)  # until then nobody leaves
        question = Hurry(REFRESH)
        call = asyncio.create_task(replica.question(question, {**MAX_WAIT_S, REFRESH: waited_s + 5.0}))
        await asyncio.sleep(waited_s)
        queue = [asyncio.create_task(replica.call()) for _ in range(launches)]
        await asyncio.sleep(0)
        begin = loop_time()
        question.grow(LAUNCH)
        await asyncio.wait([call])
        for launch in queue:
            launch.cancel()
        return type(call.exception()), loop_time() - begin

    expected = (VendorBusy, 0.0) if launches else (type(None), pytest.approx(4.5, abs=0.1))
    assert run(scenario()) == expected


def test_whoever_grows_more_urgent_when_it_has_left_or_given_up_is_in_nobody_s_way() -> None:
    async def scenario() -> list[float]:
        replica = Replica(60)
        gone = [Hurry(REFRESH) for _ in range(4)]
        calls = [asyncio.create_task(replica.question(hurry)) for hurry in gone]
        await asyncio.sleep(0.1)
        calls[3].cancel()
        await asyncio.wait(calls)
        for hurry in gone:
            hurry.grow(LAUNCH)
        assert replica.limiter._waiting == []
        begin = loop_time()
        for _ in range(4):
            await replica.call()
        return [moment - begin for moment in replica.left[3:]]

    left = run(scenario())
    assert left[:3] == [0, 0, 0]
    assert 0 < left[3] < 60 / 51


def test_who_left_after_it_grew_takes_no_turn() -> None:
    async def scenario() -> float:
        replica = Replica(60)
        for _ in range(6):
            await replica.call()
        question = Hurry(REFRESH)
        call = asyncio.create_task(replica.question(question))
        await asyncio.sleep(0.1)
        question.grow(LAUNCH)
        call.cancel()
        begin = loop_time()
        await replica.call()
        return loop_time() - begin

    assert run(scenario()) < 60 / 51


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 5), st.sampled_from(Urgency), st.floats(0, 5), st.sampled_from(Urgency))))
def test_however_they_grow_each_leaves_once_or_is_refused_and_the_limit_holds(
    questions: list[tuple[float, Urgency, float, Urgency]],
) -> None:
    async def scenario() -> Replica:
        replica = Replica(60)
        calls = []
        for pause_s, begun_for, joined_s, joined_for in questions * 3:
            await asyncio.sleep(pause_s)
            question = Hurry(begun_for)
            calls.append(asyncio.create_task(replica.question(question)))
            asyncio.get_running_loop().call_later(joined_s, question.grow, joined_for)
        await asyncio.gather(*calls, return_exceptions=True)
        assert all(call.exception() is None or refused(call) for call in calls)
        assert len(replica.left) == sum(call.exception() is None for call in calls)
        assert replica.limiter._waiting == []
        return replica

    assert most_in_a_minute(run(scenario()).left) <= 60


def test_launches_do_not_starve_refreshes_for_ever() -> None:
    """Launches that come at half the pace leave the other half."""

    async def scenario() -> int:
        replica = Replica(60)
        refreshes = [asyncio.create_task(replica.call(REFRESH)) for _ in range(40)]
        for _ in range(60):
            await replica.call(LAUNCH)
            await asyncio.sleep(2)
        for refresh in refreshes:
            refresh.cancel()
        return replica.order.count(REFRESH)

    assert run(scenario()) > 30


def test_whoever_has_no_chance_is_told_at_once_and_when_to_come_back() -> None:
    async def scenario() -> tuple[list[float], float]:
        replica = Replica(60)
        begin = loop_time()
        calls = [asyncio.create_task(replica.call(PAGE, MAX_WAIT_S[PAGE])) for _ in range(500)]
        await asyncio.sleep(0.001)
        told = [call.exception() for call in calls if call.done() and call.exception()]
        waits = [error.retry_after_s for error in told if isinstance(error, VendorBusy) and error.retry_after_s]
        await asyncio.gather(*calls, return_exceptions=True)
        return waits, loop_time() - begin

    waits, took_s = run(scenario())
    assert len(waits) > 480
    assert min(waits) > MAX_WAIT_S[PAGE]
    assert took_s <= MAX_WAIT_S[PAGE]


def test_whoever_is_overtaken_all_the_time_does_not_wait_longer_than_said() -> None:
    async def scenario() -> tuple[float, int]:
        replica = Replica(60)
        for _ in range(6):
            await replica.call()
        begin = loop_time()
        page = asyncio.create_task(replica.call(PAGE, 5.0))
        while not page.done():
            launch = asyncio.create_task(replica.call(LAUNCH))
            await asyncio.sleep(0.5)
        took_s = loop_time() - begin
        with pytest.raises(VendorBusy):
            await page
        launch.cancel()
        return took_s, replica.order.count(PAGE)

    took_s, pages = run(scenario())
    assert took_s <= 5.5
    assert pages == 0


def test_an_error_of_ours_reaches_everybody_who_waits() -> None:
    class Broken(MemoryStore):
        async def spend(self, key: str, per_minute: float, burst: int, max_wait_s: float) -> float:
            await asyncio.sleep(0.01)
            raise RuntimeError("a bug")

    async def scenario() -> list[BaseException | None]:
        replica = Replica(60, Broken(clock=loop_time))
        return await asyncio.gather(*(replica.call() for _ in range(3)), return_exceptions=True)

    assert [repr(error) for error in run(scenario())] == ["RuntimeError('a bug')"] * 3


def test_who_left_takes_no_turn() -> None:
    async def scenario() -> list[float]:
        replica = Replica(60)
        begin = loop_time()
        for _ in range(6):
            await replica.call()
        leaving = [asyncio.create_task(replica.call(max_wait_s=100)) for _ in range(50)]
        staying = asyncio.create_task(replica.call())
        await asyncio.sleep(0.5)
        for call in leaving:
            call.cancel()
        await staying
        return [moment - begin for moment in replica.left[6:]]

    [moment] = run(scenario())
    assert moment < 60 / 51 * 1.1 + 0.01


def test_a_turn_that_was_booked_for_one_who_is_leaving_goes_to_the_next() -> None:
    calls: list[asyncio.Task[None]] = []

    class Meanwhile(MemoryStore):
        async def spend(self, key: str, per_minute: float, burst: int, max_wait_s: float) -> float:
            calls[0].cancel()
            return 0.0

    async def scenario() -> None:
        replica = Replica(60, Meanwhile(clock=loop_time))
        calls.extend(asyncio.create_task(replica.call()) for _ in range(2))
        await calls[1]
        assert calls[0].cancelled()

    run(scenario())


def test_after_everybody_left_the_next_one_is_served() -> None:
    async def scenario() -> None:
        replica = Replica(60)
        for _ in range(3):
            calls = [asyncio.create_task(replica.call()) for _ in range(20)]
            await asyncio.sleep(0.1)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            assert replica.limiter._waiting == []
        await replica.call()

    run(scenario())


def test_while_the_store_is_away_the_process_keeps_the_limit_by_itself() -> None:
    async def scenario() -> list[float]:
        replica = Replica(60, AwayStore(clock=loop_time))
        await asyncio.gather(*(replica.call() for _ in range(150)))
        return replica.left

    assert 50 <= most_in_a_minute(run(scenario())) <= 60


def test_a_store_that_comes_back_is_shared_again() -> None:
    async def scenario() -> list[float]:
        store = AwayStore(clock=loop_time)
        replicas = [Replica(60, store) for _ in range(2)]
        await asyncio.gather(*(replica.call() for replica in replicas for _ in range(10)))
        store.away = False
        for replica in replicas:
            replica.left.clear()
        await asyncio.gather(*(replica.call() for replica in replicas for _ in range(60)))
        return [moment for replica in replicas for moment in replica.left]

    assert most_in_a_minute(run(scenario())) <= 60


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6])
def test_calls_that_the_store_answers_too_late_are_not_made_alone(share: float) -> None:
    async def scenario() -> list[float]:
        store = SpuriousStore(share)
        replicas = [Replica(200, RetryingStore(store, loop_time)) for _ in range(4)]
        calls = [asyncio.create_task(replica.call(PAGE)) for replica in replicas for _ in range(100)]
        await asyncio.gather(*calls)
        return [moment for replica in replicas for moment in replica.left]

    assert 100 <= most_in_a_minute(run(scenario())) <= 200


def test_a_store_that_goes_away_makes_no_room_for_another_burst() -> None:
    async def scenario() -> list[float]:
        store = AwayStore(clock=loop_time)
        store.away = False
        replica = Replica(200, store)
        for _ in range(20):
            await replica.call()
        store.away = True
        await asyncio.gather(*(replica.call() for _ in range(300)))
        return replica.left

    assert most_in_a_minute(run(scenario())) <= 0.95 * 200


def test_a_store_that_forgets_everything_makes_no_room_for_another_burst() -> None:
    async def scenario() -> list[float]:
        store = SpuriousStore(0.0)
        replica = Replica(200, store)
        calls = [asyncio.create_task(replica.call()) for _ in range(300)]
        for _ in range(20):
            await asyncio.sleep(2)
            store.forget_everything()
        await asyncio.gather(*calls)
        return replica.left

    assert most_in_a_minute(run(scenario())) <= 0.95 * 200 + 1


def test_during_a_pause_nobody_leaves_and_after_it_the_limit_holds() -> None:
    async def scenario() -> tuple[float, int]:
        store = MemoryStore(clock=loop_time)
        one, other = Replica(60, store), Replica(60, store)
        begin = loop_time()
        early = [asyncio.create_task(one.call()) for _ in range(60)]
        await asyncio.sleep(3)
        await one.pause.begin(30.0)
        left = len(one.left)
        late = [asyncio.create_task(other.call()) for _ in range(60)]
        await asyncio.sleep(29)
        assert (len(one.left), len(other.left)) == (left, 0)
        await asyncio.gather(*early, *late)
        times = one.left + other.left
        return min(moment - begin for moment in times if moment > begin + 3), most_in_a_minute(times)

    first_after, most = run(scenario())
    assert 33 <= first_after < 34
    assert most <= 60


@pytest.mark.parametrize("queue", [0, 1], ids=["nobody waits", "others wait"])
def test_a_long_pause_is_told_at_once(queue: int) -> None:
    async def scenario() -> float | None:
        replica = Replica(60)
        await replica.pause.begin(200.0)
        waiting = [asyncio.create_task(replica.call()) for _ in range(queue)]
        await asyncio.sleep(100)
        begin = loop_time()
        with pytest.raises(VendorBusy) as caught:
            await replica.call(LAUNCH, 5.0)
        assert loop_time() == begin
        for call in waiting:
            call.cancel()
        return caught.value.retry_after_s

    assert run(scenario()) == pytest.approx(100, abs=2)


def test_closing_cancels_those_who_wait_and_may_be_done_twice() -> None:
    async def scenario() -> None:
        replica = Replica(60)
        calls = [asyncio.create_task(replica.call()) for _ in range(20)]
        await asyncio.sleep(0.1)
        for _ in range(2):
            await replica.limiter.aclose()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*calls)
        await asyncio.sleep(60)
        assert len(replica.left) == 6
        assert all(call.done() for call in calls)

    run(scenario())
