from __future__ import annotations

import pytest
from joining_fakes import Clock

from portal_gateway.joining.keyring import Keyring
from portal_gateway.store.memory import MemoryStore


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(clock=clock)


@pytest.fixture
def keyring() -> Keyring:
    return Keyring({"k1": b"k" * 32})
