"""What the C extension passes over leaves the tree rules in the state in which reading every token would leave them."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_html_candidate_first import random_page
from tree_states import NEVER, check, check_resumed, skipped

from portal_gateway.html import _compiled, body_rules, elements, speedups
from portal_gateway.html.compiled_runs import skip_run
from portal_gateway.html.matching import Matches
from portal_gateway.html.tree_rules import TreeRules

HEAD = b"<!DOCTYPE html>\n<html lang=en><head><title>a</title><meta charset=utf-8></head>\n<body class=x>"


@settings(max_examples=1500, deadline=None)
@given(seed=st.integers(0, 1 << 40))
def test_random_pages_leave_the_same_state(seed: int) -> None:
    chance = random.Random(seed)
    page = random_page(chance)
    if chance.random() < 0.5:
        page = HEAD + page[page.find(b"<body>") + 6 :]
    for end in {len(page), *(chance.randrange(len(page) + 1) for _ in range(6))}:
        check(page, end)


def _every_name() -> list[bytes]:
    names = {b"x", b"x-y", b"span", b"dialog", b"legend", b"video", b"foreignobject", b"desc", b"mi", b"annotation-xml"}
    names |= elements.SPECIAL | elements.FORMATTING | elements.RAW_TEXT | elements.FOREIGN_BREAKOUTS
    return sorted(names | body_rules._BODY_START.keys())


@pytest.mark.parametrize("name", _every_name())
def test_every_name_in_every_place(name: bytes) -> None:
    around = (
        b"%s", b"<p>%s", b"<p>%s</p>", b"<p><b>%s</b></p>", b"<h1>%s</h1>", b"<ul>%s</ul>", b"<ul><li>%s</li></ul>",
        b"<ul><li><p>%s</ul>", b"<ul><li><div>%s</div></li></ul>", b"<dl><dt>%s</dl>", b"<dl><div><dd>%s</div></dl>",
        b"<a>%s</a>", b"<b><b><b>%s</b></b></b>", b"<button><p>%s</p></button>", b"<form>%s</form>", b"<div>%s",
        b"<select>%s</select>", b"<select><optgroup><option>%s</select>", b"<table>%s</table>",
        b"<span><i>%s</i></span>",
        b"<table><tbody>%s</tbody></table>", b"<table><tr>%s</tr></table>", b"<table><tr><td>%s</td></tr></table>",
        b"<table><caption>%s</caption></table>", b"<table><colgroup>%s</colgroup></table>", b"<svg>%s</svg>",
        b"<svg><g>%s</g></svg>", b"<svg><title>%s</title></svg>", b"<math><mi>%s</mi></math>",
        b"<textarea>%s</textarea>",
        b"<p><table><tr><td>%s</table>", b"<article><h2>%s</h2></article>", b"<a><table><td>%s", b"<x-y>%s</x-y>",
    )  # fmt: skip
    inner = (b"<%s>", b"<%s>1</%s>", b"</%s>", b"<%s/>", b"<%s class='a>b'><i>1</i></%s >", b"<%s><%s>1</%s></%s>")
    chance = random.Random(str(name))
    for frame in around:
        for content in inner:
            body = frame % content.replace(b"%s", name)
            page = HEAD + b"x" + (body.upper() if chance.random() < 0.1 else body) + b"<i>2</i> "
            check(page, len(page))
            # What was open before the run is known less well.
            check_resumed(page, chance.randrange(len(HEAD), len(page)))
    for start in (b"<!doctype html><html><head>", b"<!doctype html>", b"<!doctype html><html>", HEAD[:-14]):
        page = start + inner[1].replace(b"%s", name) + b"<p>1"
        check(page, len(page))


def test_plain_pages_are_one_run() -> None:
    page = HEAD + (
        b"<header><nav><ul><li><a href='/'>1</a><li><a href='/2'>2</a></ul></nav></header><main id=m>"
        b"<script>if (a < b) '</p>';</script><!-- </main> --><svg viewBox='0 0 1 1'><linearGradient/><path d=m /></svg>"
        b"<p>One<p>Two<table><thead><tr><th>1</th></tr></thead></table>"
        b"<table class=t><tr><td><button>1</button></td></tr></table><form><select><option>1<option>2</select>"
        b"<textarea></p></textarea><input type=hidden></form><h2>3</h2><custom-element>4</custom-element>"
    )
    assert skipped(page, len(page))[0] == page.index(b"<p>Two<table>") + len(b"<p>Two")


def test_no_tag_is_read_that_ends_behind_the_limit() -> None:
    page = HEAD + b"<div class=x><p title='>'>1</p><!-- <b> --><b>3</b></div>"
    tags = [match.span() for match in re.finditer(rb"</?[a-z](?:'[^']*'|[^>'])*>", page)]
    exempt = (page.index(b"</title>"), page.index(b"<b> -->"))
    for end in range(len(page) + 1):
        position, _ = skipped(page, end)
        assert not [tag for tag in tags if tag[0] < position and tag[1] > end and tag[0] not in exempt], (end, position)


def test_depth_is_bounded() -> None:
    page = HEAD + b"<div>" * 5000
    assert check(page, len(page)) < len(page)


@pytest.mark.parametrize(
    "arguments",
    [
        (b"abc", 2, 1, 0, 9), (b"abc", -1, 1, 0, 9), (b"abc", 0, 4, 0, 9), (b"abc", 0, 3, 0, -1), (b"abc", 0, 3, -1, 9),
        (b"abc", 0, 1 << 70, 0, 9), ("abc", 0, 3, 0, 9), (b"abc", 0, 3, 0), (b"abc", 0, "3", 0, 9),
    ],
)  # fmt: skip
def test_refuses_to_read_outside_of_the_buffer(arguments: tuple[object, ...]) -> None:
    with pytest.raises((ValueError, TypeError, OverflowError)):
        _compiled.skip(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("function", [_compiled.find, _compiled.find_tag])
def test_refuses_to_search_outside_of_the_buffer(function: object) -> None:
    for arguments in ((b"abc", b"a", 4), (b"abc", b"a", -1), (b"abc", b"", 0), ("abc", b"a", 0), (b"abc", b"a")):
        with pytest.raises((ValueError, TypeError)):
            function(*arguments)  # type: ignore[operator]


@given(data=st.text("aB-<&/ ", max_size=24), word=st.text("ab-&", min_size=1, max_size=4), start=st.integers(0, 24))
def test_finds_what_python_finds(data: str, word: str, start: int) -> None:
    start = min(start, len(data))
    buffer, sought = data.encode(), word.encode()
    assert _compiled.find(buffer, sought, start) == buffer.find(sought, start)
    assert _compiled.find_tag(buffer, sought, start) == speedups.find_tag_by_expression(buffer, sought, start)


@given(page=st.binary(max_size=40), position=st.integers(0, 40), snippet=st.binary(max_size=20))
def test_inserts_what_python_inserts(page: bytes, position: int, snippet: bytes) -> None:
    position = min(position, len(page))
    expected = page[:position] + snippet + page[position:]
    assert _compiled.insert(page, position, snippet) == expected
    assert speedups.insert_by_join(page, position, snippet) == expected


def test_refuses_to_insert_outside_of_the_page() -> None:
    for arguments in (
        (b"abc", 4, b"d"),
        (b"abc", -1, b"d"),
        (b"abc", 1 << 70, b"d"),
        ("abc", 0, b"d"),
        (b"abc", 0, "d"),
        (),
    ):
        with pytest.raises((ValueError, TypeError, OverflowError)):
            _compiled.insert(*arguments)  # type: ignore[arg-type,call-arg]


def test_leaves_shared_objects_as_they_are() -> None:
    # Python has one object for each single byte.
    tree = TreeRules(Matches(NEVER))
    skip_run(tree, HEAD + b"<P>1", 0, len(HEAD) + 4)
    assert [b"ABCP"[i : i + 1] for i in range(4)] == [b"A", b"B", b"C", bytes((0x50,))]
    assert b"P".lower() != bytes((0x50,))
