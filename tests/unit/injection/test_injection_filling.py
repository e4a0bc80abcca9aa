"""What is inserted at the marks of a page, one after the other."""

from __future__ import annotations

import pytest

from portal_gateway.html.scanner import Mark, Position, Scanner, Target
from portal_gateway.html.selectors import parse_selector
from portal_gateway.injection.filling import Filling
from portal_gateway.injection.outcomes import Outcome

LINK = Outcome(b"<a>link</a>")
LOADER = Outcome(b"<x-y></x-y>", is_loader=True)
NOTHING = Outcome(b"", "denied")


def filled(page: bytes, targets: list[tuple[str, Position]], outcomes: list[Outcome]) -> bytes:
    scanner = Scanner([Target(parse_selector(selector), position) for selector, position in targets])
    filling = Filling(len(outcomes))
    out: list[bytes] = []
    for segment in (*scanner.feed(page), *scanner.close()):
        if isinstance(segment, Mark):
            out.append(filling.snippet_at(segment, outcomes[segment.target]))
        elif not filling.dropping:
            out.append(segment)
    return b"".join(out)


@pytest.mark.parametrize(
    ("outcomes", "end"),
    [
        pytest.param([LINK, LINK], b"</li><a>link</a><a>link</a></ul>", id="both"),
        pytest.param([NOTHING, LINK], b"</li><a>link</a></ul>", id="second"),
        pytest.param([LINK, NOTHING], b"</li><a>link</a></ul>", id="first"),
        pytest.param([NOTHING, NOTHING], b"</ul>", id="none"),
    ],
)
def test_end_tags_that_the_page_omits_come_once_and_with_a_snippet_only(outcomes: list[Outcome], end: bytes) -> None:
    page = b"<body>x<ul><li>1<li>2"
    assert filled(page + b"</ul>", [("ul", Position.APPEND)] * 2, outcomes) == page + end


@pytest.mark.parametrize(
    ("outcome", "filled_page"),
    [
        pytest.param(LINK, b"<body>x<p>1</p><a>link</a>2", id="link"),
        pytest.param(LOADER, b"<body>x<p>1</p><x-y></x-y><div>y</div>2", id="loader-keeps-what-it-replaces"),
        pytest.param(NOTHING, b"<body>x<p>1<div>y</div>2", id="nothing"),
    ],
)
def test_a_replacement_that_ends_a_paragraph(outcome: Outcome, filled_page: bytes) -> None:
    assert filled(b"<body>x<p>1<div>y</div>2", [("div", Position.REPLACE)], [outcome]) == filled_page
