from __future__ import annotations

import re
from typing import Any

import pytest

from portal_gateway.observe.request_ids import REQUEST_ID, identify

HOST = (b"host", b"app.example")
TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = b"00-" + TRACE + b"-00f067aa0ba902b7-01"


def identified(*headers: tuple[bytes, bytes]) -> tuple[bytes, str, list[tuple[bytes, bytes]]]:
    scope: dict[str, Any] = {"headers": [HOST, *headers]}
    request_id, trace_id = identify(scope)
    return request_id, trace_id, scope["headers"]


def test_a_request_without_an_id_gets_one() -> None:
    given = [HOST]
    scope: dict[str, Any] = {"headers": given}
    request_id, trace_id = identify(scope)
    assert re.fullmatch(rb"[0-9a-f]{32}", request_id)
    assert scope["headers"] == [HOST, (REQUEST_ID, request_id)]
    assert given == [HOST], "the server's own list is left alone"
    assert trace_id == ""


def test_no_two_ids_are_the_same() -> None:
    assert len({identified()[0] for _ in range(1000)}) == 1000


@pytest.mark.parametrize("given", [b"7", b"a" * 128, b"f81d4fae-7dec-11d0-a765-00a0c91e6bf6", b"A_b.c:d@e/f+g=h~i"])
def test_an_id_that_is_there_is_taken(given: bytes) -> None:
    request_id, _, headers = identified((REQUEST_ID, given))
    assert request_id == given
    assert headers == [HOST, (REQUEST_ID, given)]


@pytest.mark.parametrize(
    "given", [b"", b"a" * 129, b"a b", b'a"', b"a\\", b"a,b", b"a\n", b"\xe4", b"<script>", b"$(x)"]
)
def test_an_id_that_could_mean_something_is_replaced(given: bytes) -> None:
    request_id, _, headers = identified((REQUEST_ID, given))
    assert re.fullmatch(rb"[0-9a-f]{32}", request_id)
    assert headers == [HOST, (REQUEST_ID, request_id)]


def test_of_several_ids_none_is_believed() -> None:
    request_id, _, headers = identified((REQUEST_ID, b"a"), (REQUEST_ID, b"b"))
    assert headers == [HOST, (REQUEST_ID, request_id)]
    assert request_id not in (b"a", b"b")


@pytest.mark.parametrize("parent", [PARENT, b"cc" + PARENT[2:] + b"-what-the-future-brings"])
def test_the_trace_is_read_and_its_header_left_alone(parent: bytes) -> None:
    request_id, trace_id, headers = identified((b"traceparent", parent))
    assert trace_id == TRACE.decode()
    assert headers == [HOST, (b"traceparent", parent), (REQUEST_ID, request_id)]


@pytest.mark.parametrize("parent", [b"", b"00-" + TRACE, PARENT.upper(), b'00-"' + PARENT[4:], PARENT + b"x"])
def test_what_is_no_trace_is_not_logged_as_one(parent: bytes) -> None:
    _, trace_id, headers = identified((b"traceparent", parent))
    assert trace_id == ""
    assert (b"traceparent", parent) in headers


def test_of_two_traces_none_is_logged() -> None:
    assert identified((b"traceparent", PARENT), (b"traceparent", PARENT))[1] == ""
