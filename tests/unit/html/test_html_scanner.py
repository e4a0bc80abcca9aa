from __future__ import annotations

import codecs
import gc
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal_gateway.html.scanner import Mark, MarkKind, Position, Scanner, Segment, Target, compile_targets
from portal_gateway.html.selectors import parse_selector

SIGNS = {MarkKind.INSERT: b"@", MarkKind.REPLACE_START: b"{", MarkKind.REPLACE_END: b"}"}


def target(selector: str, position: str = "append", **options: bool) -> Target:
    return Target(parse_selector(selector), Position(position), **options)


def show(segments: list[Segment]) -> bytes:
    return b"".join(s if isinstance(s, bytes) else s.end_tags() + SIGNS[s.kind] for s in segments)


def scan(page: bytes, *targets: Target, size: int | None = None, **options: int) -> tuple[bytes, Scanner]:
    scanner = Scanner(compile_targets(targets), **options)
    pieces = [page] if size is None else [page[i : i + size] for i in range(0, len(page), size)]
    segments = [segment for piece in pieces for segment in scanner.feed(piece)]
    return show(segments + scanner.close()), scanner


@pytest.mark.parametrize(
    ("selector", "position", "marked"),
    [
        pytest.param("nav", "append", b"<body><nav><a>x</a>@</nav>", id="append"),
        pytest.param("nav", "prepend", b"<body><nav>@<a>x</a></nav>", id="prepend"),
        pytest.param("nav", "before", b"<body>@<nav><a>x</a></nav>", id="before"),
        pytest.param("nav", "after", b"<body><nav><a>x</a></nav>@", id="after"),
        pytest.param("nav", "replace", b"<body>{<nav><a>x</a></nav>}", id="replace"),
        pytest.param("br", "before", b"<body>@<br>", id="before-void"),
        pytest.param("br", "after", b"<body><br>@x", id="after-void"),
        pytest.param("br", "replace", b"<body>{<br>}x", id="replace-void"),
        pytest.param("script", "after", b"<body><script><nav></script>@<nav>", id="after-script"),
        pytest.param("svg", "after", b"<body><svg><g/><title>t</title></svg>@", id="after-svg"),
        pytest.param("svg", "before", b"<body>@<svg/><p>", id="before-self-closing-svg"),
        pytest.param("object", "replace", b"<body>{<object><b>x</b></object>}", id="replace-object"),
        pytest.param("template", "replace", b"<body>{<template><b></template>}", id="replace-template"),
        pytest.param("body > main", "before", b"<!doctype html><title>t</title>@<main>", id="body-implied"),
        pytest.param("body", "prepend", b"<title>t</title> @text", id="prepend-to-implied-body"),
        pytest.param("body", "prepend", b"@<p id=1>", id="prepend-to-body-implied-by-a-tag"),
        pytest.param("li", "append", b"<body><ul><li>1@<li>2</ul>", id="implied-end-of-li"),
        pytest.param("ul > li:nth-child(2)", "append", b"<body><ul><li>1<li>2@</ul>", id="second-li"),
        pytest.param("p", "append", b"<body><p>1@<p>2", id="implied-end-of-p"),
        pytest.param("p", "append", b"<body><p>1@<div>2", id="div-ends-p"),
        pytest.param("dd", "append", b"<body><dl><dt>1<dd>2@<dt>3</dl>", id="implied-end-of-dd"),
        pytest.param("td", "append", b"<body><table><tr><td>1@<td>2</table>", id="implied-end-of-td"),
        pytest.param("tbody td", "prepend", b"<body><table><td>@1</table>", id="implied-tbody"),
        pytest.param("div div", "append", b"<body><div><div>@</div></div>", id="nested-same-name"),
        pytest.param("main", "append", b"<body><main>x@", id="append-at-the-end-of-the-input"),
        pytest.param("main", "append", b"<body><main>x@<a href=", id="before-a-cut-off-tag"),
        pytest.param("#a\\:b", "prepend", b"<body><p ID='a:b'>@", id="escaped-id"),
        pytest.param("[data-x='1&2']", "prepend", b"<body><p data-x=1&amp;2>@", id="reference-in-value"),
        pytest.param("BODY P", "prepend", b"<BoDy><P>@", id="case"),
    ],
)
def test_places(selector: str, position: str, marked: bytes) -> None:
    page = marked.translate(None, b"@{}")
    assert scan(page, target(selector, position))[0] == marked
    assert scan(page, target(selector, position), size=1)[0] == marked


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        pytest.param(b"<body><script>'<nav>'</script>", "no_match", id="script"),
        pytest.param(
            b"<body><script><!-- <script> </script> <nav> --></script>", "no_match", id="script-double-escaped"
        ),
        pytest.param(b"<body><style><nav></style>", "no_match", id="style"),
        pytest.param(b"<body><textarea><nav></textarea>", "no_match", id="textarea"),
        pytest.param(b"<title><nav></title><body>", "no_match", id="title"),
        pytest.param(b"<body><!-- <nav> -->", "no_match", id="comment"),
        pytest.param(b"<body><!--a--!><!--- <nav> --><!----><!--<nav>-->", "no_match", id="comment-odd"),
        pytest.param(b"<body><? <nav>", "no_match", id="processing-instruction"),
        pytest.param(b"<body></ <nav>", "no_match", id="bogus-comment"),
        pytest.param(b"<body><template><nav></nav></template>", "no_match", id="template"),
        pytest.param(b"<body><noscript><nav></noscript>", "no_match", id="noscript"),
        pytest.param(b"<body><iframe><nav></iframe>", "no_match", id="iframe"),
        pytest.param(b"<body><svg><nav></nav></svg>", "no_match", id="svg"),
        pytest.param(b"<body><math><![CDATA[<nav>]]></math>", "no_match", id="cdata"),
        pytest.param(b"<body><plaintext><nav>", "eof_in_text", id="plaintext"),
        pytest.param(b"<body><p title='<nav>'>", "no_match", id="attribute"),
        pytest.param(b"<body><p title='<nav>", "no_match", id="unfinished-attribute"),
    ],
)
def test_what_is_no_markup_never_matches(page: bytes, reason: str) -> None:
    out, scanner = scan(page, target("nav", "before"))
    assert out == page
    assert scanner.matched == frozenset()
    assert scanner.reason(0) == reason


