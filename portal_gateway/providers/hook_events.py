"""What a vendor's call to a portal's hook says: whose access may have changed. Pure.

An event never says who has access; it only makes us ask again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from portal_gateway.settings.portals import PortalSettings


@dataclass(frozen=True, slots=True)
class HookEvent:
    """Something happened to one user, or, if `user_id` is None, perhaps to every user of the portal.

    Where the vendor tells, `id` is its own for this event, and `sent_at_ms` is when it was sent (since the epoch).
    """

    user_id: str | None = None
    id: str | None = None
    sent_at_ms: float | None = None


# None for an event that has nothing to do with access; ValueError, fit to be shown, for what is none.
EventReader: TypeAlias = Callable[[Any], HookEvent | None]


def event_reader(settings: PortalSettings) -> EventReader:
    """How the vendor of a portal writes its events."""
    return _READERS[settings.provider]


def planhat_event(value: Any) -> HookEvent:
    """The body is the operator's own, in an automation: `{"user_id": "..."}`, or `{}` if it cannot tell."""
    if not isinstance(value, dict):
        raise ValueError('The body must be {"user_id": "..."}, or {} for all users')
    if "user_id" not in value:
        return HookEvent()
    user_id = value["user_id"]
    # An automation whose template found nothing must not look like one that means everybody.
    if not isinstance(user_id, str) or not user_id.strip():
        raise ValueError("user_id must be a text that is not empty")
    return HookEvent(user_id)


def rocketlane_event(value: Any) -> HookEvent | None:
    """developer.rocketlane.com/docs/event-payload: events about projects, phases and tasks, none about members.

    Which users a project concerns is not in the event.
    """
    if not isinstance(value, dict):
        raise ValueError("The body must be a Rocketlane event")
    kind, event_id = value.get("eventType"), value.get("eventId")
    if not isinstance(kind, str) or not isinstance(event_id, str | int) or isinstance(event_id, bool):
        raise ValueError("The body must be a Rocketlane event with eventType and eventId")
    if not kind.startswith("PROJECT_"):
        return None
    sent_at_ms = value.get("eventTriggeredAt")
    return HookEvent(id=str(event_id), sent_at_ms=sent_at_ms if isinstance(sent_at_ms, int | float) else None)


_READERS: dict[str, EventReader] = {"planhat": planhat_event, "rocketlane": rocketlane_event}
