"""Addresses are taken once, told apart from taken ones, and set up for answers that come in pieces."""

from __future__ import annotations

import asyncio
import socket

import pytest

from portal_gateway.listening import AddressTaken, base_url, listen


def test_a_free_port_is_taken_and_named() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert base_url(listener) == f"http://127.0.0.1:{port}"
        with pytest.raises(AddressTaken, match=f"cannot listen on 127.0.0.1 port {port}: Address already in use"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid", "::g"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(AddressTaken, match="cannot listen on"):
        listen(host, 0)


async def test_connections_do_not_wait_to_fill_a_packet() -> None:
    accepted: asyncio.Queue[int] = asyncio.Queue()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.put_nowait(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    with listen("127.0.0.1", 0) as listener:
        async with await asyncio.start_server(connected, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            assert await accepted.get() != 0
            writer.close()
            await writer.wait_closed()
