"""One long answer, read as fast as it comes or at a given pace, and what the server's memory does meanwhile."""

from __future__ import annotations

import socket
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse

from bench.measure import rss_mb
from bench.servers import Server

_READ = 256 * 1024
# What a slow reader has not taken yet may wait in the kernel, up to this much on its side.
_SLOW_BUFFER = 128 * 1024
_SAMPLE_S = 0.02
# So much of the end of the page is kept: a snippet and what stands behind it.
_LAST = 4096


@dataclass(frozen=True)
class Reading:
    """`size` is that of the page, unpacked; `first` and `last` are what it begins and ends with."""

    size: int
    seconds: float
    before_mb: float
    peak_mb: float
    first: bytes
    last: bytes


class Memory:
    """RSS of a server's processes, sampled no more often than it is worth."""

    def __init__(self, server: Server) -> None:
        self._pid = server.pid
        self._next = 0.0
        self.before_mb = self.peak_mb = rss_mb(server.pid)

    def sample(self) -> None:
        now = time.perf_counter()
        if now >= self._next:
            self._next = now + _SAMPLE_S
            self.peak_mb = max(self.peak_mb, rss_mb(self._pid))


@contextmanager
def answering(server: Server, path: str, headers: Mapping[str, str], *, slowly: bool = False) -> Iterator[HTTPResponse]:
    """The answer, of which only the head has been read. Raises RuntimeError unless it is a 200."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.connect()
        if slowly:
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SLOW_BUFFER)
        connection.request("GET", path, headers=dict(headers))
        response = connection.getresponse()
        if response.status != 200:
            raise RuntimeError(f"{path}: status {response.status}")
        yield response
    finally:
        connection.close()


def read_all(server: Server, path: str, headers: Mapping[str, str]) -> Reading:
    memory = Memory(server)
    start = time.perf_counter()
    size = 0
    first = last = b""
    with answering(server, path, headers) as response:
        unpack = _unpacker(response)
        while packed := response.read1(_READ):
            data = unpack(packed)
            size += len(data)
            first = first or data
            last = (last + data)[-_LAST:]
            memory.sample()
    return Reading(size, time.perf_counter() - start, memory.before_mb, memory.peak_mb, first, last)


def first_byte_ms(server: Server, path: str, headers: Mapping[str, str]) -> float:
    """Until the first byte of the page is there."""
    start = time.perf_counter()
    with answering(server, path, headers) as response:
        response.read(1)
        took_s = time.perf_counter() - start
        response.read()
    return took_s * 1e3


def read_at(response: HTTPResponse, bytes_per_s: float, seconds: float, memory: Memory) -> tuple[int, int]:
    """Read for so long at that pace; how much came over the wire, and how much of the page that is."""
    unpack = _unpacker(response)
    start = time.perf_counter()
    read = size = 0
    while (passed := time.perf_counter() - start) < seconds:
        if read > passed * bytes_per_s:
            time.sleep(0.005)
        else:
            data = response.read1(16 * 1024)
            read += len(data)
            size += len(unpack(data))
        memory.sample()
    return read, size


def _unpacker(response: HTTPResponse) -> Callable[[bytes], bytes]:
    packed = response.headers["Content-Encoding"] == "gzip"
    return zlib.decompressobj(wbits=31).decompress if packed else bytes
