"""What is skipped makes no difference: the scanner that passes and skips finds what the one that reads all finds."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from html import unescape
from html.entities import html5

import pytest
from html_readers import READERS, reading_with
from hypothesis import given, settings
from hypothesis import strategies as st

from portal_gateway.html import candidate_first
from portal_gateway.html.candidate_first import CandidateFirst
from portal_gateway.html.matching import CompiledTargets
from portal_gateway.html.scanner import Mark, MarkKind, Position, Scanner, Segment, Target, compile_targets
from portal_gateway.html.selectors import parse_selector
from portal_gateway.html.tokenizer import PageScanner

SELECTORS = (
    "#a", ".x", "p.x", "div .x", "ul > li", "li.x", "main", "b", "a", "p", "h2", "td", "img", "br", "span span",
    "[title]", "[title='q z']", "div > p", "section .x", "code.x", "table .x", "button", "style", "dd", "p > b",
    "aside .x", ".y .x", "[title] p", "b .x", "li .x, div #a",
)  # fmt: skip
SINGLE = [[selector] for selector in SELECTORS]
GROUPS = [*SINGLE, [".x", "#a"], ["p", "li", "b"], ["#a", "td", "[title]"]]


@pytest.fixture(scope="module", params=READERS, autouse=True)
def reader(request: pytest.FixtureRequest) -> Iterator[None]:
    with reading_with(request.param):
        yield


Outcome = tuple[list[tuple[int, Mark]], frozenset[int]]


def compiled(selectors: list[str], position: str, every: bool = False) -> CompiledTargets:
    return compile_targets([Target(parse_selector(s), Position(position), every=every) for s in selectors])


def unskipping(targets: CompiledTargets) -> PageScanner:
    """The careful scanner as it reads what has no candidates: every token of it."""
    everything = compile_targets(targets.targets)
    everything.candidates = None
    return PageScanner(everything, 1 << 16)


def outcome(scanner: Scanner | PageScanner | CandidateFirst, pieces: list[bytes]) -> Outcome:
    segments: list[Segment] = [s for piece in pieces for s in scanner.feed(piece)]
    segments += scanner.close()
    assert b"".join(s for s in segments if isinstance(s, bytes)) == b"".join(pieces)
    marks, offset = [], 0
    for segment in segments:
        if isinstance(segment, Mark):
            marks.append((offset, segment))
        else:
            offset += len(segment)
    return marks, scanner.matched


def assert_same(targets: CompiledTargets, page: bytes, *cuts: list[int]) -> None:
    careful = unskipping(targets)
    expected = outcome(careful, [page])
    for ends in ([], *cuts):
        pieces = [page[a:b] for a, b in itertools.pairwise([0, *ends, len(page)])]
        scanner = CandidateFirst(targets, 1 << 16)
        assert outcome(scanner, pieces) == expected, (pieces, [t.selector.text for t in targets.targets])
        for index in range(len(targets.targets)):
            reason = scanner.reason(index)
            assert reason in (careful.reason(index), "no_match"), (reason, careful.reason(index), page)


# --- pages that are mostly plain, so that there is much to skip, and then spoilt in a few places

_NAMES = {
    "inline": (
        "a",
        "b",
        "code",
        "em",
        "i",
        "span",
        "strong",
        "sub",
        "sup",
        "small",
        "var",
        "kbd",
        "label",
        "q",
        "u",
        "button",
    ),
    "text": ("p", "h1", "h2", "h3", "pre", "summary", "figcaption"),
    "block": ("div", "section", "article", "blockquote", "main", "header", "nav", "details", "form", "ul"),
}
_ATTRIBUTES = (
    "", "", "", ' class="x"', " class='y x'", " class=x", ' id="a"', ' title="q z"', ' title="a > b <p class=x>"',
    ' href="/?a=1&amp;b=2" rel=n', ' class="&#120;"', " class='&#x78'", " hidden", ' class = "x"', "\n data-a='<!--'",
    ' id="a"class="x"', " /", " title=''", ' class="y&#32x"', " =x", ' title="<script>"',
)  # fmt: skip
_ODD = (
    "<!-- <p class=x> -->", "<!---->", "<!-->", "<!--x--!>", "<script>'<p class=x>'</script>", "<style>.x{}</style>",
    "<script><!-- <script> </script> --></script>", "<textarea><p id=a></textarea>", "<svg><path d=''/></svg>",
    "<template><p class=x></template>", "<select><option class=x>1</select>", "<hr>", "<br>", "<br class=x />", "</p>",
    "</div>", "<p>", "<li>", "<b>", "</b>", "</a>", "<a>", "<", "</", "<p", "<p class='x", ">", "&#", "&#120;", "\0",
    "x",
    "<table><tr><td>1</table>", "<table>", "<td>", "</table>", "<P CLASS=x>1</P>", "<noscript><p class=x></noscript>",
    "<plaintext>", "<title><b></title>", "<dd>", "</li>", "</ul>", "<h2>", "</h3>", "<form>", "</form>", "<body id=a>",
    "</body>", "</html>", "<![CDATA[", "<?x>", "</>", "<image>", "<nobr>", "</br>", "<frameset>", "<input type=hidden>",
    '<i class="x">', "<object>", "</object>", "<math><mi>x</mi></math>", "<dl><dt>1<dd class=x>2</dl>", "\n",
    " a=\"", "='",
)  # fmt: skip


class _Maker:
    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def page(self) -> bytes:
        chance = self.chance
        head = "<!doctype html><html><head><meta charset=utf-8><title>x</title><link rel=x></head><body>"
        out = head if chance.random() < 0.7 else ""
        out += "".join(self.block(chance.randrange(4)) for _ in range(chance.randrange(5)))
        out += chance.choice(("", "</body></html>\n"))
        for _ in range(chance.choice((0, 0, 1, 2, 3))):
            at = chance.randrange(len(out) + 1)
            if chance.random() < 0.5:
                at = max(out.rfind("<", 0, at), 0)
            cut = chance.choice((0, 0, 0, chance.randrange(9)))
            out = out[:at] + chance.choice(_ODD) + out[at + cut :]
        return out.encode()

    def element(self, name: str, content: str) -> str:
        return f"<{name}{self.chance.choice(_ATTRIBUTES)}>{content}</{name}>"

    def inline(self, depth: int) -> str:
        chance, out = self.chance, ""
        for _ in range(chance.randrange(4)):
            kind = chance.random()
            if kind < 0.4 or depth == 0:
                out += chance.choice(("text ", "x", " ", "a &amp; b", '="x" \'', "id a main "))
            elif kind < 0.95:
                out += self.element(chance.choice(_NAMES["inline"]), self.inline(depth - 1))
            else:
                out += chance.choice(("<br>", "<img src=x>", f"<img{chance.choice(_ATTRIBUTES)}/>", "<wbr>"))
        return out

    def block(self, depth: int) -> str:
        chance = self.chance
        kind = chance.random()
        if depth == 0 or kind < 0.3:
            return self.element(chance.choice(_NAMES["text"]), self.inline(3)) + chance.choice(("", "\n"))
        inner = [self.block(depth - 1) for _ in range(chance.randrange(4))]
        if kind < 0.5:
            return self.element(chance.choice(("ul", "ol", "menu")), "\n".join(self.element("li", i) for i in inner))
        if kind < 0.6:
            rows = [self.element("tr", self.element("td", i) + self.element("th", self.inline(1))) for i in inner]
            return self.element("table", self.element(chance.choice(("tbody", "thead")), " ".join(rows)))
        if kind < 0.65:
            return self.element(
                "dl", "".join(self.element("dt", self.inline(1)) + self.element("dd", i) for i in inner)
            )
        return self.element(chance.choice(_NAMES["block"]), self.inline(2).join(["", *inner]))


def random_page(chance: random.Random) -> bytes:
    return _Maker(chance).page()


def check_random_page(seed: int) -> None:
    chance = random.Random(seed)
    page = random_page(chance)
    targets = compiled(chance.choice(GROUPS), chance.choice(list(Position)), chance.random() < 0.2)
    if targets.candidates is None:
        return
    cuts = [sorted(chance.randrange(len(page) + 1) for _ in range(chance.randrange(1, 5))) for _ in range(3)]
    assert_same(targets, page, *cuts, list(range(1, len(page))))


@settings(max_examples=600, deadline=None)
@given(seed=st.integers(0, 1 << 40))
def test_random_pages(seed: int) -> None:
    check_random_page(seed)


@pytest.mark.parametrize("position", list(Position))
@pytest.mark.parametrize("odd", _ODD)
def test_one_oddity_before_or_behind_or_in_plain_markup(odd: str, position: str) -> None:
    plain = '<section><h3><a href="x">1</a></h3>\n<p>x <em>y</em></p><img src=x><br></section>\n'
    for page in (
        f"<body>{plain}{odd}{plain}<p id=a>z</p>",
        f"<body><div>{plain}{plain.replace('<em>', odd)}</div><p id=a>z</p>",
        f"<body><main id=a>{plain}<ul><li>1</li>{odd}</ul></main>",
        f"<body>x<table><tbody><tr><td>{odd}</td></tr><tr><td>2</td></tr></tbody></table><p id=a>z</p>",
    ):
        size = len(page)
        assert_same(compiled(["#a"], position), page.encode(), [size // 2], [size // 3, size - 10], [size - 7])


def test_a_reference_that_may_spell_a_value_is_a_candidate() -> None:
    candidates = compiled([".x", "#-a9"], "append").candidates
    assert candidates is not None
    numbers = range(140)
    forms = ("#%d", "#%d;", "#0%d", "#x%x", "#X0%X;")
    for reference in (*html5, *(form % number for number in numbers for form in forms)):
        text = unescape(f"&{reference}")
        spells = any(c.isascii() and (c.isalnum() or c == "-") for c in text)
        if text != f"&{reference}" and (spells or (text in tuple(" \t\n\f\r") and not reference.endswith(";"))):
            assert candidates.search(f"= &{reference}".encode()).find(0) == 2, reference


def test_what_holds_no_candidate_leaves_at_once_and_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    scanner = CandidateFirst(compiled(["#a"], "append"), 1 << 16)
    scanner.feed(b"<body>")
    monkeypatch.setattr(PageScanner, "feed", lambda *a: pytest.fail("read"))
    for piece in (b"<p>some text</p>", b'it\'s "x" <b>', b"<!-- b -->", b"id a # <i class='b'>"):
        assert scanner.feed(piece) == [piece]
    assert scanner.close() == []
    assert scanner.reason(0) == "no_match"


def test_a_cut_off_tag_stays_until_it_is_whole() -> None:
    scanner = CandidateFirst(compiled(["#a"], "before"), 1 << 16)
    assert scanner.feed(b"<body>x<p title='a > b' ") == [b"<body>x"]
    assert scanner.feed(b"id=") == []
    assert [type(s) for s in scanner.feed(b"a>y")] == [Mark, bytes]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidate_first, "MAX_DEFERRED", 1000)
    scanner = CandidateFirst(compiled(["#a"], "append"), 1 << 16)
    piece = b"<p>some text</p>" * 10
    for _ in range(100):
        assert b"".join(s for s in scanner.feed(piece) if isinstance(s, bytes)) == piece
        assert scanner._deferred_size <= 1000
    assert outcome(scanner, [b"<p id=a>1</p>"])[0] == [(9, Mark(0, MarkKind.INSERT))]


def test_what_leads_to_a_candidate_may_come_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing is put off, so the scanner is not idle in the b, and keeps what is unfinished to itself.
    for name, value in (("MAX_DEFERRED", 0), ("_BLOCK", 1), ("_REST", 0), ("_BEHIND_CANDIDATE", 0)):
        monkeypatch.setattr(candidate_first, name, value)
    page = b"<body>x<b>1<aside class=y>2</b>3<i>4</i><p class=x>5</p></aside><p class=x>6</p>"
    for selector in ("aside .x", ".y .x", "aside p", "b .x"):
        for first in range(1, 40):
            assert_same(compiled([selector], "append"), page, [first, first + 1], [first, 40], [5, first + 5])
