from __future__ import annotations

from typing import Any

import pytest

from portal_gateway.errors import RequestRefused
from portal_gateway.joining.inviting import MAX_NAME, Inviter
from portal_gateway.models import EndUser
from portal_gateway.providers.admission import JoinProject

FIRST, SECOND = JoinProject(1, "First", 201), JoinProject(2, "Second", 201)


def inviter(*projects: JoinProject, **user: Any) -> Inviter:
    portal: Any = None
    settings: Any = None
    return Inviter(portal, settings, EndUser(**{"id": "jane", **user}), projects or (FIRST,))


@pytest.mark.parametrize(
    ("user", "name"),
    [
        pytest.param({"name": "Jane Moreau", "email": "jane@vance.example"}, "Jane Moreau", id="name"),
        pytest.param({"email": "jane@vance.example"}, "jane@vance.example", id="address"),
        pytest.param({}, "Somebody", id="neither"),
        pytest.param({"name": "  ", "email": "j@v.io"}, "j@v.io", id="blank"),
        pytest.param({"name": "Jane\r\n\r\nBcc: x"}, "Jane Bcc: x", id="lines"),
        pytest.param({"name": "Jane\u202e\u2066\x00M"}, "Jane M", id="controls"),
        pytest.param({"name": "x" * 200}, "x" * MAX_NAME, id="long"),
        pytest.param({"name": "https://evil.example", "email": "j@v.io"}, "j@v.io", id="site"),
        pytest.param({"name": "see WWW.evil.example"}, "Somebody", id="site-and-no-address"),
    ],
)
def test_how_the_mails_call_who_invites(user: dict[str, Any], name: str) -> None:
    assert inviter(**user).name == name


def test_the_only_project_needs_no_choice() -> None:
    assert inviter(FIRST).project(None) == FIRST
    assert inviter(FIRST, SECOND).project(2) == SECOND


@pytest.mark.parametrize(("projects", "wanted"), [((FIRST,), 2), ((FIRST, SECOND), None), ((FIRST, SECOND), 3)])
def test_others_are_not_open(projects: tuple[JoinProject, ...], wanted: int | None) -> None:
    with pytest.raises(RequestRefused):
        inviter(*projects).project(wanted)
