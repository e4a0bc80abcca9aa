from __future__ import annotations

import pytest

from portal_gateway.errors import VendorError
from portal_gateway.providers.answers import json_body, json_value
from portal_gateway.providers.client import VendorAnswer


def answer(body: bytes, status: int = 200) -> VendorAnswer:
    return VendorAnswer(status, "application/json", body, {})


@pytest.mark.parametrize("body", [b'{"a": [1, true, null]}', b'\xef\xbb\xbf{"a": [1, true, null]}'])
def test_a_json_body(body: bytes) -> None:
    assert json_body(answer(body)) == {"a": [1, True, None]}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>Down for maintenance</html>", id="html"),
        pytest.param(b'{"a": 1', id="cut off"),
        pytest.param(b'{"a": 1} {"a": 2}', id="two values"),
        pytest.param(b'{"a": 1, "a": 2}', id="repeated key"),
        pytest.param(b"[" * 100_000, id="deep nesting"),
        pytest.param(b'"\xff"', id="not UTF-8"),
        pytest.param('"x"'.encode("utf-16"), id="UTF-16"),
        pytest.param(b"1" * 100_000, id="a number without end"),
    ],
)
def test_a_body_that_is_no_json_value(body: bytes) -> None:
    with pytest.raises(VendorError):
        json_body(answer(body))


@pytest.mark.parametrize("status", [204, 206, 301, 400, 403, 404, 418])
def test_only_200_is_an_answer(status: int) -> None:
    with pytest.raises(VendorError, match=str(status)):
        json_body(answer(b"true", status))


def test_a_key_must_not_say_two_things_on_any_level() -> None:
    with pytest.raises(ValueError, match="repeated"):
        json_value('[{"x": {"access": false, "access": true}}]')


def test_the_body_is_not_in_the_error_or_the_representation() -> None:
    with pytest.raises(VendorError) as caught:
        json_body(answer(b"jane@vance.com"))
    assert "jane" not in caught.value.message
    assert "jane" not in repr(answer(b"jane@vance.com"))
