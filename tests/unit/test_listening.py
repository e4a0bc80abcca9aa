"""Addresses are taken once, told apart from taken ones, and set up for answers that come in pieces."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from pathlib import Path

import pytest

from portal_gateway.listening import AddressTaken, base_url, listen, listen_unix, passed_listener


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


def test_a_unix_socket_is_for_owner_and_group_and_named(tmp_path: Path) -> None:
    path = str(tmp_path / "admin.sock")
    with listen_unix(path) as listener:
        assert base_url(listener) == f"unix:{path}"
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
        with pytest.raises(AddressTaken, match=f"cannot listen on {path}: Address already in use"):
            listen_unix(path)


def test_a_unix_socket_that_nobody_listens_on_any_more_is_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "admin.sock")
    listen_unix(path).close()
    assert os.path.exists(path)
    listen_unix(path).close()


def test_a_file_is_never_replaced_by_a_socket(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    path.write_text("precious")
    with pytest.raises(AddressTaken, match="Address already in use"):
        listen_unix(str(path))
    assert path.read_text() == "precious"


def test_a_unix_socket_in_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AddressTaken, match="No such file or directory"):
        listen_unix(str(tmp_path / "absent" / "admin.sock"))


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"LISTEN_FDS": "1"}, id="no-pid"),
        pytest.param({"LISTEN_PID": "1", "LISTEN_FDS": "1"}, id="for-another-process"),
        pytest.param({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "0"}, id="none"),
    ],
)
def test_no_socket_was_passed(environ: dict[str, str]) -> None:
    assert passed_listener(environ) is None
