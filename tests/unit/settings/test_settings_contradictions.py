from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal_gateway.settings.contradictions import contradictions


def places(values: Any) -> list[tuple[str | int, ...]]:
    return [where for where, _ in contradictions(values)]


HEADERS = {"source": "headers", "id": "X-User-Id"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"identity": [HEADERS]}, [("identity", 0)], id="headers-from-nobody"),
        pytest.param({"identity": [{"source": "scope"}, HEADERS]}, [("identity", 1)], id="the-second"),
        pytest.param({"identity": [HEADERS], "trusted_proxies": ["10.0.0.0/8"]}, [], id="headers-from-a-proxy"),
        pytest.param({"portals": {"a": {"join": {"link": True}}}}, [("portals", "a", "join")] * 3, id="link"),
        pytest.param({"portals": {"a": {"join": "jwt"}}}, [], id="short-form"),
        pytest.param({"portals": {"a": {"join": {"jwt": True}}}}, [], id="no-links"),
        pytest.param(
            {"portals": {"a": {"join": {"invitations": {"deliver": "vendor"}}}}},
            [("portals", "a", "join")] * 2,
            id="by-the-vendor",
        ),
    ],
)
def test_each_is_found_where_it_is(values: Any, expected: list[Any]) -> None:
    assert places(values) == expected


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["identity", "portals", "join", "link", "invitations", "deliver", "a"]), inner
        )
    ),
    max_leaves=12,
)


@given(_json)
def test_values_of_any_shape_are_looked_at(values: Any) -> None:
    places(values)
