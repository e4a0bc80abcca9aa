from __future__ import annotations

import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.authentication import BaseUser, SimpleUser

from portal_gateway.identity.fields import user_from
from portal_gateway.settings.identity import FieldMap

UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("42", "42", id="text"),
        pytest.param(" 42", " 42", id="text-is-not-altered"),
        pytest.param(42, "42", id="int"),
        pytest.param(0, "0", id="zero-is-an-id"),
        pytest.param(UUID, str(UUID), id="uuid"),
        pytest.param("", None, id="empty"),
        pytest.param(" \t", None, id="blank"),
        pytest.param(None, None, id="null"),
        pytest.param(True, None, id="true"),
        pytest.param(False, None, id="false"),
        pytest.param(4.2, None, id="float"),
        pytest.param(["42"], None, id="list"),
        pytest.param({"id": "42"}, None, id="mapping"),
        pytest.param(b"42", None, id="bytes"),
        pytest.param(object(), None, id="object"),
    ],
)
def test_what_can_be_an_id(value: object, expected: str | None) -> None:
    user = user_from({"id": value}, FieldMap(id="id"))
    assert (user and user.id) == expected


@pytest.mark.parametrize(
    ("values", "path", "expected"),
    [
        pytest.param({"user": {"id": "7"}}, "user.id", "7", id="nested"),
        pytest.param({"a": {"b": {"c": 7}}}, "a.b.c", "7", id="three-deep"),
        pytest.param({"https://acme.com/id": "7"}, "https://acme.com/id", "7", id="namespaced-claim"),
        pytest.param({"u": {"x.y": "7"}}, "u.x.y", "7", id="dotted-key-within"),
        pytest.param({"user": SimpleNamespace(id=7)}, "user.id", "7", id="object-in-mapping"),
        pytest.param(SimpleNamespace(profile={"id": 7}), "profile.id", "7", id="mapping-in-object"),
        pytest.param({"user": None}, "user.id", None, id="nothing-there"),
        pytest.param({"user": ["7"]}, "user.0", None, id="no-list-index"),
        pytest.param({"user": "seven"}, "user.id", None, id="text-has-no-members"),
        pytest.param({"name": "x"}, "name.__doc__", None, id="no-attributes-of-text"),
        pytest.param({}, "keys", None, id="no-attributes-of-mappings"),
        pytest.param(None, "id", None, id="no-values"),
        pytest.param("text", "__doc__", None, id="values-are-text"),
    ],
)
def test_paths(values: object, path: str, expected: str | None) -> None:
    user = user_from(values, FieldMap(id=path))
    assert (user and user.id) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        ("true", True),
        ("1", True),
        (1, True),
        (False, False),
        (None, False),
        ("", False),
        ("false", False),
        ("True", False),
        ("yes", False),
        (0, False),
        (2, False),
        (1.0, False),
        ([True], False),
        ({"a": 1}, False),
    ],
)
def test_only_a_clear_yes_verifies_an_email(value: object, expected: bool) -> None:
    user = user_from({"id": "1", "v": value}, FieldMap(id="id", email_verified="v"))
    assert user is not None
    assert user.email_verified is expected


def test_an_email_is_not_verified_unless_a_field_says_so() -> None:
    user = user_from({"id": "1", "email_verified": True}, FieldMap(id="id"))
    assert user is not None
    assert user.email_verified is False


def test_all_fields() -> None:
    values = {
        "sub": 9,
        "mail": "ann@acme.com",
        "full": "Ann",
        "org": {"id": 77},
        "role": "admin",
        "seats": 3,
        "roles": ["a"],
        "ref": UUID,
    }
    fields = FieldMap(
        id="sub",
        email="mail",
        name="full",
        company_id="org.id",
        attributes={"role": "role", "seats": "seats", "roles": "roles", "ref": "ref", "none": "none"},
    )
    user = user_from(values, fields)
    assert user is not None
    assert (user.id, user.email, user.name, user.company_id) == ("9", "ann@acme.com", "Ann", "77")
    assert user.attributes == {"role": "admin", "seats": 3, "ref": str(UUID)}


@pytest.mark.parametrize("value", [True, ["a"], "", " ", 1.5, None], ids=repr)
def test_other_fields_of_the_wrong_type_are_absent(value: Any) -> None:
    user = user_from({"id": "1", "x": value}, FieldMap(id="id", email="x", name="x", company_id="x"))
    assert user is not None
    assert (user.email, user.name, user.company_id) == (None, None, None)


class FailingUser:
    id = "5"

    @property
    def email(self) -> str:
        raise RuntimeError("the database is away")


def test_a_property_that_raises_counts_as_absent() -> None:
    user = user_from(FailingUser(), FieldMap(id="id", email="email"))
    assert user is not None
    assert user.email is None
    assert user_from(FailingUser(), FieldMap(id="email")) is None


def test_starlettes_base_user_raises_and_its_simple_user_does_not() -> None:
    assert user_from(BaseUser(), FieldMap(id="identity")) is None
    user = user_from(SimpleUser("ann"), FieldMap(id="identity", name="display_name"))
    assert user is not None
    assert (user.id, user.name) == ("ann", "ann")