@pytest.mark.parametrize(
    ("page", "selector", "position", "reason"),
    [
        pytest.param(b"<body><table><tr>", "tr", "prepend", "in_table", id="row"),
        pytest.param(b"<body><table></table>", "table", "append", "in_table", id="table"),
        pytest.param(b"<body><select><option>x</select>", "select", "append", "in_select", id="select"),
        pytest.param(b"<head><title>x</title></head>", "title", "after", "in_head", id="head"),
        pytest.param(b"<head></head><link>", "link", "before", "outside_body", id="between-head-and-body"),
        pytest.param(b"<body>", "body", "before", "outside_body", id="before-body"),
        pytest.param(b"<html><body>", "html", "prepend", "outside_body", id="html"),
        pytest.param(b"<body><a><b>x</b></a>", "b", "before", "in_link", id="link"),
        pytest.param(b"<body><a><object>x</object></a>", "object", "before", "in_link", id="link-before-marker"),
        pytest.param(b"<body><p><b>x</p><template>", "template", "before", "misnested_formatting", id="template"),
        pytest.param(b"<body><img>", "img", "append", "no_element_content", id="void"),
        pytest.param(b"<body><textarea></textarea>", "textarea", "prepend", "no_element_content", id="textarea"),
        pytest.param(b"<body><pre>\nx</pre>", "pre", "prepend", "leading_newline", id="pre"),
        pytest.param(b"<body><div><p><b>x</div>", "div", "append", "implied_end", id="append-in-open-b"),
        pytest.param(b"<body><p><b>x<p>", "b", "after", "implied_end", id="after-open-b"),
        pytest.param(b"<body><div><table><tr><td>x", "div", "append", "unclosed_element", id="never-closed-table"),
        pytest.param(b"<body><div><p>x", "div", "replace", "unclosed_element", id="replace-all-the-rest"),
        pytest.param(b"<body><div><p\xe9>x</div>", "div", "append", "implied_end", id="name-not-ascii"),
        pytest.param(b"<body><p class=t><b>x<p>y", ".t", "replace", "misnested_formatting", id="replace-open-b"),
        pytest.param(b"<body><p><b>x</p><p>y", "p:nth-child(2)", "before", "misnested_formatting", id="open-b"),
        pytest.param(b"<body><b><div>x</div></b>", "div", "append", "misnested_formatting", id="block-in-b"),
        pytest.param(b"<body></p>", "p", "append", "implied_element", id="p-from-its-end-tag"),
        pytest.param(b"<body><main>x<!-- ", "main", "append", "eof_in_comment", id="open-comment"),
        pytest.param(b"<body><main>x</", "main", "append", "eof_in_tag", id="open-end-tag"),
        pytest.param(b"<div>x</div><p>", "div", "replace", "frameset", id="replace-before-text"),
        pytest.param(b"<body><div><b></div>x", "div", "replace", "misnested_formatting", id="replace-unbalanced"),
    ],
)
def test_refuses(page: bytes, selector: str, position: str, reason: str) -> None:
    out, scanner = scan(page, target(selector, position))
    assert scanner.reason(0) == reason
    assert scanner.bail_reason is None
    assert out == page


