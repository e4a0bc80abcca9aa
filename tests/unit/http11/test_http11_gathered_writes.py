"""What is written within a turn of the event loop: when it is sent, in which order, and what is left out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from portal_gateway.http11.gathered_writes import GatheredWrites


class _Wire(asyncio.Transport):
    """Notes in `sent`, which several may share, what is written."""

    def __init__(self, name: str = "a", sent: list[tuple[str, bytes]] | None = None) -> None:
        super().__init__()
        self.name = name
        self.sent = [] if sent is None else sent
        self.is_broken = False
        self.was_aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.is_broken:
            raise RuntimeError("cannot write after write_eof")
        self.sent.append((self.name, bytes(data)))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return self.was_aborted

    def abort(self) -> None:
        self.was_aborted = True


async def test_it_is_sent_when_the_turn_of_the_event_loop_ends() -> None:
    writes, wire = GatheredWrites(), _Wire()
    writes.write(wire, b"one")
    writes.write(wire, b"two")
    assert wire.sent == []
    await asyncio.sleep(0)
    assert wire.sent == [("a", b"onetwo")]
    writes.write(wire, b"three")
    await asyncio.sleep(0)
    assert wire.sent[1:] == [("a", b"three")]


async def test_each_connection_is_written_to_once_in_the_order_of_their_first_bytes() -> None:
    sent: list[tuple[str, bytes]] = []
    writes, a, b = GatheredWrites(), _Wire("a", sent), _Wire("b", sent)
    for wire, data in ((b, b"1"), (a, b"2"), (b, b"3")):
        writes.write(wire, data)
    await asyncio.sleep(0)
    assert sent == [("b", b"13"), ("a", b"2")]


async def test_what_waits_for_one_connection_can_be_sent_at_once() -> None:
    sent: list[tuple[str, bytes]] = []
    writes, a, b = GatheredWrites(), _Wire("a", sent), _Wire("b", sent)
    writes.write(a, b"1")
    writes.write(b, b"2")
    writes.flush(b)
    writes.flush(b)
    assert sent == [("b", b"2")]
    writes.write(b, b"3")
    await asyncio.sleep(0)
    assert sent == [("b", b"2"), ("a", b"1"), ("b", b"3")]


@pytest.mark.parametrize(("count", "size"), [(3, 100_000), (40, 1)])
async def test_much_does_not_wait_for_the_end_of_the_turn(count: int, size: int) -> None:
    writes, wire = GatheredWrites(), _Wire()
    for _ in range(count):
        writes.write(wire, b"x" * size)
    assert wire.sent
    await asyncio.sleep(0)
    assert b"".join(data for _, data in wire.sent) == b"x" * count * size


async def test_a_connection_that_is_closing_gets_nothing() -> None:
    writes, wire = GatheredWrites(), _Wire()
    writes.write(wire, b"late")
    wire.abort()
    await asyncio.sleep(0)
    assert wire.sent == []


async def test_the_fault_of_one_connection_costs_the_others_nothing(caplog: pytest.LogCaptureFixture) -> None:
    writes, broken, whole = GatheredWrites(), _Wire(), _Wire()
    broken.is_broken = True
    writes.write(broken, b"1")
    writes.write(whole, b"2")
    await asyncio.sleep(0)
    assert broken.was_aborted
    assert whole.sent == [("a", b"2")]
    assert "could not be written to" in caplog.text
