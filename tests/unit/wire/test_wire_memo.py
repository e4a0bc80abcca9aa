from __future__ import annotations

import pytest

from portal_gateway.wire.memo import Memo


class Lengths:
    """Makes values and notes for which keys."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def __call__(self, key: bytes) -> int:
        self.asked.append(key)
        return len(key)


def test_each_value_is_made_once() -> None:
    make = Lengths()
    memo = Memo(make)
    assert [memo[b"host"], memo[b"host"], memo[b"accept"]] == [4, 4, 6]
    assert make.asked == [b"host", b"accept"]


def test_keys_that_a_client_makes_up_do_not_fill_the_memory() -> None:
    make = Lengths()
    memo = Memo(make, max_entries=10)
    for number in range(100):
        assert memo[b"x-%d" % number] == len(b"x-%d" % number)
    assert len(memo) <= 10


def test_a_tuple_is_as_long_as_all_of_its_parts() -> None:
    memo: Memo[tuple[str, tuple[bytes, ...]], str] = Memo(lambda key: key[0].upper(), max_key=8)
    assert memo["get", (b"host", b"a")] == "GET"
    assert memo["get", (b"host", b"ab")] == "GET"
    assert list(memo) == [("get", (b"host", b"a"))]


def test_what_the_making_raises_is_raised_each_time() -> None:
    def make(key: bytes) -> int:
        raise ValueError(key)

    memo = Memo(make)
    for _ in range(2):
        with pytest.raises(ValueError, match="host"):
            memo[b"host"]
    assert not memo


def test_a_long_key_is_not_kept() -> None:
    memo = Memo(Lengths(), max_key=4)
    assert memo[b"x" * 1000] == 1000
    assert memo[b"host"] == 4
    assert list(memo) == [b"host"]
