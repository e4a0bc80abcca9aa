"""glibc's heap top: kept, instead of given back to the kernel after every response."""

from __future__ import annotations

import ctypes
import platform

# /usr/include/malloc.h
_M_TRIM_THRESHOLD = -1

# A page of 64 to 200 KB frees more than the default threshold (128 KB) at the top of the heap, so that each
# response shrinks and grows it again: two brk calls and a page fault per 4 KB, more than half of the time.
TRIM_THRESHOLD_BYTES = 512 * 1024 * 1024


def keep_heap() -> bool:
    """Tell glibc to trim its heap only above `TRIM_THRESHOLD_BYTES`; whether that was possible.

    Called once at the start of a sidecar process. On other platforms and C libraries it does nothing.
    """
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    mallopt.argtypes = (ctypes.c_int, ctypes.c_int)
    mallopt.restype = ctypes.c_int
    return bool(mallopt(_M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES))
