"""What is left when the extra `codings` is not installed: run in a process of its own, which cannot import it."""

from __future__ import annotations

import subprocess
import sys

import pytest

WITHOUT = """
import sys
for name in {names!r}:
    sys.modules[name] = None
from portal_gateway.html.codings import decoder, encoder, is_decodable, preferred_coding, CodingError
def known():
    return [name for name in ("gzip", "deflate", "br", "zstd", "gzip, br") if is_decodable(name.encode())]
"""
ALL = ["isal", "brotli", "backports", "backports.zstd", "compression", "compression.zstd"]


def run(names: list[str], code: str) -> str:
    program = WITHOUT.format(names=names) + code
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.strip()


def test_without_any_library_gzip_and_deflate_remain() -> None:
    assert run(ALL, "print(known())") == "['gzip', 'deflate']"


def test_gzip_is_written_by_the_standard_library_then() -> None:
    code = """
import gzip
stream = encoder(b"gzip")
print(gzip.decompress(stream.encode(b"page") + stream.finish()))
"""
    assert run(ALL, code) == "b'page'"


def test_what_is_missing_is_neither_opened_nor_offered() -> None:
    code = """
print(preferred_coding([b"zstd", b"br", b"gzip;q=0.1"]))
try:
    decoder(b"br")
except CodingError as error:
    print(error)
"""
    assert run(ALL, code).splitlines() == ["b'gzip'", "the content coding is not one that we read"]


@pytest.mark.parametrize(
    ("names", "known"),
    [
        (["brotli"], ["gzip", "deflate", "zstd"]),
        (ALL[2:], ["gzip", "deflate", "br", "gzip, br"]),
    ],
    ids=["brotli", "zstd"],
)
def test_each_library_can_be_missing_alone(names: list[str], known: list[str]) -> None:
    assert run(names, "print(known())") == str(known)


def test_a_brotli_whose_output_cannot_be_bounded_counts_as_missing() -> None:
    code = """
import types
old = types.ModuleType("brotli")
old.Decompressor, old.Compressor, old.error = type("Decompressor", (), {}), object, Exception
sys.modules["brotli"] = old
print(known())
"""
    assert run([], code) == "['gzip', 'deflate', 'zstd']"


def test_nothing_is_imported_before_a_page_needs_it() -> None:
    code = """
libraries = {"isal", "brotli", "backports.zstd", "compression.zstd"}
before = libraries & set(sys.modules)
encoder(b"gzip, br, zstd")
print(len(before), len(libraries & set(sys.modules)))
"""
    assert run([], code) == "0 3"
