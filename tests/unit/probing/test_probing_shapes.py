from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal_gateway.probing.shapes import shape_of


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"true", "boolean", id="boolean"),
        pytest.param(b" \xef\xbb\xbf", "text of 4 bytes", id="blank"),
        pytest.param(b'{"access": false}', '{"access": boolean}', id="object"),
        pytest.param(b"7", "number", id="number"),
        pytest.param(b"null", "null", id="null"),
        pytest.param(b"[]", "[]", id="empty-list"),
        pytest.param(b"{}", "{}", id="empty-object"),
        pytest.param(b'"https://share.planhat.com/redirect/x"', "string", id="string"),
        pytest.param(b"https://share.planhat.com/redirect/x", "text of 36 bytes", id="text"),
        pytest.param(b"<!doctype html><p>secret", "HTML of 24 bytes", id="html"),
        pytest.param(b"\xff\xfe", "text of 2 bytes", id="bytes"),
        pytest.param(b"[" * 100_000, "text of 100000 bytes", id="too-deep-to-parse"),
        pytest.param(b'[{"_id": "a"}, {"_id": "b"}]', '[2 x {"_id": string}]', id="list"),
        pytest.param(b'[1, "a", 2]', "[3 x number and 1 other shapes]", id="mixed-list"),
    ],
)
def test_the_shape_of(body: bytes, shape: str) -> None:
    assert shape_of(body) == shape


@pytest.mark.parametrize("key", ["jane@vance.example", "Jane Moreau", "65f1c0ffee00000000000201", "a" * 60, "201", ""])
def test_a_key_that_is_data_is_not_shown(key: str) -> None:
    assert shape_of(json.dumps({"access": True, key: True}).encode()) == '{"access": boolean, 1 more}'


def test_a_large_answer_has_a_short_shape() -> None:
    deep: Any = "x"
    for _ in range(50):
        deep = [{"a": deep}]
    wide = {f"{'a' * (number // 10 + 1)}{number % 10}": number for number in range(400)}
    assert "{...}" in shape_of(json.dumps(deep).encode()) or "[...]" in shape_of(json.dumps(deep).encode())
    assert "370 more" in shape_of(json.dumps(wide).encode())


TOLD = st.text(alphabet="XYZ0123456789@", min_size=8)  # like no key and no word of ours


@given(
    st.recursive(
        TOLD | st.integers(min_value=10**8),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["email", "id"]), inner),
    )
)
def test_no_value_is_ever_shown(value: Any) -> None:
    shape = shape_of(json.dumps(value).encode())
    for told in _values(value):
        assert str(told) not in shape


def _values(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [told for inner in value.values() for told in _values(inner)]
    return [told for inner in value for told in _values(inner)] if isinstance(value, list) else [value]
