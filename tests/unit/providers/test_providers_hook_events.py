from __future__ import annotations

from typing import Any, get_args

import pytest

from portal_gateway.providers.hook_events import HookEvent, event_reader, planhat_event, rocketlane_event
from portal_gateway.settings.portals import PortalSettings

# As in developer.rocketlane.com/docs/event-payload.
UPDATED: dict[str, Any] = {
    "eventId": "5f0c-77",
    "resourceType": "PROJECT",
    "eventType": "PROJECT_UPDATED",
    "version": "1.0",
    "data": {"projectId": 5001, "customer": {"companyId": 201}},
    "changeLog": {"changedFields": ["archived"], "from": {"archived": False}, "to": {"archived": True}},
    "source": {"webhook": 1, "actor": 101},
    "eventOccurredAt": 1_700_000_000_000,
    "eventTriggeredAt": 1_700_000_000_250,
}


@pytest.mark.parametrize("kind", ["PROJECT_CREATED", "PROJECT_UPDATED", "PROJECT_ARCHIVED", "PROJECT_DELETED"])
def test_an_event_about_a_project_concerns_everybody(kind: str) -> None:
    assert rocketlane_event({**UPDATED, "eventType": kind}) == HookEvent(None, "5f0c-77", 1_700_000_000_250)


@pytest.mark.parametrize("kind", ["TASK_UPDATED", "PHASE_DELETED", "", "project_updated"])
def test_an_event_about_something_else_concerns_nobody(kind: str) -> None:
    assert rocketlane_event({**UPDATED, "eventType": kind}) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"eventId": 77}, HookEvent(id="77", sent_at_ms=UPDATED["eventTriggeredAt"]), id="number-as-id"),
        pytest.param({"eventTriggeredAt": "2026-01-01"}, HookEvent(id="5f0c-77"), id="another-form-of-time"),
        pytest.param({"eventTriggeredAt": None}, HookEvent(id="5f0c-77"), id="no-time"),
    ],
)
def test_what_is_told_in_another_form(changes: dict[str, Any], expected: HookEvent) -> None:
    assert rocketlane_event({**UPDATED, **changes}) == expected


@pytest.mark.parametrize(
    "value",
    [
        pytest.param([UPDATED], id="list"),
        pytest.param(None, id="null"),
        pytest.param({}, id="empty"),
        pytest.param({**UPDATED, "eventId": None}, id="no-id"),
        pytest.param({**UPDATED, "eventId": True}, id="id-is-no-id"),
        pytest.param({**UPDATED, "eventType": ["PROJECT_UPDATED"]}, id="type-is-no-text"),
    ],
)
def test_what_is_no_event_of_rocketlane(value: Any) -> None:
    with pytest.raises(ValueError, match="Rocketlane event"):
        rocketlane_event(value)


def test_an_automation_names_a_user_or_means_all() -> None:
    assert planhat_event({"user_id": "jane", "more": 1}) == HookEvent("jane")
    assert planhat_event({}) == HookEvent()


@pytest.mark.parametrize(
    "value", [[], None, "jane", {"user_id": ""}, {"user_id": " "}, {"user_id": 7}, {"user_id": None}]
)
def test_a_template_that_found_nothing_does_not_mean_everybody(value: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        planhat_event(value)


def test_every_provider_has_a_reader() -> None:
    models = get_args(get_args(PortalSettings)[0])
    assert models
    for model in models:
        [provider] = get_args(model.model_fields["provider"].annotation)
        assert callable(event_reader(model.model_construct(provider=provider)))