@pytest.mark.parametrize(
    ("page", "selector", "position", "placed"),
    [
        pytest.param(b"<ul><li>1<li>2</ul>", "ul", "append", b"<ul><li>1<li>2</li>@</ul>", id="append"),
        pytest.param(b"<ul><li>1<li>2</ul>", "li", "after", b"<ul><li>1</li>@<li>2</ul>", id="after"),
        pytest.param(b"<ul><li>1<li id=x>2</ul>", "#x", "before", b"<ul><li>1</li>@<li id=x>2</ul>", id="before"),
        pytest.param(b"<ul><li>1<li id=x>2</ul>", "#x", "replace", b"<ul><li>1</li>{<li id=x>2}</ul>", id="replace"),
        pytest.param(b"<p>1<div>2</div>", "div", "before", b"<p>1</p>@<div>2</div>", id="before-what-ends-a-p"),
        pytest.param(b"<div><p><i-x>1</div>", "div", "append", b"<div><p><i-x>1</i-x></p>@</div>", id="two"),
        pytest.param(b"<main><p>1", "main", "append", b"<main><p>1</p>@", id="never-closed"),
        pytest.param(b"<p id=x>1<p>2", "#x", "replace", b"{<p id=x>1}<p>2", id="replace-a-p"),
        pytest.param(b"<table><td><p>1<td>2</table>", "td", "append", b"<table><td><p>1</p>@<td>2</table>", id="td"),
    ],
)
def test_writes_the_end_tags_that_the_page_omits(page: bytes, selector: str, position: str, placed: bytes) -> None:
    body = b"<!doctype html><body>x"
    assert scan(body + page, target(selector, position))[0] == body + placed
    assert scan(body + page, target(selector, position), size=1)[0] == body + placed


def test_snippets_at_one_place_share_the_omitted_end_tags() -> None:
    page = b"<body>x<ul><li id=x><p>1</ul>"
    targets = [target("#x"), target("#x", "after"), target("ul"), target("ul")]
    assert scan(page, *targets)[0] == b"<body>x<ul><li id=x><p>1</p>@</li>@@@</ul>"
    scanner = Scanner(targets)
    marks = [s for s in (*scanner.feed(page), *scanner.close()) if isinstance(s, Mark)]
    assert [marks[i].end_tags() for i in (1, 3)] == [b"</p></li>", b""], "only some of the snippets are written"


