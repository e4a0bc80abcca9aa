from __future__ import annotations

from typing import Any

import pytest

from portal_gateway.joining.permission import InviteRule
from portal_gateway.models import EndUser
from portal_gateway.settings.joining import InvitePermission


def user(**values: Any) -> EndUser:
    return EndUser(**{"id": "jane", "email": "jane@vance.example", "email_verified": True, **values})


async def holds(who: EndUser, **settings: Any) -> bool:
    return await InviteRule(InvitePermission.model_validate(settings)).holds(who)


@pytest.mark.parametrize(
    ("held", "wanted", "allowed"),
    [
        pytest.param("admin", "admin", True, id="equal"),
        pytest.param("user", "admin", False, id="other"),
        pytest.param("Admin", "admin", False, id="case"),
        pytest.param("administrator", "admin", False, id="longer"),
        pytest.param(["user", "admin"], "admin", True, id="one-of-mine"),
        pytest.param("admin", ["owner", "admin"], True, id="one-of-those"),
        pytest.param(["a", "b"], ["c", "d"], False, id="none"),
        pytest.param([], "admin", False, id="empty"),
        pytest.param(None, "admin", False, id="missing"),
        pytest.param(None, None, True, id="null"),
        pytest.param(True, True, True, id="true"),
        pytest.param(1, True, False, id="one-is-not-true"),
        pytest.param("true", True, False, id="text-is-not-true"),
        pytest.param(True, 1, False, id="true-is-not-one"),
        pytest.param({"admin": 1}, "admin", False, id="mapping"),
    ],
)
async def test_attributes(held: object, wanted: object, allowed: bool) -> None:
    assert await holds(user(attributes={"role": held}), attributes={"role": wanted}) is allowed


async def test_every_attribute_has_to_hold() -> None:
    wanted = {"role": "admin", "active": True}
    assert await holds(user(attributes={"role": "admin", "active": True}), attributes=wanted)
    assert not await holds(user(attributes={"role": "admin"}), attributes=wanted)


@pytest.mark.parametrize(
    ("who", "allowed"),
    [
        pytest.param(user(), True, id="verified"),
        pytest.param(user(email="jane@Vance.Example"), True, id="case"),
        pytest.param(user(email_verified=False), False, id="not-verified"),
        pytest.param(user(email="jane@sub.vance.example"), False, id="subdomain"),
        pytest.param(user(email="jane@vance.example.evil.com"), False, id="longer"),
        pytest.param(user(email="nonsense"), False, id="no-address"),
        pytest.param(user(email=None), False, id="none"),
    ],
)
async def test_domains(who: EndUser, allowed: bool) -> None:
    assert await holds(who, email_domains=["vance.example"]) is allowed


def says_yes(_user: EndUser) -> bool:
    return True


async def says_yes_later(_user: EndUser) -> bool:
    return True


def says_something(_user: EndUser) -> str:
    return "yes"


def fails(_user: EndUser) -> bool:
    raise KeyError("jane@vance.example")


async def fails_later(_user: EndUser) -> bool:
    raise KeyError("jane@vance.example")


@pytest.mark.parametrize(
    ("function", "allowed"),
    [("says_yes", True), ("says_yes_later", True), ("says_something", False), ("fails", False), ("fails_later", False)],
)
async def test_functions(function: str, allowed: bool, caplog: pytest.LogCaptureFixture) -> None:
    assert await holds(user(), function=f"{__name__}:{function}") is allowed
    assert ("has failed" in caplog.text) is function.startswith("fails")
    assert "jane" not in caplog.text


async def test_all_kinds_together() -> None:
    settings = {"attributes": {"role": "admin"}, "email_domains": ["vance.example"], "function": f"{__name__}:says_yes"}
    admin = user(attributes={"role": "admin"})
    assert await holds(admin, **settings)
    assert not await holds(user(), **settings)
    assert not await holds(user(attributes={"role": "admin"}, email="a@b.example"), **settings)
    assert not await holds(admin, **{**settings, "function": f"{__name__}:fails"})
