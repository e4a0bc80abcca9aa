from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal_gateway.wire import _compiled
from portal_gateway.wire.header_names import HeaderNamesInPython, fields_named, fold_name

# Few letters, so that names meet: equal, equal when folded, and in one slot of the table.
NAMES = st.binary(max_size=4).map(lambda drawn: bytes(b"aAbB-_\x00\xff@["[byte % 10] for byte in drawn))
FIELDS = st.lists(st.tuples(NAMES, st.binary(max_size=1)), max_size=8)
EACH = pytest.mark.parametrize("names_of", [_compiled.HeaderNames, HeaderNamesInPython])


@given(names=st.lists(NAMES, max_size=12), headers=FIELDS)
def test_the_extension_finds_what_python_finds(names: list[bytes], headers: list[tuple[bytes, bytes]]) -> None:
    exact, folded = {*names}, {fold_name(name) for name in names}
    assert _compiled.HeaderNames(exact).among(headers) == HeaderNamesInPython(exact).among(headers)
    expected = HeaderNamesInPython(folded, folded=True).among(headers)
    assert _compiled.HeaderNames(folded, folded=True).among(headers) == expected


@EACH
def test_order_and_repetition_survive(names_of: Any) -> None:
    headers = [(b"host", b"a"), (b"accept", b"1"), (b"range", b"2"), (b"accept", b"3"), (b"Accept", b"4")]
    assert names_of([b"range", b"accept", b"if-range"]).among(headers) == headers[1:4]
    assert names_of([b"range", b"accept"], folded=True).among(headers) == headers[1:]
    assert names_of([]).among(headers) is None
    assert names_of([b"host"]).among([]) is None


@pytest.mark.parametrize("name", [b"X-User-Id", b"x_user_id", b"X_User-ID", b"x-user-id"])
def test_names_that_a_cgi_app_reads_as_one_are_one(name: bytes) -> None:
    assert fold_name(name) == b"x-user-id"
    assert fields_named({b"x-user-id"}, folded=True)([(name, b"7")]) == [(name, b"7")]


def test_as_many_names_as_there_are_places() -> None:
    names = [b"x-%d" % number for number in range(65_535)]
    headers = [(name, b"") for name in names[::100]]
    assert _compiled.HeaderNames(names).among([(b"x-65535", b""), *headers]) == headers
    with pytest.raises(ValueError, match="65535 names at most"):
        _compiled.HeaderNames([*names, b"x-65535"])


@pytest.mark.parametrize("headers", [None, (), [None], [()], [["a"]], [("a", b"")], [(b"a", b""), (1, b"")]], ids=repr)
def test_what_are_no_headers_is_refused(headers: Any) -> None:
    with pytest.raises(TypeError, match="a list of tuples that begin with a name"):
        _compiled.HeaderNames([b"a"]).among(headers)


@pytest.mark.parametrize("arguments", [(), (7,), ([b"a", "b"],), ([b"a"], True)], ids=repr)
def test_what_are_no_names_is_refused(arguments: Any) -> None:
    with pytest.raises(TypeError):
        _compiled.HeaderNames(*arguments)


def test_nothing_is_held_on_to() -> None:
    kind: Any = _compiled.HeaderNames
    field = (b"accept", b"*/*")
    name = b"".join([b"acc", b"ept"])
    before = [sys.getrefcount(counted) for counted in (field, name, kind)]
    for _ in range(100):
        kind([name]).among([field, field])
        with pytest.raises(TypeError):
            kind([name, None])
    assert [sys.getrefcount(counted) for counted in (field, name, kind)] == before