def test_what_is_cut_out_needs_no_end_tag() -> None:
    out, scanner = scan(b"<body>x<ul><li id=x>1<li class=y>2</ul>", target("#x", "replace"), target(".y", "before"))
    assert out == b"<body>x<ul>{<li id=x>1}<li class=y>2</ul>"
    assert scanner.reason(1) == "implied_end"


@pytest.mark.parametrize(
    ("page", "selector", "placed"),
    [
        pytest.param(b"<b><p>1</b>2</p><nav></nav>", "nav", b"<b><p>1</b>2</p><nav>@</nav>", id="block"),
        pytest.param(b"<b><i><p>1</b>2</i></p><nav>", "nav", b"<b><i><p>1</b>2</i></p><nav>@", id="two"),
        pytest.param(b"<a><p>1<a>2</a></p><nav></nav>", "nav", b"<a><p>1<a>2</a></p><nav>@</nav>", id="link-in-link"),
    ],
)
def test_follows_the_adoption_agency(page: bytes, selector: str, placed: bytes) -> None:
    assert scan(b"<body>" + page, target(selector))[0] == b"<body>" + placed


@pytest.mark.parametrize("size", [None, 1, 2])
def test_the_byte_order_mark_of_utf_8_is_no_text(size: int | None) -> None:
    page = b"<!doctype html><html><head></head><body class=x><p>1<table></table><nav></nav></body></html>"
    for selector, position in (("body", "prepend"), ("table", "before"), (".x nav", "append"), ("nav", "before")):
        out, _ = scan(codecs.BOM_UTF8 + page, target(selector, position), size=size)
        assert out == codecs.BOM_UTF8 + scan(page, target(selector, position))[0], selector
    # Anywhere else it is, and so is a part of it.
    assert scan(b" " + codecs.BOM_UTF8 + page, target("body", "prepend"), size=size)[0].startswith(b" @")
    assert scan(codecs.BOM_UTF8[:2] + page, target("body", "prepend"), size=size)[0].startswith(b"@")


def test_attributes_of_a_second_body_that_no_selector_sees() -> None:
    page = b"<title>t</title>text<body class=x><div>1</div></body>"
    assert scan(page, target("div"))[0] == page.replace(b"</div>", b"@</div>")
    assert scan(page, target("body div"))[0] == page.replace(b"</div>", b"@</div>")


@pytest.mark.parametrize(
    ("page", "selector", "reason"),
    [
        pytest.param(b"<p><body class=x><nav>", ".x nav", "repeated_body", id="second-body"),
        pytest.param(b"<body><p>1</p><body class=x><nav>", ".x nav", "repeated_body", id="second-body-behind-a-p"),
        pytest.param(b"text<body class=x><nav>", "body.x", "repeated_body", id="second-body-itself"),
        pytest.param(b"<body><html class=x><nav>", ".x nav", "repeated_html", id="second-html"),
        pytest.param(b"<b><p></b><nav>", "b nav", "misnested_formatting", id="adopted-by-name"),
        pytest.param(b"<b><p></b><nav>", "p > nav", "misnested_formatting", id="adopted-child"),
        pytest.param(b"<b><p></b><nav>", "nav:first-child", "misnested_formatting", id="adopted-and-counted"),
        pytest.param(b"<b><x><x><x><x><p></b><nav>", "nav", "misnested_formatting", id="adopted-from-far"),
    ],
)
def test_bails_out_where_a_selector_could_see_the_difference(page: bytes, selector: str, reason: str) -> None:
    out, scanner = scan(page, target(selector))
    assert out == page
    assert scanner.bail_reason == reason
    assert scan(page, target(selector), size=1)[1].bail_reason == reason


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        pytest.param(b"<body><table><div>", "foster_parenting", id="foster-parenting"),
        pytest.param(b"<body><select><div>", "in_select", id="select"),
        pytest.param(b"<frameset>", "frameset", id="frameset"),
        pytest.param(b"<body><svg><p>", "foreign_content", id="svg-breakout"),
        pytest.param(b"<body><svg><foreignObject><div>", "foreign_content", id="foreign-object"),
        pytest.param(b"<!doctype html public 'x'><p><table>", "quirks_mode", id="unknown-doctype"),
        pytest.param(b"\xff\xfe<\0p\0>\0", "charset", id="utf-16"),
        pytest.param(b"\0\0\xfe\xff\0\0\0<", "charset", id="utf-32"),
        pytest.param(b"\0<p>", "nul", id="nul-before-body"),
        pytest.param(b"<div>" * 600, "too_deep", id="depth"),
        pytest.param(b"<svg>" + b"<g>" * 600, "foreign_content", id="depth-of-svg"),
    ],
)
def test_bails_out_where_nodes_would_move(page: bytes, reason: str) -> None:
    page += b"<nav></nav>tail"
    out, scanner = scan(page, target("nav"))
    assert out == page
    assert scanner.bail_reason == scanner.reason(0) == reason
    assert scanner.done


