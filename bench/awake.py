"""Cores that do not sleep while something is measured.

What is written to a socket wakes who waits for it. If that core sleeps, on a virtual machine the hypervisor has to be
asked for it, and the writer pays: some 6 us a time on the machine that this was made on, and the more often, the longer
a server takes. Then `cpu us` is mostly about that, and a server that costs half more seems to cost twice as much.

Linux keeps all cores from sleeping while somebody holds /dev/cpu_dma_latency open with a 0 in it
(https://docs.kernel.org/power/pm_qos_interface.html).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DEVICE = Path("/dev/cpu_dma_latency")


@contextmanager
def cores_awake() -> Iterator[bool]:
    """Whether they are kept awake: only root may do that, and only where the kernel can."""
    try:
        device = _DEVICE.open("wb", buffering=0)
    except OSError:
        yield False
        return
    with device:
        device.write(struct.pack("i", 0))
        yield True
