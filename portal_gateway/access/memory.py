"""The in-process store of decisions: bounded, least recently used out first."""

from __future__ import annotations

from typing import NamedTuple

from cachetools import LRUCache

from portal_gateway.access.freshness import Entry


class DecisionKey(NamedTuple):
    """Whose decision it is. `subject` is what of the user the provider decides by: another e-mail, another key."""

    portal: str
    user_id: str
    subject: str


class MemoryStore:
    """Decisions by key. Times are judged by the caller; what is never asked for again falls out by size."""

    def __init__(self, max_entries: int) -> None:
        self._entries: LRUCache[DecisionKey, Entry] = LRUCache(max_entries)

    def get(self, key: DecisionKey) -> Entry | None:
        return self._entries.get(key)

    def put(self, key: DecisionKey, entry: Entry) -> None:
        self._entries[key] = entry

    def drop(self, key: DecisionKey) -> None:
        self._entries.pop(key, None)

    def forget(self, portal: str, user_id: str) -> int:
        """Drop every decision of one user of one portal; the number dropped."""
        keys = [key for key in self._entries if key.portal == portal and key.user_id == user_id]
        for key in keys:
            del self._entries[key]
        return len(keys)

    def __len__(self) -> int:
        return len(self._entries)
