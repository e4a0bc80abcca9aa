from __future__ import annotations

import pytest

from portal_gateway.http11.fields import FieldError, FieldMemo, LineMemo, field_line, head_bytes, parse_field


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (b"Accept: */*", (b"accept", b"*/*")),
        (b"A:b", (b"a", b"b")),
        (b"A:", (b"a", b"")),
        (b"A: \t b: c \t", (b"a", b"b: c")),
        (b"A: b\tc  d\xff", (b"a", b"b\tc  d\xff")),
        (b"!#$%&'*+-.^_`|~0Z: 1", (b"!#$%&'*+-.^_`|~0z", b"1")),
    ],
)
def test_fields(line: bytes, field: tuple[bytes, bytes]) -> None:
    assert parse_field(line) == field
    assert parse_field(field_line(field).removesuffix(b"\r\n")) == field


@pytest.mark.parametrize("line", [b"", b"A", b": b", b" A: b", b"A : b", b"A\t: b", b"A B: c", b"\xe4: b", b"A(: b"])
def test_malformed_names(line: bytes) -> None:
    with pytest.raises(FieldError):
        parse_field(line)


@pytest.mark.parametrize("code", [code for code in [*range(0x20), 0x7F] if code != 0x09])
def test_control_characters(code: int) -> None:
    value = b"a%cb" % code
    with pytest.raises(FieldError):
        parse_field(b"A: " + value)
    with pytest.raises(FieldError):
        field_line((b"a", value))
    with pytest.raises(FieldError):
        field_line((value, b"a"))


def test_a_memo_gives_what_was_parsed_before() -> None:
    parsed = []

    def parse(line: bytes) -> tuple[bytes, bytes]:
        parsed.append(line)
        return parse_field(line)

    memo = FieldMemo(parse)
    assert memo[b"A: b"] == memo[b"A: b"] == (b"a", b"b")
    assert parsed == [b"A: b"]
    lines = LineMemo()
    assert lines[b"a", b"b"] is lines[b"a", b"b"] == b"a: b\r\n"


@pytest.mark.parametrize("name", [b"Cookie", b"Authorization", b"Proxy-Authorization", b"Set-Cookie"])
def test_credentials_are_not_kept(name: bytes) -> None:
    memo, lines = FieldMemo(), LineMemo()
    assert memo[name + b": secret"] == (name.lower(), b"secret")
    assert lines[name, b"secret"] == name.lower() + b": secret\r\n"
    assert not memo
    assert not lines


def test_what_clients_make_up_does_not_fill_the_memory() -> None:
    memo = FieldMemo()
    for number in range(5000):
        assert memo[b"A: %d" % number] == (b"a", b"%d" % number)
    assert len(memo) <= 1024
    assert memo[b"A: " + b"b" * 1000] == (b"a", b"b" * 1000)
    assert b"A: " + b"b" * 1000 not in memo


def test_a_malformed_line_is_refused_each_time() -> None:
    memo = FieldMemo()
    for _ in range(2):
        with pytest.raises(FieldError):
            memo[b"A : b"]


def test_a_head() -> None:
    assert head_bytes(b"GET / HTTP/1.1", [(b"Host", b"a"), (b"b", b"")]) == b"GET / HTTP/1.1\r\nhost: a\r\nb: \r\n\r\n"
