from __future__ import annotations

import gc
import sys
import weakref
from collections import Counter, UserDict
from collections.abc import Awaitable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal_gateway.wire import _compiled
from portal_gateway.wire.first_look import FirstLooksInPython

EACH = pytest.mark.parametrize("kind", [_compiled.FirstLooks, FirstLooksInPython])
JSON = (b"content-type", b"application/json")
START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2"), JSON]}
BODY: dict[str, Any] = {"type": "http.response.body", "body": b"{}"}


class Sink:
    """A `send` that notes what it gets, and what it was made of."""

    def __init__(self, *made_of: Any) -> None:
        self.made_of = made_of
        self.messages: list[Any] = []

    def __call__(self, message: Any) -> Awaitable[None]:
        self.messages.append(message)
        return _nothing()


async def _nothing() -> None:
    return None


async def sent(kind: Any, *messages: Any) -> tuple[Sink, list[Sink], int]:
    """The `send` of a request, those made for what is more than JSON, and the number that is counted."""
    others: list[Sink] = []

    def make(*made_of: Any) -> Sink:
        others.append(Sink(*made_of))
        return others[-1]

    looks = kind(make)
    send = Sink()
    taking = looks.at({"path": "/"}, "page", send)
    for message in messages:
        await taking(message)
    return send, others, looks.number


@EACH
async def test_json_goes_to_the_servers_own_send_and_is_counted(kind: Any) -> None:
    send, others, number = await sent(kind, START, BODY, BODY)
    assert [id(message) for message in send.messages] == [id(START), id(BODY), id(BODY)]
    assert (others, number) == ([], 1)


MORE_THAN_JSON: dict[str, Any] = {
    "a page": {**START, "headers": [(b"content-type", b"text/html")]},
    "with parameters": {**START, "headers": [(b"content-type", b"application/json; charset=utf-8")]},
    "in capitals": {**START, "headers": [(b"Content-Type", b"application/json")]},
    "nearly": {**START, "headers": [(b"x-content-type", b"application/json"), (b"content-type", b"application/jsom")]},
    "pairs that are lists": {**START, "headers": [[*JSON]]},
    "more than a pair": {**START, "headers": [(*JSON, b"more")]},
    "no headers at all": {**START, "headers": [("content-type", "application/json"), (), None]},
    "a tuple of headers": {**START, "headers": (JSON,)},
    "headers to be read once": {**START, "headers": iter([JSON])},
    "none": {**START, "headers": []},
    "without headers": {"type": "http.response.start", "status": 200},
    "another message": {**START, "type": "http.response.debug"},
    "a type of bytes": {**START, "type": b"http.response.start"},
    "no type": {"headers": [JSON]},
    "empty": {},
    "another mapping": UserDict(START),
    "more than a dict": Counter(START),
}


@EACH
@pytest.mark.parametrize("first", MORE_THAN_JSON.values(), ids=MORE_THAN_JSON)
async def test_all_else_is_left_to_others_from_the_first_message_on(kind: Any, first: Any) -> None:
    send, others, number = await sent(kind, first, START, BODY)
    assert (send.messages, number) == ([], 0)
    assert [other.messages for other in others] == [[first, START, BODY]]
    assert others[0].made_of == ({"path": "/"}, "page", send)


@EACH
async def test_one_that_counts_is_shared_by_all_requests_and_can_be_set_back(kind: Any) -> None:
    looks = kind(Sink)
    for _ in range(3):
        await looks.at({}, None, Sink())(START)
    assert looks.number == 3
    looks.number = 0
    await looks.at({}, None, Sink())(START)
    assert looks.number == 1


@EACH
async def test_a_fault_of_others_is_the_callers_and_nothing_is_decided_by_it(kind: Any) -> None:
    made: list[Sink] = []

    def make(*made_of: Any) -> Sink:
        made.append(Sink(*made_of))
        if len(made) == 1:
            raise LookupError("not yet")
        return made[-1]

    taking = kind(make).at({}, None, Sink())
    with pytest.raises(LookupError, match="not yet"):
        await taking(BODY)
    await taking(BODY)
    assert made[1].messages == [BODY]


async def test_a_key_that_cannot_be_compared_is_for_others_to_meet() -> None:
    class Awkward:
        def __hash__(self) -> int:
            return hash("type")

        def __eq__(self, _: object) -> bool:
            raise ArithmeticError("no")

    message = {Awkward(): 1}
    _, others, _ = await sent(_compiled.FirstLooks, message)
    assert others[0].messages == [message]


HEADERS = st.lists(st.sampled_from([JSON, (b"content-type", b"text/html"), (b"vary", b"a"), [*JSON], (b"",), None]))
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["http.response.start", "http.response.body", b"http.response.start", None]),
        "headers": st.one_of(HEADERS, HEADERS.map(tuple), st.none()),
    },
)


@given(messages=st.lists(MESSAGES, max_size=3))
async def test_both_say_the_same(messages: list[Any]) -> None:
    send, others, number = await sent(_compiled.FirstLooks, *messages)
    expected_send, expected_others, expected_number = await sent(FirstLooksInPython, *messages)
    assert (send.messages, number) == (expected_send.messages, expected_number)
    assert [other.messages for other in others] == [other.messages for other in expected_others]


class TestMemory:
    async def test_nothing_is_held_on_to(self) -> None:
        kind: Any = _compiled.FirstLooks
        scope, page, send = {"path": "/"}, object(), Sink()
        counted = [scope, page, send, kind, _compiled.FirstLook, START, START["headers"], JSON]
        before = [sys.getrefcount(one) for one in counted]
        for _ in range(100):
            looks = kind(Sink)
            for first in (START, BODY):
                await looks.at(scope, page, send)(first)
            with pytest.raises(TypeError):
                looks.at(scope)
            with pytest.raises(TypeError):
                kind()
            send.messages.clear()
        del looks
        assert [sys.getrefcount(one) for one in counted] == before

    @EACH
    async def test_an_app_that_keeps_its_send_in_its_scope_leaves_nothing_behind(self, kind: Any) -> None:
        class Request:
            send: Any

        looks = kind(lambda *_: Sink())
        for first in (START, BODY):
            request = Request()
            gone = weakref.ref(request)
            request.send = looks.at({"request": request}, None, Sink())
            await request.send(first)
            del request
            gc.collect()
            assert gone() is None

    @EACH
    def test_neither_does_a_gateway_that_made_it(self, kind: Any) -> None:
        class Door:
            def __init__(self) -> None:
                self.looks = kind(self.other)

            def other(self, *_: Any) -> Sink:
                return Sink()

        door = Door()
        gone = weakref.ref(door)
        del door
        gc.collect()
        assert gone() is None


@pytest.mark.parametrize("wrong", [(), ({},), ({}, None, None, None)], ids=len)
def test_it_takes_scope_page_and_send(wrong: Any) -> None:
    with pytest.raises(TypeError, match="scope, page and send"):
        _compiled.FirstLooks(Sink).at(*wrong)


def test_a_look_is_made_by_looks_only() -> None:
    with pytest.raises(TypeError):
        _compiled.FirstLook()
