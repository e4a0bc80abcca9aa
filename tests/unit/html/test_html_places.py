"""What is remembered of a page holds for every page that begins like it, whatever comes then."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal_gateway.html.places import MAX_BEGINNING, MAX_KNOWN, KnownPlaces
from portal_gateway.html.scanner import CompiledTargets, Mark, Position, Scanner, Segment, Target, compile_targets
from portal_gateway.html.selectors import parse_selector

# Ends and beginnings of everything that changes how the rest is read.
PIECES = [
    b"<nav class=links>",
    b"<nav>",
    b"</nav>",
    b"<ul><li>a",
    b"</ul>",
    b"<p id=x>",
    b"</p>",
    b"<b>",
    b"</b>",
    b"<table><tr><td>",
    b"</table>",
    b"<!--",
    b"-->",
    b"<script>",
    b"</script>",
    b"<title>",
    b"</title>",
    b"<body class=a>",
    b"</body>",
    b"<fram",
    b"eset>",
    b"<a href='",
    b"'>",
    b"&amp",
    b";text",
    b"<",
    b">",
    b"\xef\xbb\xbf",
    b"x" * 600,
]
pages = st.lists(st.sampled_from(PIECES), max_size=10).map(b"".join)
target_sets = st.lists(
    st.builds(
        Target,
        st.sampled_from(["nav", ".links", "#x", "body p", "ul, td", "li:nth-child(1)", "main"]).map(parse_selector),
        st.sampled_from(list(Position)),
        every=st.booleans(),
    ),
    min_size=1,
    max_size=2,
).map(compile_targets)


def scanned(page: bytes, targets: CompiledTargets) -> tuple[Scanner, list[Segment], tuple[str, ...] | None]:
    scanner = Scanner(targets)
    segments = [*scanner.feed(page), *scanner.close()]
    misses = tuple(scanner.reason(target) or "" for target in range(len(targets.targets)))
    return scanner, segments, misses if any(misses) else None


def offsets(segments: list[Segment]) -> tuple[tuple[int, int], ...]:
    found, offset = [], 0
    for segment in segments:
        if isinstance(segment, Mark):
            found.append((offset, segment.target))
        else:
            offset += len(segment)
    return tuple(found)


def learnt(page: bytes, selector: str, position: Position = Position.APPEND) -> KnownPlaces:
    known = KnownPlaces()
    known.learn(page, *scanned(page, compile_targets([Target(parse_selector(selector), position)])))
    return known


@given(page=pages, rest=pages, targets=target_sets)
@settings(max_examples=1500, deadline=None)
def test_a_page_that_begins_alike_has_the_same_places(page: bytes, rest: bytes, targets: CompiledTargets) -> None:
    scanner, segments, misses = scanned(page, targets)
    if scanner.decided_by is None:
        return
    other = page[: scanner.decided_by] + rest
    _, other_segments, other_misses = scanned(other, targets)
    assert offsets(other_segments) == offsets(segments)
    assert other_misses == misses
    known = KnownPlaces()
    known.learn(page, scanner, segments, misses)
    places = known.find(other)
    if places is not None:
        assert (places.places, places.misses) == (offsets(segments), misses)


PAGE = b"<body>" + b"x" * 600 + b"<nav class='links'><a>1</a></nav><main>2</main></body>"


def test_what_follows_the_place_makes_no_difference() -> None:
    known = learnt(PAGE, "nav.links").find(PAGE.replace(b"2", b"3"))
    assert known is not None
    assert known.places == ((PAGE.index(b"</nav>"), 0),)


@pytest.mark.parametrize(
    "change", [(b"<body>", b"<bodY>"), (b"<a>1", b"<a>9"), (b"</a></nav>", b"</a></p></nav>"), (b"x<nav", b"<nav")]
)
def test_what_stands_before_it_does(change: tuple[bytes, bytes]) -> None:
    other = PAGE.replace(*change)
    assert other != PAGE
    assert learnt(PAGE, "nav.links").find(other) is None


def test_a_page_that_ends_too_early_does_not_begin_alike() -> None:
    place = PAGE.index(b"</nav>")
    assert learnt(PAGE, "nav.links").find(PAGE[:place]) is None


@pytest.mark.parametrize(
    ("page", "selector", "position"),
    [
        pytest.param(PAGE, "aside", Position.APPEND, id="no-place"),
        pytest.param(PAGE, "nav", Position.REPLACE, id="what-is-replaced-goes"),
        pytest.param(b"<body>x<ul><li>1</ul>", "ul", Position.APPEND, id="the-page-omits-an-end-tag"),
        pytest.param(b"<body>" + b"x" * MAX_BEGINNING + PAGE, "nav", Position.APPEND, id="far-down"),
    ],
)
def test_not_remembered(page: bytes, selector: str, position: Position) -> None:
    assert learnt(page, selector, position).find(page) is None


def test_a_place_that_was_refused_stays_refused() -> None:
    page = b"<body><table><tr>" + b"<td>1" * 200 + b"</table></body>"
    known = learnt(page, "tr", Position.PREPEND).find(page)
    assert known is not None
    assert (known.places, known.misses) == ((), ("in_table",))


def test_so_many_beginnings_are_remembered() -> None:
    known = KnownPlaces()
    targets = compile_targets([Target(parse_selector("nav.links"), Position.APPEND)])
    for number in range(3 * MAX_KNOWN):
        page = b"<body>%d" % number + PAGE
        known.learn(page, *scanned(page, targets))
        assert known.find(page) is not None
        assert len(known._known) <= MAX_KNOWN
