from __future__ import annotations

import pytest

from portal_gateway.html.body_end import MAX_TAIL, BodyEnd
from portal_gateway.html.scanner import Mark, MarkKind, Position, Scanner, Segment, Target, compile_targets
from portal_gateway.html.selectors import parse_selector
from portal_gateway.html.tokenizer import PageScanner

BODY = compile_targets([Target(parse_selector("body"), Position.APPEND)])
PAGE = b"<!doctype html><html><body><p>x</p>"
FILLER = b"<p>some text</p>\n" * 8000


def show(segments: list[Segment]) -> bytes:
    return b"".join(segment if isinstance(segment, bytes) else b"@" for segment in segments)


def scan(page: bytes, size: int | None = None) -> tuple[bytes, Scanner]:
    scanner = Scanner(BODY)
    pieces = [page] if size is None else [page[i : i + size] for i in range(0, len(page), size)]
    return show([s for piece in pieces for s in scanner.feed(piece)] + scanner.close()), scanner


TAILS = [
    pytest.param(b"@</body></html>\n", id="plain"),
    pytest.param(b"@</BODY></HTML>", id="upper-case"),
    pytest.param(b"@</Body>", id="mixed-case"),
    pytest.param(b"@", id="no-end-tag"),
    pytest.param(b"@</body>\n<!-- made by x -->\n</html><!--[if IE]><br><![endif]-->", id="comments-behind"),
    pytest.param(b"@</body></html></body></html>", id="twice"),
    pytest.param(b"</body></html><p>more</p>@", id="content-behind"),
    pytest.param(b"</body><script>'</body>'</script>@", id="script-behind"),
    pytest.param(b"<script>'</body>'</script>@</body>", id="end-tag-in-script"),
    pytest.param(b"<!-- </body> -->@</body>", id="end-tag-in-comment"),
    pytest.param(b"<!-- </body> -->@", id="end-tag-in-comment-only"),
    pytest.param(b"<img alt='</body>'>@", id="end-tag-in-attribute"),
    pytest.param(b"@</body \n>", id="space-in-the-tag"),
    pytest.param(b"@</body></html", id="cut-off"),
    pytest.param(b"@</body", id="cut-off-end-tag"),
    pytest.param(b"@</bo", id="cut-off-in-the-name"),
]


@pytest.mark.parametrize("tail", TAILS)
def test_places(tail: bytes) -> None:
    page = PAGE + tail.replace(b"@", b"")
    assert scan(page)[0] == PAGE + tail
    for size in range(1, 20):
        assert scan(page, size)[0] == PAGE + tail


@pytest.mark.parametrize("tail", TAILS)
def test_the_careful_scanner_says_the_same(tail: bytes) -> None:
    scanner = PageScanner(BODY, 1 << 16)
    assert show([*scanner.feed(PAGE + tail.replace(b"@", b"")), *scanner.close()]) == PAGE + tail


@pytest.mark.parametrize(
    "tail",
    [
        pytest.param(b"@</body></html>\n", id="plain"),
        pytest.param(b"@", id="no-end-tag"),
        pytest.param(b"</body></html><script>x</script>@", id="script-behind"),
        pytest.param(b"<script>'</body>'</script>@</body>", id="end-tag-in-script"),
        pytest.param(b"<a href='x'>y</a>@</body>", id="link"),
    ],
)
@pytest.mark.parametrize("size", [100, 1000, 65536, 1 << 20])
def test_places_on_a_page_too_long_to_remember(tail: bytes, size: int) -> None:
    assert scan(PAGE + FILLER + tail.replace(b"@", b""), size)[0] == PAGE + FILLER + tail


@pytest.mark.parametrize(
    "tail",
    [
        pytest.param(b"<!-- </body></html>", id="comment"),
        pytest.param(b"<script>x</body></html>", id="script"),
        pytest.param(b"<template></body></html>", id="template"),
        pytest.param(b"<table><tr></body></html>", id="table"),
        pytest.param(b"<a href=x></body></html>", id="link"),
        pytest.param(b"<textarea></body>", id="textarea"),
        pytest.param(b"<img alt='</body>", id="attribute"),
        pytest.param(b"<script>'<b></b></body>", id="markup-in-script"),
    ],
)
@pytest.mark.parametrize("filler", [b"", FILLER], ids=["short", "long"])
def test_an_end_that_is_hidden_or_would_be_moved_is_none(tail: bytes, filler: bytes) -> None:
    page = PAGE + filler + tail
    out, scanner = scan(page)
    assert out == page
    assert scanner.bail_reason == scanner.reason(0) == "ambiguous_end"
    assert scanner.matched == frozenset()


def test_a_frameset_has_no_body() -> None:
    page = b"<!doctype html><frameset><frame></frameset></body></html>"
    assert scan(page)[0] == page
    # Behind content it is ignored.
    assert scan(b"<p>x<frameset></body>")[0] == b"<p>x<frameset>@</body>"


def test_what_is_held_is_bounded_and_only_from_the_end_tag_on() -> None:
    engine = BodyEnd(BODY, 1 << 16)
    assert engine.feed(b"<body>text") == [b"<body>text"]
    assert engine.feed(b"more</body> ") == [b"more"]
    assert engine.feed(b"x" * 100) == []
    assert show(engine.feed(b"y" * MAX_TAIL)) == b"</body> " + b"x" * 100 + b"y" * MAX_TAIL
    assert show(engine.close()) == b"@"


def test_a_cut_off_end_tag_is_held_and_let_go() -> None:
    engine = BodyEnd(BODY, 1 << 16)
    assert engine.feed(b"text</b") == [b"text"]
    assert engine.feed(b">x") == [b"</b>x"]


def test_all_targets_get_their_mark() -> None:
    body = Target(parse_selector("body"), Position.APPEND)
    scanner = Scanner([body, body])
    segments = scanner.feed(b"<p></body>") + scanner.close()
    assert segments == [b"<p>", Mark(0, MarkKind.INSERT), Mark(1, MarkKind.INSERT), b"</body>"]
    assert scanner.matched == {0, 1}
    assert scanner.done


@pytest.mark.parametrize("size", [1, 3, 100])
def test_utf_16_is_passed(size: int) -> None:
    page = "<body></body>".encode("utf-16")
    out, scanner = scan(page, size)
    assert (out, scanner.bail_reason) == (page, "charset")


def test_other_targets_use_the_careful_scanner() -> None:
    assert not compile_targets([Target(parse_selector("body.x"), Position.APPEND)]).only_body_end
    assert not compile_targets([Target(parse_selector("body"), Position.PREPEND)]).only_body_end
    assert not compile_targets([*BODY.targets, Target(parse_selector("p"), Position.APPEND)]).only_body_end
    assert BODY.only_body_end
