from __future__ import annotations

import asyncio
import json
import os
import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from access_log_kit import LogFile

from portal_gateway.observe import access_log
from portal_gateway.observe.access_log import BATCH_BYTES, AccessLog

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Pipe:
    """A pipe whose writing end is a log's stream."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()
        os.set_blocking(self.reader, False)

    def fileno(self) -> int:
        return self._writer

    def fill(self) -> None:
        """Until it takes no more, as when its reader has stopped."""
        os.set_blocking(self._writer, False)
        try:
            while True:
                os.write(self._writer, b"x" * BATCH_BYTES)
        except BlockingIOError:
            os.set_blocking(self._writer, True)

    def read(self) -> bytes:
        read = b""
        try:
            while chunk := os.read(self.reader, 1 << 20):
                read += chunk
        except BlockingIOError:
            pass
        return read

    def close(self) -> None:
        os.close(self.reader)
        os.close(self._writer)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def log_request(log: AccessLog, request_id: str = "id-1", path: bytes = b"/page", trace_id: str = "") -> None:
    log.request_ended(request_id, trace_id, "GET", path, 200, 5120, 0.01234)


def lines(pipe: Pipe) -> list[dict[str, Any]]:
    return [json.loads(line) for line in pipe.read().splitlines()]


async def test_a_line(pipe: Pipe) -> None:
    log = AccessLog(pipe)
    log_request(log, trace_id=TRACE)
    log_request(log)
    log.flush()
    first, second = lines(pipe)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ", first.pop("time"))
    rest = {"method": "GET", "path": "/page", "status": 200, "bytes": 5120, "ms": 12.3}
    assert first == {"request_id": "id-1", "trace_id": TRACE, **rest}
    assert second.keys() == {"time", "request_id", *rest}


async def test_the_time_is_that_of_each_request(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.9996, 1.0, 1.25, 86_400.5])
    monkeypatch.setattr(access_log, "time", lambda: next(times))
    log = AccessLog(pipe)
    for _ in range(4):
        log_request(log)
    log.flush()
    assert [line["time"] for line in lines(pipe)] == [
        "1970-01-01T00:00:00.999Z",
        "1970-01-01T00:00:01.000Z",
        "1970-01-01T00:00:01.250Z",
        "1970-01-02T00:00:00.500Z",
    ]


@pytest.mark.parametrize("path", [b'/a"b\\c', b"/a\nb\x00\x1b[31m", "/grüß".encode(), b"/\xff", b"*"])
async def test_a_path_cannot_break_out_of_its_line(pipe: Pipe, path: bytes) -> None:
    log = AccessLog(pipe)
    log_request(log, path=path)
    log.flush()
    text = pipe.read()
    assert text.count(b"\n") == 1
    assert text.removesuffix(b"\n").decode("ascii").isprintable()
    assert json.loads(text)["path"].encode("latin-1") == path


async def test_a_long_path_is_cut(pipe: Pipe) -> None:
    log = AccessLog(pipe)
    log_request(log, path=b"/" + b'"' * 60_000)
    log.flush()
    [line] = lines(pipe)
    assert line["path"] == "/" + '"' * (access_log.MAX_PATH - 1)


async def test_lines_are_written_a_moment_later(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "FLUSH_S", 0.01)
    log = AccessLog(pipe)
    for expected in ("first", "second"):
        log_request(log, expected)
        assert pipe.read() == b""
        reading: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(pipe.reader, reading.set_result, None)
        await asyncio.wait_for(reading, 10)
        asyncio.get_running_loop().remove_reader(pipe.reader)
        assert [line["request_id"] for line in lines(pipe)] == [expected]


async def test_each_write_is_of_whole_lines_and_no_more_than_a_pipe_takes_in_one_piece() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        log = AccessLog(ours)
        for number in range(200):
            log_request(log, f"id-{number}")
        log.flush()
        ours.shutdown(socket.SHUT_WR)
        pieces = list(iter(lambda: theirs.recv(1 << 20), b""))
    assert len(pieces) < 20
    assert all(len(piece) <= BATCH_BYTES and piece.endswith(b"\n") for piece in pieces)
    ids = [json.loads(line)["request_id"] for line in b"".join(pieces).splitlines()]
    assert ids == [f"id-{number}" for number in range(200)]


async def test_nobody_waits_for_a_reader_that_has_stopped(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "FLUSH_S", 0.001)
    log = AccessLog(pipe)
    pipe.fill()
    for number in range(100):
        log_request(log, str(number))
    log.flush()
    assert set(pipe.read()) == {ord("x")}
    read = b""
    async with asyncio.timeout(10):
        while read.count(b"\n") < 100:
            await asyncio.sleep(0)
            read += pipe.read()
    assert [json.loads(line)["request_id"] for line in read.splitlines()] == [str(n) for n in range(100)]
    assert log.lines_lost == 0


@pytest.mark.interpreted
async def test_what_waits_for_a_reader_is_bounded_and_what_is_lost_is_counted(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_log, "MAX_WAITING", 3)
    log = AccessLog(pipe)
    pipe.fill()
    for number in range(1000):
        log_request(log, str(number))
    log.flush()
    pipe.read()
    log.flush()
    kept = [line["request_id"] for line in lines(pipe)]
    assert kept == [str(number) for number in range(len(kept))]
    assert 0 < len(kept) < 200
    assert log.lines_lost == 1000 - len(kept)


async def test_a_reader_that_is_gone_costs_its_lines_only() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as stream:
        log = AccessLog(stream)
        log_request(log)
        log_request(log)
        log.flush()
        log_request(log)
        log.flush()
    assert log.lines_lost == 3


async def test_a_file_takes_everything() -> None:
    file = LogFile()
    log = AccessLog(file)
    for number in range(500):
        log_request(log, str(number))
    log.flush()
    assert [line["request_id"] for line in file.lines()] == [str(number) for number in range(500)]


def test_nothing_to_write(pipe: Pipe) -> None:
    AccessLog(pipe).flush()
    assert pipe.read() == b""
