"""The access log: a line of JSON for each request, written in batches to a stream of its own.

No queries, addresses, users or headers but the ids: lines may be kept and searched by anybody who operates the site.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections import deque
from json.encoder import encode_basestring_ascii as quoted
from time import gmtime, strftime, time
from typing import Final, Protocol

from portal_gateway.wire.memo import Memo

# What a pipe that has room takes in one piece: nobody waits for its reader, and lines of several workers do not mix.
BATCH_BYTES: Final = getattr(select, "PIPE_BUF", 512)
FLUSH_S: Final = 0.1
# For a reader that pauses; beyond that lines are lost, and counted.
MAX_WAITING: Final = 256
MAX_PATH: Final = 1024

# Put together from strings, a line costs a third of what formatting it costs.
_THOUSANDTHS: Final = [f"{number:03d}" for number in range(1000)]
_QUOTED: Final[Memo[bytes, str]] = Memo(lambda path: quoted(path[:MAX_PATH].decode("latin-1")), max_key=256)


class Stream(Protocol):
    """What a pipe, a file or a terminal is."""

    def fileno(self) -> int: ...


class AccessLog:
    """Writes to `stream`, never waiting for it. `lines_lost` is how many it did not take."""

    def __init__(self, stream: Stream) -> None:
        self.lines_lost = 0
        self._stream = stream
        self._lines: list[str] = []
        self._size = 0
        self._waiting: deque[list[str]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._second = -1
        self._stamp = ""

    def request_ended(
        self, request_id: str, trace_id: str, method: str, path: bytes, status: int, size: int, seconds: float
    ) -> None:
        """`status` is 0 if nobody was left to answer; `trace_id` empty if there is none."""
        now = time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = strftime("%Y-%m-%dT%H:%M:%S", gmtime(second))
        stamp = f"{self._stamp}.{_THOUSANDTHS[int((now - second) * 1000)]}Z"
        trace = f'"trace_id":"{trace_id}",' if trace_id else ""
        tenths = int(seconds * 10_000 + 0.5)
        line = (
            f'{{"time":"{stamp}","request_id":"{request_id}",{trace}"method":"{method}","path":{_QUOTED[path]},'
            f'"status":{status},"bytes":{size},"ms":{tenths // 10}.{tenths % 10}}}\n'
        )
        if self._size + len(line) > BATCH_BYTES:
            self.flush()
        self._lines.append(line)
        self._size += len(line)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._tick)

    def flush(self) -> None:
        """Write what the stream takes now."""
        if self._lines:
            self._end_batch()
        while self._waiting and self._has_room():
            batch = self._waiting.popleft()
            try:
                os.write(self._stream.fileno(), "".join(batch).encode("ascii"))
            except OSError:  # a disk that is full, a reader that is gone
                self.lines_lost += len(batch)

    def _end_batch(self) -> None:
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(self._lines)
        else:
            self.lines_lost += len(self._lines)
        self._lines = []
        self._size = 0

    def _tick(self) -> None:
        self._timer = None
        self.flush()
        if self._waiting:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._tick)

    def _has_room(self) -> bool:
        try:
            _, ready, _ = select.select([], [self._stream], [], 0)
        except OSError:  # Windows asks sockets only
            return True
        return bool(ready)
