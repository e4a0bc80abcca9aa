"""One gateway with scripted vendors, taken apart."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from gateway_kit import HTML, PageApp, ScriptedProvider, planhat, rocketlane, settings, wrapped

from portal_gateway.gateway import Gateway
from portal_gateway.injection.plan import Plan, plan_injection
from portal_gateway.injection.rules import PagePlacements


class Parts:
    """A gateway, its vendors, and the plan of a page."""

    def __init__(self, gateway: Gateway, success: ScriptedProvider, onboarding: ScriptedProvider) -> None:
        self.gateway = gateway
        self.success = success
        self.onboarding = onboarding

    @property
    def counts(self) -> dict[tuple[str, str, str], int]:
        return dict(self.gateway.events.counts)

    @property
    def page(self) -> PagePlacements:
        page = self.gateway.rules.pages["/"]
        assert isinstance(page, PagePlacements)
        return page

    def plan(self, *headers: tuple[bytes, bytes]) -> Plan:
        plan = plan_injection(200, [HTML, *headers], self.page, lambda: "https://app.acme.com")
        assert isinstance(plan, Plan), plan
        return plan


@pytest.fixture
async def parts(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Parts]]:
    async with AsyncExitStack() as stack:

        def make(
            *inject: dict[str, Any],
            onboarding: tuple[dict[str, Any], ...] = (),
            identify: Any = None,
            access: dict[str, Any] | None = None,
        ) -> Parts:
            portals = {
                "success": planhat(*inject, access=access or {}),
                "onboarding": rocketlane(*onboarding, access=access or {}),
            }
            providers = {"success": ScriptedProvider(), "onboarding": ScriptedProvider()}
            gateway = wrapped(PageApp(), settings(portals=portals), providers, monkeypatch, identify).gateway
            stack.push_async_callback(gateway.aclose)
            return Parts(gateway, providers["success"], providers["onboarding"])

        yield make
