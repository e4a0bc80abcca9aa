"""How many requests there were, how they ended and how long they took."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from portal_gateway.observe.exposition import Samples, labels

# From a decision at hand to an app that computes for a while; Prometheus' usual ones, and one below.
BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_CLASSES: Final = ("none", "1xx", "2xx", "3xx", "4xx", "5xx")


class RequestFigures:
    """The figures of one kind of requests. `timed`: also how long they took."""

    __slots__ = ("_buckets", "_classes", "_kind", "_seconds", "_timed", "in_flight")

    def __init__(self, kind: str, *, timed: bool = True) -> None:
        self._kind = kind
        self._timed = timed
        self._classes = [0] * len(_CLASSES)
        self._buckets = [0] * (len(BUCKETS_S) + 1)
        self._seconds = 0.0
        self.in_flight = 0

    def ended(self, status: int, seconds: float) -> None:
        """One request is over; `status` is 0 if nobody was left to answer."""
        self.in_flight -= 1
        self._classes[status // 100] += 1
        if self._timed:
            self._buckets[bisect_left(BUCKETS_S, seconds)] += 1
            self._seconds += seconds

    def samples(self) -> Samples:
        counts = {
            labels(kind=self._kind, status=name): count
            for name, count in zip(_CLASSES, self._classes, strict=True)
            if count
        }
        samples: Samples = {
            "portal_gateway_requests_total": dict(counts),
            "portal_gateway_requests_in_flight": {labels(kind=self._kind): self.in_flight},
        }
        if self._timed:
            samples["portal_gateway_request_seconds"] = self._histogram()
        return samples

    def _histogram(self) -> dict[str, float]:
        histogram: dict[str, float] = {}
        total = 0
        for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), self._buckets, strict=True):
            total += count
            histogram["_bucket" + labels(kind=self._kind, le=bound)] = total
        histogram["_sum" + labels(kind=self._kind)] = self._seconds
        histogram["_count" + labels(kind=self._kind)] = total
        return histogram
