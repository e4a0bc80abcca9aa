from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable

import pytest

from portal_gateway.arguments import end_user, page_path, port_number, positive_number
from portal_gateway.models import EndUser


@pytest.mark.parametrize(
    ("words", "user"),
    [
        pytest.param(["42"], EndUser("42"), id="bare-id"),
        pytest.param(["id=42"], EndUser("42"), id="named-id"),
        pytest.param(["abc=="], EndUser("abc=="), id="an-id-with-an-equals-sign"),
        pytest.param(["email=x"], EndUser("email=x"), id="the-first-word-is-the-id"),
        pytest.param(
            ["42", "email=jane+a=b@vance.com", "company_id=201", "name=Jane Moreau", "email_verified=true"],
            EndUser("42", "jane+a=b@vance.com", True, "Jane Moreau", "201"),
            id="all-fields",
        ),
        pytest.param(
            ["42", "attributes.plan=pro", "attributes.crm.id=7"],
            EndUser("42", attributes={"plan": "pro", "crm.id": "7"}),
            id="attributes",
        ),
        pytest.param(["42", "email="], EndUser("42", email=""), id="empty-value"),
    ],
)
def test_an_end_user(words: list[str], user: EndUser) -> None:
    assert end_user(words) == user
    assert end_user(words).attributes == user.attributes


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(
            ["42", "jane@vance.com"], "'jane@vance.com' is not FIELD=VALUE; fields are id, email", id="no-field"
        ),
        pytest.param(["42", "mail=jane@vance.com"], "'mail' is not FIELD=VALUE", id="unknown-field"),
        pytest.param(["42", "email=a", "email=b"], "email is given twice", id="twice"),
        pytest.param(["42", "id=43"], "id is given twice", id="two-ids"),
        pytest.param(["42", "email_verified=yes"], "email_verified is true or false", id="not-a-boolean"),
        pytest.param(["id="], "needs a non-empty id", id="empty-id"),
        pytest.param([" "], "needs a non-empty id", id="blank-id"),
    ],
)
def test_what_is_no_end_user(words: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        end_user(words)


@pytest.mark.parametrize(
    ("read", "text"),
    [(port_number, "65536"), (port_number, "-1"), (port_number, "http"), (positive_number, "0"), (page_path, "orders")],
)
def test_what_is_neither_a_port_nor_a_number_nor_a_path(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        read(text)


def test_ports_numbers_and_paths() -> None:
    assert (port_number("0"), positive_number("7"), page_path("/a?b")) == (0, 7, "/a?b")