def test_ambiguity_behind_the_last_place_does_not_matter() -> None:
    out, scanner = scan(b"<body><nav></nav><table><div>", target("nav"))
    assert out == b"<body><nav>@</nav><table><div>"
    assert scanner.bail_reason is None


def test_a_place_that_a_frameset_would_take_away_is_held_until_it_cannot() -> None:
    scanner = Scanner([target("div", "prepend")])
    assert scanner.feed(b"<div>") == [b"<div>"]
    assert scanner.feed(b"<p>") == []
    assert show(scanner.feed(b"text")) == b"@<p>text"
    out, scanner = scan(b"<div><p></p><frameset>", target("div", "prepend"))
    assert (out, scanner.bail_reason) == (b"<div><p></p><frameset>", "frameset")


def test_text_that_moves_before_a_table_undoes_a_place_before_the_table() -> None:
    assert scan(b"<body>x<table><tr><td></table>", target("table", "before"))[0] == b"<body>x@<table><tr><td></table>"
    out, scanner = scan(b"<body>x<table>y<tr><td></table>", target("table", "before"))
    assert (out, scanner.reason(0)) == (b"<body>x<table>y<tr><td></table>", "foster_parenting")


def test_a_less_than_sign_at_the_end_is_text() -> None:
    assert scan(b"<body><main>x<", target("main"))[0] == b"<body><main>x<@"
    assert scan(b"<body>x<table><", target("table", "before"))[1].reason(0) == "foster_parenting"
    assert scan(b"<body>x</body><", target("body"), target("main"))[0] == b"<body>x</body><@"


@pytest.mark.parametrize(
    ("selector", "marked"),
    [
        pytest.param("p > :nth-child(3)", b"<body>x<p><b>1</b><a>2</a>@<i>3</i></p>", id="counted"),
        pytest.param("span span", b"<body>x<p><span>1</span><span>2@<span>3</span></span>", id="nested"),
        pytest.param(".x", b"<body>x<p><b>1</b>@<b class='y x'>2</b>", id="class"),
        pytest.param(".x", b"<body>x<p><b>1</b>@<b class='y &#120;'>2</b>", id="class-as-reference"),
        pytest.param("u", b"<body>x<p><b>1</i>@<u>3</u></b>", id="other-end-tag"),
    ],
)
def test_inline_elements_that_are_read_at_once(selector: str, marked: bytes) -> None:
    page = marked.replace(b"@", b"")
    assert scan(page, target(selector, "before"))[0] == marked
    assert scan(page, target(selector, "before"), size=1)[0] == marked


def test_a_link_in_a_link_ends_the_outer_one() -> None:
    assert scan(b"<body>x<a>1<a>2</a><nav></nav>", target("nav"))[0] == b"<body>x<a>1<a>2</a><nav>@</nav>"


