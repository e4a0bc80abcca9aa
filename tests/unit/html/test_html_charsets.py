from __future__ import annotations

import codecs

import pytest

from portal_gateway.html.charsets import has_unscannable_mark, is_scannable

MARKUP = frozenset(b"<>\"'/=!-& \t\n\f\r")


@pytest.mark.parametrize(
    "label",
    [
        "utf-8",
        "UTF8",
        "iso-8859-1",
        "ISO-8859-15",
        "latin1",
        "us-ascii",
        "windows-1252",
        "cp1251",
        "koi8-r",
        "shift_jis",
        "sjis",
        "x-sjis",
        "windows-31j",
        "euc-jp",
        "euc-kr",
        "gbk",
        "gb2312",
        "gb18030",
        "big5",
        "big5-hkscs",
        "macintosh",
        "ibm866",
        "tis-620",
        "iso-8859-8-i",
    ],
)
def test_scanned(label: str) -> None:
    assert is_scannable(f"charset={label}".encode())
    assert is_scannable(f' boundary=x; Charset = "{label}" '.encode())


@pytest.mark.parametrize(
    "label",
    [
        "utf-16",
        "utf-16le",
        "utf-16be",
        "utf-32",
        "utf-7",
        "iso-2022-jp",
        "iso-2022-kr",
        "hz-gb-2312",
        "ebcdic-cp-us",
        "cp037",
        "x-unknown",
    ],
)
def test_left_alone(label: str) -> None:
    assert not is_scannable(f"charset={label}".encode())


@pytest.mark.parametrize("parameters", [b"", b" ", b"boundary=x", b"charset=", b'charset=""', b"xcharset=utf-16"])
def test_no_charset_is_scanned(parameters: bytes) -> None:
    assert is_scannable(parameters)


@pytest.mark.parametrize("codec", ["shift_jis", "cp932", "euc_jp", "gbk", "gb18030", "big5hkscs", "euc_kr", "cp949"])
def test_no_character_beyond_ascii_holds_a_markup_byte(codec: str) -> None:
    for code in (*range(0x80, 0xD800), *range(0xE000, 0x30000)):
        try:
            encoded = chr(code).encode(codec)
        except UnicodeEncodeError:
            continue
        if code in (0xA5, 0x203E):  # YEN SIGN and OVERLINE: one byte in Python's shift_jis, "\\" and "~"
            continue
        assert MARKUP.isdisjoint(encoded), (hex(code), encoded)


def test_iso_2022_jp_does_hold_markup_bytes() -> None:
    hiragana = "".join(map(chr, range(0x3041, 0x3094)))
    assert frozenset(b"<>'\"=") <= frozenset(hiragana.encode("iso2022_jp")[3:-3])


@pytest.mark.parametrize(
    ("first_bytes", "expected"),
    [
        (b"", None),
        (b"\xff", None),
        (b"\xfe", None),
        (b"\0", None),
        (b"\0\0\xfe", None),
        (codecs.BOM_UTF16_LE, True),
        (codecs.BOM_UTF16_BE, True),
        (codecs.BOM_UTF32_LE, True),
        (codecs.BOM_UTF32_BE, True),
        (codecs.BOM_UTF8 + b"<", False),
        (b"<!", False),
        (b"\0<", False),
    ],
)
def test_byte_order_marks(first_bytes: bytes, expected: bool | None) -> None:
    assert has_unscannable_mark(first_bytes) is expected
