from __future__ import annotations

from typing import Any

import pytest

from portal_gateway.wire import headers as h

HEADERS = [
    (b"Set-Cookie", b"a=1"),
    (b"content-type", b"text/html; charset=\xe9"),
    (b"SET-COOKIE", b"b=2"),
    (b"x-empty", b""),
]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param(b"set-cookie", b"a=1", id="first-of-two-in-another-case"),
        pytest.param(b"content-type", b"text/html; charset=\xe9", id="lower-case"),
        pytest.param(b"x-empty", b"", id="empty-is-not-absent"),
        pytest.param(b"cookie", None, id="absent"),
        pytest.param(b"set-cooki", None, id="prefix"),
    ],
)
def test_first(name: bytes, expected: bytes | None) -> None:
    assert h.first(HEADERS, name) == expected


def test_values_are_all_and_in_order() -> None:
    assert h.values(HEADERS, b"set-cookie") == [b"a=1", b"b=2"]
    assert h.values(HEADERS, b"cookie") == []


def test_text_decodes_bytes_that_are_not_utf8() -> None:
    assert h.text(HEADERS, b"content-type") == "text/html; charset=é"
    assert h.text(HEADERS, b"x-empty") == ""
    assert h.text(HEADERS, b"cookie") is None


def test_without_takes_every_spelling_and_leaves_the_original_alone() -> None:
    original = list(HEADERS)
    assert h.without(HEADERS, {b"set-cookie", b"absent"}) == [HEADERS[1], HEADERS[3]]
    assert original == HEADERS


def test_replaced_leaves_one() -> None:
    assert h.replaced(HEADERS, b"set-cookie", b"c=3") == [HEADERS[1], HEADERS[3], (b"set-cookie", b"c=3")]
    assert h.replaced([], b"vary", b"Cookie") == [(b"vary", b"Cookie")]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([b"close"], [b"close"], id="one"),
        pytest.param([b"Keep-Alive, X-Foo"], [b"keep-alive", b"x-foo"], id="lower-cased"),
        pytest.param([b"a", b"b,c"], [b"a", b"b", b"c"], id="over-lines"),
        pytest.param([b" ,a,, \t,b ,"], [b"a", b"b"], id="empty-elements"),
        pytest.param([b""], [], id="empty"),
        pytest.param([], [], id="absent"),
    ],
)
def test_tokens(lines: list[bytes], expected: list[bytes]) -> None:
    headers = [(b"other", b"x"), *((b"Connection", line) for line in lines)]
    assert list(h.tokens(headers, b"connection")) == expected


@pytest.mark.parametrize(
    ("lines", "names", "expected"),
    [
        pytest.param([], [b"Cookie"], [b"Cookie"], id="none-yet"),
        pytest.param([b"Accept"], [b"Cookie"], [b"Accept, Cookie"], id="added"),
        pytest.param([b"Accept", b"Origin"], [b"Cookie"], [b"Accept, Origin, Cookie"], id="lines-joined"),
        pytest.param([b"Accept", b"COOKIE"], [b"Cookie"], [b"Accept", b"COOKIE"], id="there-already"),
        pytest.param([b"cookie"], [b"Cookie", b"Authorization"], [b"cookie, Authorization"], id="one-of-two"),
        pytest.param([b"*"], [b"Cookie"], [b"*"], id="star-says-more"),
        pytest.param([b"Accept", b"*"], [b"Cookie"], [b"Accept", b"*"], id="star-in-a-later-line"),
        pytest.param([b" "], [b"Cookie"], [b"Cookie"], id="blank-line"),
        pytest.param([b"X-Cookie"], [b"Cookie"], [b"X-Cookie, Cookie"], id="similar-name"),
    ],
)
def test_vary(lines: list[bytes], names: list[bytes], expected: list[bytes]) -> None:
    headers = [(b"content-type", b"text/html"), *((b"Vary", line) for line in lines)]
    result = h.with_vary(headers, *names)
    assert h.values(result, b"vary") == expected
    assert result[0] == headers[0]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([b"session=abc"], "abc", id="alone"),
        pytest.param([b"a=1; session=abc;b=2"], "abc", id="among-others"),
        pytest.param([b"a=1", b"session=abc"], "abc", id="in-a-second-line"),
        pytest.param([b'session="abc"'], "abc", id="quoted"),
        pytest.param([b"session=a=b=="], "a=b==", id="equals-signs-in-the-value"),
        pytest.param([b"session="], "", id="empty-value"),
        pytest.param([b"session=first; session=second"], "first", id="the-first-of-two"),
        pytest.param([b"session=\xff"], "\xff", id="any-byte"),
        pytest.param([b"session"], None, id="no-equals-sign"),
        pytest.param([b"xsession=abc"], None, id="longer-name"),
        pytest.param([b"Session=abc"], None, id="names-are-case-sensitive"),
        pytest.param([b"a=session=abc"], None, id="in-another-value"),
        pytest.param([], None, id="absent"),
    ],
)
def test_cookie(lines: list[bytes], expected: str | None) -> None:
    assert h.cookie([(b"Cookie", line) for line in lines], "session") == expected


def test_pairs_are_left_as_they_are() -> None:
    pairs = [(b"a", b"1")]
    nothing: h.RawHeaders = []
    assert h.as_pairs(pairs) is pairs
    assert h.as_pairs(nothing) is nothing


@pytest.mark.parametrize(
    "sent",
    [[[b"a", b"1"], [b"b", b"2"]], ((b"a", b"1"), (b"b", b"2")), iter([[b"a", b"1"], (b"b", b"2")])],
    ids=["lists", "a-tuple", "an-iterator"],
)
def test_what_else_asgi_allows_becomes_pairs(sent: Any) -> None:
    assert h.as_pairs(sent) == [(b"a", b"1"), (b"b", b"2")]
