from __future__ import annotations

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


def test_a_long_key_is_not_kept() -> None:
    memo = Memo(Lengths(), max_key=4)
    assert memo[b"x" * 1000] == 1000
    assert memo[b"host"] == 4
    assert list(memo) == [b"host"]
