"""What connections write within one turn of the event loop, sent when it ends.

A write to a socket on the same machine wakes who reads it, which costs more than the write itself, on a virtual machine
many times as much. One turn serves all connections that have something to read; when they are answered in one go, the
other side is woken once and not anew for each, and this side's code stays in the processor's caches meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

logger = logging.getLogger("portal_gateway.http11")

# No more than this waits for the end of a turn: an app may write for long without one, and who is served first shall
# not wait for ever more others.
_MOST_BYTES: Final = 256 * 1024
_MOST_WRITES: Final = 32


class GatheredWrites:
    """Belongs to one event loop. The order of what is written to one transport is kept."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Transport, list[bytes]] = {}
        self._bytes = 0
        self._count = 0

    def write(self, transport: asyncio.Transport, data: bytes) -> None:
        """Write `data` when the event loop's turn ends, or somewhat earlier."""
        waiting = self._waiting
        if not waiting:
            asyncio.get_running_loop().call_soon(self._flush_all)
        pieces = waiting.get(transport)
        if pieces is None:
            waiting[transport] = [data]
        else:
            pieces.append(data)
        self._bytes += len(data)
        self._count += 1
        if self._bytes > _MOST_BYTES or self._count >= _MOST_WRITES:
            self._flush_all()

    def flush(self, transport: asyncio.Transport) -> None:
        """Write now what waits for `transport`: before anything else is done with it than writing by `write`."""
        pieces = self._waiting.pop(transport, None)
        if pieces is not None:
            _send(transport, pieces)

    def _flush_all(self) -> None:
        waiting, self._waiting = self._waiting, {}
        self._bytes = self._count = 0
        for transport, pieces in waiting.items():
            _send(transport, pieces)


def _send(transport: asyncio.Transport, pieces: list[bytes]) -> None:
    if transport.is_closing():
        return
    try:
        if len(pieces) == 1:
            transport.write(pieces[0])
        else:
            transport.writelines(pieces)
    except Exception as error:  # of one connection, at which what waits for the others must not be lost
        logger.error("a connection could not be written to", exc_info=error)
        transport.abort()