def test_every_match() -> None:
    page = b"<body><ul><li>1</li><li>2</li></ul>"
    assert scan(page, target("li", "append", every=True))[0] == b"<body><ul><li>1@</li><li>2@</li></ul>"
    assert scan(page, target("li", "append"))[0] == b"<body><ul><li>1@</li><li>2</li></ul>"


def test_a_block_is_not_put_into_a_paragraph() -> None:
    page = b"<body><p><span>x</span></p>"
    assert scan(page, target("span", "append"))[0] == b"<body><p><span>x@</span></p>"
    assert scan(page, target("span", "append", breaks_paragraph=True))[1].reason(0) == "in_paragraph"


def test_several_targets_at_one_place_come_in_their_order() -> None:
    compiled = compile_targets([target("p", "append"), target("*", "after"), target("p", "append")])
    scanner = Scanner(compiled)
    segments = scanner.feed(b"<html><body><p>x</p>y") + scanner.close()
    assert [s for s in segments if isinstance(s, Mark)] == [Mark(0, MarkKind.INSERT), Mark(2, MarkKind.INSERT)]
    assert scanner.matched == {0, 2}
    assert scanner.reason(1) == "outside_body"


def test_nothing_is_placed_inside_a_replacement() -> None:
    out, scanner = scan(
        b"<body><div><p>x</p></div>y", target("div", "replace"), target("p", "append"), target("div", "after")
    )
    assert out == b"<body>{<div><p>x</p></div>}@y"
    assert scanner.reason(1) == "inside_replacement"


def test_a_replacement_is_whole_or_not_at_all() -> None:
    out, scanner = scan(b"<body><div><table><p>x</table></div>", target("div", "replace"))
    assert out == b"<body><div><table><p>x</table></div>"
    assert scanner.bail_reason == "foster_parenting"


@pytest.mark.parametrize(
    ("page", "selector", "position", "reason"),
    [
        pytest.param(b"<body><p title='" + b"x" * 2000, "i", "append", "tag_too_long", id="tag"),
        pytest.param(b"<body><p>" + b"x" * 2000, "p", "replace", "held_too_long", id="replacement"),
    ],
)
def test_what_is_held_is_bounded(page: bytes, selector: str, position: str, reason: str) -> None:
    scanner = Scanner([target(selector, position)], max_held=1000)
    passed = 0
    for start in range(0, len(page), 10):
        passed += len(show(scanner.feed(page[start : start + 10])))
        assert start + 10 - passed <= 1010
    assert scanner.bail_reason == reason
    assert passed + len(show(scanner.close())) == len(page)


def test_comments_scripts_and_text_are_not_held() -> None:
    scanner = Scanner([target("nav")])
    for piece in (b"<body><!-- ", b"x" * 100_000, b" --><script>", b"y" * 100_000, b"</script>", b"z" * 100_000):
        held = len(piece) - len(show(scanner.feed(piece)))
        assert held < 16


def test_done_as_soon_as_nothing_can_match() -> None:
    scanner = Scanner([target("nav", "prepend")])
    scanner.feed(b"<body><na")
    assert not scanner.done
    assert show(scanner.feed(b"v>rest<p")) == b"<nav>@rest<p"
    assert scanner.done
    assert scanner.feed(b" x") == [b" x"]
    assert scanner.feed(b"") == scanner.close() == []


def test_no_targets() -> None:
    scanner = Scanner([])
    assert scanner.done
    assert scanner.feed(b"<p>") == [b"<p>"]


def test_the_end_of_the_body_beside_another_target() -> None:
    targets = (target("main", "prepend"), target("body"))
    assert scan(b"<body><main></main></body>\n</html>\n", *targets)[0] == b"<body><main>@</main>@</body>\n</html>\n"
    assert scan(b"<body><main></main></body>\n<p>x", *targets)[0] == b"<body><main>@</main></body>\n<p>x@"
    assert scan(b"<body><main></main>", *targets)[0] == b"<body><main>@</main>@"


