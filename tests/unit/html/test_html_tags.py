from __future__ import annotations

import pytest

from portal_gateway.html.tags import TAG, Tag, parse_attributes, resolve_references


@pytest.mark.parametrize(
    ("text", "length"),
    [
        pytest.param(b"<a>x", 3, id="bare"),
        pytest.param(b"<a b='>' c=\">\">x", 15, id="quoted-greater-than"),
        pytest.param(b"<a b=c'>x'>", 8, id="quote-inside-an-unquoted-value"),
        pytest.param(b'<a ">">', 5, id="quote-where-a-name-stands"),
        pytest.param(b'<a ="x>y">', 7, id="equals-sign-begins-a-name"),
        pytest.param(b'<a b/="x>y">', 9, id="slash-ends-the-name"),
        pytest.param(b"<a b=>x", 6, id="missing-value"),
        pytest.param(b"<a b = 'x>y' >", 14, id="spaces-around-equals"),
        pytest.param(b"<a\x00b\xff/c>", 8, id="odd-bytes"),
        pytest.param(b"<a/>", 4, id="self-closing"),
        pytest.param(b"<a b='x'c>", 10, id="no-space-between"),
        pytest.param(b"<a<b>", 5, id="less-than-in-a-name"),
        pytest.param(b"</p foo='>'>", 12, id="end-tag-with-attributes"),
    ],
)
def test_where_a_tag_ends(text: bytes, length: int) -> None:
    match = TAG.match(text)
    assert match is not None
    assert match.end() == length


@pytest.mark.parametrize(
    "text",
    [b"<a", b"<a ", b"<a b", b"<a b=", b"<a b='>", b'<a b=">c', b"<a b='x'", b"<1>", b"< a>", b"<>", b"</>", b"<!a>"],
)
def test_an_unfinished_or_no_tag_does_not_match(text: bytes) -> None:
    assert TAG.match(text) is None


@pytest.mark.parametrize(
    ("raw", "attributes"),
    [
        pytest.param(b"", {}, id="none"),
        pytest.param(b" a", {"a": ""}, id="without-value"),
        pytest.param(b" A=B", {"a": "B"}, id="name-in-lower-case"),
        pytest.param(b" a=1 a=2", {"a": "1"}, id="first-duplicate-counts"),
        pytest.param(b" a='x' b=\"y\"/c=z", {"a": "x", "b": "y", "c": "z"}, id="all-quotes"),
        pytest.param(b" a= b", {"a": "b"}, id="space-after-equals"),
        pytest.param(b" a=", {"a": ""}, id="missing-value"),
        pytest.param(b" =a=b", {"=a": "b"}, id="leading-equals"),
        pytest.param(b" a='1\r\n2\r3'", {"a": "1\n2\n3"}, id="newlines"),
        pytest.param(b" a=\x00", {"a": "\ufffd"}, id="nul"),
        pytest.param("å=ü".encode(), {"å": "ü"}, id="utf-8"),
        pytest.param(b" a=\xe9", {"a": "\udce9"}, id="not-utf-8"),
        pytest.param(b" class='a&amp;b'", {"class": "a&b"}, id="reference"),
    ],
)
def test_attributes(raw: bytes, attributes: dict[str, str]) -> None:
    assert parse_attributes(raw) == attributes
    assert Tag(b"a", raw=raw).attributes == attributes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a&amp;b", "a&b"),
        ("&#65;&#x42;&#67", "ABC"),
        ("&copy", "©"),
        ("&copy;=", "©="),
        ("&copy=1", "&copy=1"),
        ("&copyx", "&copyx"),
        ("&notit;", "&notit;"),
        ("&notin;", "∉"),
        ("&;&", "&;&"),
        ("&nosuch;", "&nosuch;"),
        ("&#0;", "\ufffd"),
    ],
)
def test_references_in_values(text: str, expected: str) -> None:
    assert resolve_references(text) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"/", True),
        (b" /", True),
        (b" a=b/", False),
        (b" a='b'/", True),
        (b" a/", True),
        (b"", False),
        (b' a="q=z"/', True),
    ],
)
def test_self_closing(raw: bytes, expected: bool) -> None:
    assert Tag(b"g", raw=raw).self_closing is expected
