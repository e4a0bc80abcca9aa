from __future__ import annotations

import pytest
from access_fakes import TTL, Clock, Vendor, latest

from portal_gateway.access.asking import Source
from portal_gateway.access.memory import MemoryLevel
from portal_gateway.access.service import AccessService
from portal_gateway.models import EndUser
from portal_gateway.observe.events import Events


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def service(vendor: Vendor, clock: Clock, events: Events) -> AccessService:
    return AccessService({"success": Source(vendor, TTL)}, MemoryLevel(100), events, clock=clock, dice=latest)


@pytest.fixture
def jane() -> EndUser:
    return EndUser("7", "jane@vance.com")
