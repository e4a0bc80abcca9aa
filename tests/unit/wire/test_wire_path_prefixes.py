from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal_gateway.wire.path_prefixes import PathPrefixes

PREFIXES = PathPrefixes({name: name for name in ("/api", "/", "/api/v2", "/a%20b")})


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param(b"/", "/", id="root"),
        pytest.param(b"/other", "/", id="no-prefix"),
        pytest.param(b"/api", "/api", id="the-prefix-itself"),
        pytest.param(b"/api/", "/api", id="slash-at-the-end"),
        pytest.param(b"/api/users", "/api", id="below"),
        pytest.param(b"/api//users", "/api", id="empty-segment-below"),
        pytest.param(b"/apix", "/", id="not-on-a-border"),
        pytest.param(b"/api;v=1", "/", id="parameters-are-part-of-the-segment"),
        pytest.param(b"/API/users", "/", id="case"),
        pytest.param(b"//api", "/", id="empty-segment-before"),
        pytest.param(b"/x/api", "/", id="elsewhere"),
        pytest.param(b"/api%2fusers", "/", id="an-encoded-slash-is-no-border"),
        pytest.param(b"/%61pi", "/", id="nothing-is-decoded"),
        pytest.param(b"/x/../api", "/", id="nothing-is-resolved"),
        pytest.param(b"/api/../x", "/api", id="nothing-is-resolved-below"),
        pytest.param(b"/api/v2", "/api/v2", id="the-longer-one"),
        pytest.param(b"/api/v2/users", "/api/v2", id="below-the-longer-one"),
        pytest.param(b"/api/v20", "/api", id="the-longer-one-has-borders-too"),
        pytest.param(b"/a%20b/c", "/a%20b", id="encoded-as-it-was-sent"),
        pytest.param(b"/caf\xe9", "/", id="bytes"),
        pytest.param(b"*", "/", id="options-asterisk"),
        pytest.param(b"", "/", id="empty"),
    ],
)
def test_the_longest_prefix_on_a_border(path: bytes, expected: str) -> None:
    assert PREFIXES.find(path) == expected


SEGMENT = st.sampled_from(["a", "b", "ab", "a.b", "%61"])
PREFIX = st.lists(SEGMENT, min_size=1, max_size=4).map(lambda segments: "/" + "/".join(segments))
PATH = st.lists(SEGMENT | st.sampled_from(["", "..", "a;b", "a%2fb"]), max_size=6).map(
    lambda segments: "/" + "/".join(segments)
)


@given(st.sets(PREFIX, max_size=8), PATH)
def test_it_is_what_a_look_at_every_segment_finds(prefixes: set[str], path: str) -> None:
    found = PathPrefixes({prefix: prefix for prefix in (*prefixes, "/")}).find(path.encode())
    segments = path.split("/")
    leading = ["/".join(segments[:count]) for count in range(len(segments), 1, -1)]
    assert found == next((prefix for prefix in leading if prefix in prefixes), "/")


@given(st.permutations(["/", "/a", "/a/b", "/ab", "/a/b/c"]), PATH)
def test_their_order_does_not_matter(prefixes: list[str], path: str) -> None:
    reference = PathPrefixes({prefix: prefix for prefix in sorted(prefixes)})
    assert PathPrefixes({prefix: prefix for prefix in prefixes}).find(path.encode()) == reference.find(path.encode())
