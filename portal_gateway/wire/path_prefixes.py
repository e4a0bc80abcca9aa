"""What is in charge of a path: the longest prefix of it, on the borders of its segments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class PathPrefixes(Generic[T]):
    """Values by prefix: `/api` is for `/api` and what is below it, not for `/apix`. `/` must be there, for the rest.

    Paths are compared as they were sent. Nothing is decoded or resolved: neither `/api%2fx` nor `/x/../api` is below
    `/api`, and what is there to the app that gets the path is up to that app.
    """

    def __init__(self, values: Mapping[str, T]) -> None:
        borders = [(f"{prefix}/".encode("ascii"), value) for prefix, value in values.items() if prefix != "/"]
        self._longest_first = sorted(borders, key=lambda pair: len(pair[0]), reverse=True)
        self._rest = values["/"]

    def find(self, raw_path: bytes) -> T:
        """The value for a path without its query, percent-encoded."""
        path = raw_path + b"/"
        for border, value in self._longest_first:
            if path.startswith(border):
                return value
        return self._rest
