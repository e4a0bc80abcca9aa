from __future__ import annotations

import asyncio
from typing import Any

import pytest

from portal_gateway.proxy.gathering import GATHERED_BYTES, GatheringTransport

LONG = b"x" * GATHERED_BYTES


class FakeTransport:
    """Notes each system call's worth of bytes."""

    def __init__(self) -> None:
        self.sent: list[bytes | tuple[bytes, ...]] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def writelines(self, pieces: list[bytes]) -> None:
        self.sent.append(tuple(pieces))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str) -> str:
        return f"info of {name}"


@pytest.fixture
async def gathering() -> tuple[Any, FakeTransport]:
    transport = FakeTransport()
    return GatheringTransport(transport, asyncio.get_running_loop()), transport  # type: ignore[arg-type]


async def test_what_a_turn_writes_leaves_at_its_end_in_one_write(gathering: tuple[Any, FakeTransport]) -> None:
    writer, transport = gathering
    writer.write(b"head ")
    writer.write(b"body")
    assert transport.sent == []
    await asyncio.sleep(0)
    assert transport.sent == [b"head body"]


async def test_each_turn_has_a_write_of_its_own(gathering: tuple[Any, FakeTransport]) -> None:
    writer, transport = gathering
    for data in (b"1", b"2"):
        writer.write(data)
        await asyncio.sleep(0)
    assert transport.sent == [b"1", b"2"]


async def test_long_data_leaves_at_once_after_what_came_before_and_is_not_copied(
    gathering: tuple[Any, FakeTransport],
) -> None:
    writer, transport = gathering
    writer.write(b"head")
    writer.write(LONG)
    assert transport.sent == [(b"head", LONG)]
    writer.write(LONG)
    assert transport.sent[1:] == [LONG]
    await asyncio.sleep(0)
    assert len(transport.sent) == 2


async def test_small_data_behind_long_data_is_sent_too(gathering: tuple[Any, FakeTransport]) -> None:
    writer, transport = gathering
    writer.write(LONG)
    writer.write(b"tail")
    await asyncio.sleep(0)
    assert transport.sent == [LONG, b"tail"]


async def test_nothing_is_lost_by_closing(gathering: tuple[Any, FakeTransport]) -> None:
    writer, transport = gathering
    writer.write(b"last words")
    writer.close()
    assert transport.sent == [b"last words"]
    assert transport.closed
    await asyncio.sleep(0)
    assert transport.sent == [b"last words"]


async def test_nothing_is_written_to_a_transport_that_closed_in_between(gathering: tuple[Any, FakeTransport]) -> None:
    writer, transport = gathering
    writer.write(b"for nobody")
    transport.closed = True
    await asyncio.sleep(0)
    assert transport.sent == []


async def test_all_else_is_the_transports_own(gathering: tuple[Any, FakeTransport]) -> None:
    writer, transport = gathering
    assert writer.get_extra_info("peername") == "info of peername"
    assert not writer.is_closing()
    transport.closed = True
    assert writer.is_closing()