PAGES = (
    b"<!doctype html><html><head><title>a<b></title><script><!--<script></script>--></script></head>"
    b"<body class='x>y'><!-- <nav> --><nav><a href=a>1</a></nav><p>&#32;x<br/></body>\n</html>",
    b" &#x20;<div>x</div>&#x",
    b"<p>1<b>2</p>3<table><td>4</table><svg><title>5</title><![CDATA[<p>]]></svg></ x><?y><!z></p >",
)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("position", list(Position))
def test_every_way_to_cut_a_page_in_three(page: bytes, position: str) -> None:
    compiled = compile_targets([target(s, position) for s in ("nav", "p", "div", "body > *", "*")])

    def marked(*pieces: bytes) -> bytes:
        scanner = Scanner(compiled)
        return show([s for piece in pieces for s in scanner.feed(piece)] + scanner.close())

    whole = marked(page)
    assert whole.translate(None, b"@{}").replace(b"</html></p>", b"</html>") == page
    for first, second in itertools.combinations(range(len(page) + 1), 2):
        if second - first < 12 or first % 7 == 0:
            assert marked(page[:first], page[first:second], page[second:]) == whole


MARKUP = st.lists(
    st.one_of(
        st.sampled_from(
            [b"<", b">", b"</", b"<!--", b"-->", b"--!>", b"'", b'"', b"=", b"&#32;", b"\0", b" ", b"x", b"/"]
        ),
        st.sampled_from(b"p div a b li table tr td script svg title select template body html br".split()).flatmap(
            lambda name: st.sampled_from([b"<" + name + b">", b"</" + name + b">", b"<" + name + b" id=a>"])
        ),
        st.binary(max_size=4),
    ),
    max_size=25,
).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(page=MARKUP, cuts=st.lists(st.integers(0, 80), max_size=4), position=st.sampled_from(list(Position)))
def test_bytes_survive_and_cuts_do_not_matter(page: bytes, cuts: list[int], position: Position) -> None:
    compiled = compile_targets([target(s, position, every=s == "p") for s in ("p", "#a", "body", "div > *")])
    ends = sorted(min(cut, len(page)) for cut in cuts)
    pieces = [page[a:b] for a, b in itertools.pairwise([0, *ends, len(page)])]
    results = []
    for parts in (pieces, [page]):
        scanner = Scanner(compiled)
        segments = [s for part in parts for s in scanner.feed(part)] + scanner.close()
        assert b"".join(s for s in segments if isinstance(s, bytes)) == page
        results.append((_offsets(segments), scanner.matched, [scanner.reason(i) for i in range(4)]))
    assert results[0] == results[1]


def _offsets(segments: list[Segment]) -> list[tuple[int, Mark]]:
    offset = 0
    marks = []
    for segment in segments:
        if isinstance(segment, bytes):
            offset += len(segment)
        else:
            marks.append((offset, segment))
    return marks


@pytest.mark.parametrize("selector", ["nav", "body", "#absent"])
def test_a_page_that_is_done_leaves_nothing_to_the_garbage_collector(selector: str) -> None:
    targets = compile_targets([target(selector)])
    gc.collect()
    gc.disable()
    try:
        scanner = Scanner(targets)
        scanner.feed(b"<body><nav><script>x</script><svg></svg><table><td>x</table></nav><!-- ")
        scanner.close()
        del scanner
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_an_element_behind_a_long_beginning_is_replaced() -> None:
    """What counts as held is what is held, not all that one piece of a page brought."""
    page = b"<!doctype html><body><p>" + b"x" * 70_000 + b"</p><b>y</b><div id=a>z</div></body>"
    scanner = Scanner([Target(parse_selector("#a"), Position.REPLACE)])
    marks = [s for s in (*scanner.feed(page), *scanner.close()) if isinstance(s, Mark)]
    assert [mark.kind for mark in marks] == [MarkKind.REPLACE_START, MarkKind.REPLACE_END]
