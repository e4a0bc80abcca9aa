"""What each worker of one `serve` has counted, in memory that all of them see.

Workers post about once a second and read each other's entries, so that whoever is asked answers for all. An entry
outlives its worker: the one that takes its place goes on counting from there.
"""

from __future__ import annotations

import json
import mmap
import struct
import time
import zlib
from dataclasses import asdict, dataclass, field

from portal_gateway.observe.exposition import Samples

# Series are bounded, at some hundred bytes each; pages that nobody writes to take no memory.
ENTRY_BYTES = 1024 * 1024
_HEAD = struct.Struct("=dII")  # when, length, checksum
_TRIES = 3


@dataclass(slots=True)
class Entry:
    """What one worker posts: its samples, and what it has trouble with, in words."""

    samples: Samples = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)


class Scoreboard:
    """`workers` entries. To be made before workers are forked."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._memory = mmap.mmap(-1, workers * ENTRY_BYTES)

    def post(self, worker: int, entry: Entry) -> None:
        """Replace the entry of `worker`. Raises ValueError if it is larger than all series can be."""
        data = json.dumps(asdict(entry)).encode()
        if len(data) > ENTRY_BYTES - _HEAD.size:
            raise ValueError(f"an entry of {len(data)} bytes")
        start = worker * ENTRY_BYTES
        self._memory[start + _HEAD.size : start + _HEAD.size + len(data)] = data
        _HEAD.pack_into(self._memory, start, time.monotonic(), len(data), zlib.crc32(data))

    def read(self, worker: int) -> Entry:
        """The last entry of `worker`, an empty one if there is none."""
        start = worker * ENTRY_BYTES
        for _ in range(_TRIES):
            _, length, checksum = _HEAD.unpack_from(self._memory, start)
            data = self._memory[start + _HEAD.size : start + _HEAD.size + length]
            # Read while it was written: there are no locks, so that a worker that dies leaves none behind.
            if data and zlib.crc32(data) == checksum:
                return Entry(**json.loads(data))
        return Entry()

    def posted_at(self, worker: int) -> float:
        """When, as of `time.monotonic`; 0 if never."""
        when: float = _HEAD.unpack_from(self._memory, worker * ENTRY_BYTES)[0]
        return when

    def touch(self, worker: int) -> None:
        """As if it had posted just now; for one that is about to start, or has nothing to say."""
        struct.pack_into("=d", self._memory, worker * ENTRY_BYTES, time.monotonic())
