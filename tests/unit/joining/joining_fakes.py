"""What the rooms below and above joining stand for in its unit tests."""

from __future__ import annotations

from portal_gateway.joining.link_states import LinkPurpose


class Clock:
    """Epoch seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def purpose(**values: object) -> LinkPurpose:
    fields: dict[str, object] = {
        "portal": "onboarding",
        "local": "New",
        "domain": "vance.example",
        "project_id": 5001,
        "company_id": 201,
    }
    return LinkPurpose(**{**fields, **values})  # type: ignore[arg-type]
