from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from portal_gateway.errors import IncompleteIdentity
from portal_gateway.models import EndUser
from portal_gateway.settings.templates import UserTemplate

JANE = EndUser(
    "42", "jane@vance.com", name="Jane Doe", company_id="c1", attributes={"ph": "5f", "number": 7, "a.b": "dotted"}
)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{id}", "42"),
        ("extid-{id}", "extid-42"),
        ("{email}", "jane@vance.com"),
        ("{name}", "Jane Doe"),
        ("{company_id}/{id}/{id}", "c1/42/42"),
        ("x{attributes.ph}y", "x5fy"),
        ("{attributes.number}", "7"),
        ("{attributes.a.b}", "dotted"),
        ("constant", "constant"),
    ],
)
def test_a_template_is_filled_in(template: str, text: str) -> None:
    assert UserTemplate(template).render(JANE) == text


def test_an_inserted_value_is_not_a_template_again() -> None:
    assert UserTemplate("{name}").render(EndUser("1", name="{email}")) == "{email}"


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("", "must not be empty"),
        ("  ", "must not be empty"),
        ("{}", "unknown placeholder"),
        ("{ id }", "unknown placeholder"),
        ("{user.id}", "unknown placeholder"),
        ("{email_verified}", "unknown placeholder"),
        ("{attributes}", "unknown placeholder"),
        ("{attributes.}", "unknown placeholder"),
        ("{attributes.a b}", "unknown placeholder"),
        ("{__class__}", "unknown placeholder"),
        ("{id!r}", "unknown placeholder"),
        ("{id:>10}", "unknown placeholder"),
        ("{id", "stray brace"),
        ("id}", "stray brace"),
        ("{{id}}", "stray brace"),
    ],
)
def test_a_template_that_cannot_be_meant(template: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        UserTemplate(template)


@pytest.mark.parametrize(
    ("template", "user", "field"),
    [
        ("{email}", EndUser("1"), "email"),
        ("{email}", EndUser("1", ""), "email"),
        ("{company_id}", EndUser("1", company_id=" \u00a0\t"), "company_id"),
        ("{attributes.ph}", EndUser("1"), "attributes.ph"),
        ("{attributes.ph}", EndUser("1", attributes={"ph": None}), "attributes.ph"),
        ("{attributes.ph}", EndUser("1", attributes={"ph": True}), "attributes.ph"),
        ("{attributes.ph}", EndUser("1", attributes={"ph": 1.5}), "attributes.ph"),
        ("{attributes.ph}", EndUser("1", attributes={"ph": ["5f"]}), "attributes.ph"),
        ("{attributes.ph}", EndUser("1", attributes={"ph": {"id": "5f"}}), "attributes.ph"),
        ("{id}-{email}", EndUser("1"), "email"),
    ],
)
def test_a_blank_or_missing_field_is_named_and_never_left_out(template: str, user: EndUser, field: str) -> None:
    with pytest.raises(IncompleteIdentity) as caught:
        UserTemplate(template).render(user)
    assert caught.value.field == field


def test_templates_are_values() -> None:
    assert UserTemplate("{id}") == UserTemplate("{id}") != UserTemplate("{email}")
    assert hash(UserTemplate("{id}")) == hash(UserTemplate("{id}"))
    assert repr(UserTemplate("{id}")) == "UserTemplate('{id}')"


def test_a_template_in_a_settings_model() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(UserTemplate)
    assert adapter.validate_python("extid-{id}") == UserTemplate("extid-{id}")
    assert adapter.dump_json(UserTemplate("{id}")) == b'"{id}"'
    assert adapter.json_schema() == {"type": "string"}
    for wrong in (42, None, "{nobody}"):
        with pytest.raises(ValidationError):
            adapter.validate_python(wrong)
