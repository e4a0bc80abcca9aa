"""What both emulators have: records, a clock, switches, a call log, and the way back to the first state."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

from starlette.requests import Request

from portal_gateway.sandbox.calls import CallLog
from portal_gateway.sandbox.clock import Clock
from portal_gateway.sandbox.rate_limit import RateLimit
from portal_gateway.sandbox.switches import Switches

RecordsT = TypeVar("RecordsT")
SwitchesT = TypeVar("SwitchesT", bound=Switches)


class Emulator(Generic[RecordsT, SwitchesT]):
    """State of one emulated vendor; `public_url` is where browsers reach it, once that is known."""

    def __init__(self, records: RecordsT, switches: SwitchesT, clock: Clock) -> None:
        self.records = records
        self.switches = switches
        self.clock = clock
        self.calls = CallLog()
        self.limit = RateLimit(clock)
        self.sessions: dict[str, str] = {}
        self.public_url: str | None = None
        self._first_records = copy.deepcopy(records)

    def url(self, request: Request, path: str) -> str:
        """The absolute URL of `path` (which begins with a slash)."""
        return (self.public_url or str(request.base_url)).rstrip("/") + path

    def reset(self) -> None:
        """Forget calls, sessions and switches, and put the first records back into the same object."""
        vars(self.records).update(vars(copy.deepcopy(self._first_records)))
        self.switches.reset()
        self.clock.reset()
        self.calls.clear()
        self.limit = RateLimit(self.clock)
        self.sessions.clear()
