"""A mapping that works its values out."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memo(dict[K, V]):
    """What `make` says about each key: worked out once, then found by a plain look-up, without a call.

    For header names, the lines that decide something and the like: few, and in every request. What clients make up
    cannot fill the memory: long keys are not kept, and a full memo begins anew.
    """

    def __init__(self, make: Callable[[K], V], *, max_entries: int = 1024, max_key: int = 64) -> None:
        super().__init__()
        self._make: Callable[[K], V] = make
        self._max_entries = max_entries
        self._max_key = max_key

    def __missing__(self, key: K) -> V:
        value = self._make(key)
        if len(self) >= self._max_entries:
            self.clear()
        if _size(key) <= self._max_key:
            self[key] = value
        return value


def _size(key: Hashable) -> int:
    """Characters and bytes in a key or, if that is a tuple, in all of its parts."""
    if isinstance(key, tuple):
        return sum([_size(part) for part in key])
    return len(key) if isinstance(key, (bytes, str)) else 1
