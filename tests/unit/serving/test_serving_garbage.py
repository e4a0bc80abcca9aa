from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from portal_gateway.serving.garbage import THRESHOLDS, settle


class Cycle:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_what_there_is_at_the_start_is_not_looked_at_again() -> None:
    settle()
    assert gc.get_freeze_count() > 1000
    assert gc.get_threshold() == THRESHOLDS


def test_cycles_are_collected_all_the_same() -> None:
    settle()
    later = weakref.ref(Cycle())
    gc.collect()
    assert later() is None
    kept = Cycle()
    early = weakref.ref(kept)
    settle()
    del kept
    gc.collect()
    assert early() is not None, "frozen"
    settle()
    assert early() is None, "what a reload leaves behind is"
