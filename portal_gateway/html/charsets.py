"""In which character encodings the bytes of a page can be scanned for markup without decoding them.

A byte below 0x80 has to mean its ASCII character wherever markup could begin or end. The bytes that decide are
`<` 3C, `>` 3E, `"` 22, `'` 27, `/` 2F, `=` 3D, `!` 21, `-` 2D, `&` 26 and white space. The encodings of the WHATWG
standard, by what their multi-byte characters use as trail bytes:

- UTF-8 and the single-byte encodings: never below 0x80.
- EUC-JP, EUC-KR: 81 to FE (EUC-KR as windows-949 also 41-5A, 61-7A: letters only).
- GBK, Big5, Shift_JIS: from 40 up, that is letters, `@[\\]^_` and the like. No markup byte; a letter right after `<`
  cannot be a trail byte, since its lead byte would stand between.
- GB18030: four-byte characters use 30 to 39 as well: digits, still no markup byte.
- ISO-2022-JP: shifted by escape sequences, 21 to 7E mean half a character each: every markup byte can occur.
- UTF-16 and UTF-32: every byte can occur. HZ, UTF-7 and ISO-2022-KR/CN likewise; no browser reads them.

What is not listed here is left alone. No charset at all means what the page says later, by a byte order mark (the
scanner looks at that) or a meta element, which cannot name UTF-16: "utf-16" there is read as UTF-8.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE

_SINGLE_BYTE = re.compile(
    rb"(?:us-)?ascii|latin-?[1-9]|l[1-9]|(?:windows|cp)-?(?:125[0-8]|874)|x-cp125[0-8]|"
    rb"iso[-_]?8859[-_]?(?:[1-9]|1[0-6])(?:-[ei])?|koi8(?:-[ru])?|macintosh|x-mac-(?:roman|cyrillic)|"
    rb"tis-620|(?:ibm|cp)866|x-user-defined"
)
_MULTI_BYTE = re.compile(
    rb"(?:unicode-1-1-)?utf-?8|(?:x-)?(?:shift[-_]jis|sjis)|ms_kanji|windows-31j|ms932|(?:x-)?euc-?jp|"
    rb"euc-?kr|ks_c_5601-1987|ksc_?5601|windows-949|(?:x-)?gbk|gb2312|gb_2312(?:-80)?|gb18030|"
    rb"big5(?:-hkscs)?|cn-big5|x-x-big5"
)
_CHARSET = re.compile(rb"""(?:^|;)[\t ]*charset[\t ]*=[\t ]*(?:"([^"]*)"|'?([^;\s"']*)'?)""", re.IGNORECASE)
UNSCANNABLE_MARKS = (BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE)
_MARK_BYTES = 4


def is_scannable(content_type_parameters: bytes) -> bool:
    """Whether a page with these Content-Type parameters (`charset=utf-8`, maybe none) can be scanned."""
    match = _CHARSET.search(content_type_parameters)
    if match is None:
        return True
    label = (match[1] if match[1] is not None else match[2]).strip().lower()
    return not label or bool(_SINGLE_BYTE.fullmatch(label) or _MULTI_BYTE.fullmatch(label))


def has_unscannable_mark(first_bytes: bytes) -> bool | None:
    """Whether the page begins with a byte order mark of UTF-16 or UTF-32, which outranks every header.

    None as long as `first_bytes` are too few to tell.
    """
    if first_bytes.startswith(UNSCANNABLE_MARKS):
        return True
    if len(first_bytes) >= _MARK_BYTES:
        return False
    return None if any(mark.startswith(first_bytes) for mark in UNSCANNABLE_MARKS) else False
