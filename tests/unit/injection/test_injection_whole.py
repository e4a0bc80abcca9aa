"""A page of one piece comes out as the stream would have sent it, byte for byte and reason for reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from gateway_kit import HTML, PAGE, collected, http_scope, session_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal_gateway.html.body_end import BodyEnd, end_of_body
from portal_gateway.html.scanner import Mark, Position, Target, compile_targets
from portal_gateway.html.selectors import parse_selector
from portal_gateway.injection.filling import TURN_BYTES
from portal_gateway.injection.outcomes import Outcome, Outcomes
from portal_gateway.injection.plan import Plan
from portal_gateway.injection.rewrite import Rewrite
from portal_gateway.injection.whole import whole_page

Make = Callable[..., Any]

BODY = {"at": "body"}
NAV = {"at": "nav", "position": "append"}
REPLACED = {"at": "main", "position": "replace"}
EVERY = {"at": "li", "position": "before", "all": True}
GZIP = (b"content-encoding", b"gzip")
JANE = http_scope(session=session_of("jane"))

# What ends of pages are made of, with what hides an end tag, moves it or cuts it off.
PIECES = [
    b"</body>",
    b"</BODY >",
    b"</html>",
    b"</bo",
    b"<body>",
    b"<nav><ul><li>a<li>b</ul></nav>",
    b"<main>Hello</main>",
    b"<p>text</p>\n",
    b"<a href='x'>",
    b"</a>",
    b"<table><tr><td>",
    b"</table>",
    b"<!--",
    b"-->",
    b"<!-- </body> -->",
    b"<script>",
    b"'</body>'",
    b"</script>",
    b"<img alt='",
    b"'>",
    b"\xff\xfe",
    b"x" * 300,
    b"<p>y</p>" * 200,
    b"<p>" + b"z" * 70_000 + b"</p>",
]
pages = st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join)
outcomes = st.sampled_from(
    [Outcome(b"<i>in</i>"), Outcome(b"<i>load</i>", is_loader=True), Outcome(b"", "vendor_no")],
)


COMPILED = compile_targets([Target(parse_selector("body"), Position.APPEND)])


def found_in_a_stream(page: bytes) -> int | str | None:
    engine = BodyEnd(COMPILED, 1 << 16)
    offset, found = 0, None
    for segment in (*engine.feed(page), *engine.close()):
        if isinstance(segment, Mark):
            found = offset
        else:
            offset += len(segment)
    return engine.bail_reason if found is None else found


@given(pages)
@settings(max_examples=400, deadline=None)
def test_the_end_of_the_body_is_where_the_stream_finds_it(page: bytes) -> None:
    assert end_of_body(page, COMPILED) == found_in_a_stream(page)


def test_what_was_found_in_a_short_page_says_nothing_of_a_longer_one() -> None:
    """Nor does the end of a long one of another long one, unless it is all that is looked at."""
    long = b"<p>y</p>" * 200 + b"</body>"
    for start in (b"", b"<!--", b"<script>", b"<p>"):
        for page in (b"</body>", start + b"</body>", b"", long, start + long, b"<p>z</p>" + start + long[800:]):
            assert end_of_body(page, COMPILED) == found_in_a_stream(page), page


@pytest.mark.parametrize(
    "inject",
    [[BODY], [BODY, BODY], [NAV], [REPLACED, NAV], [EVERY, REPLACED], [{"at": "aside"}, BODY]],
    ids=["body", "body-twice", "nav", "replaced", "every", "absent-and-body"],
)
@given(page=st.one_of(pages, st.just(PAGE)), data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_page_is_what_the_stream_sends(parts: Make, inject: Any, page: bytes, data: st.DataObject) -> None:
    p = parts(*inject)
    plan = p.plan()
    chosen = Outcomes(plan.slots, [data.draw(outcomes) for _ in inject])
    rewrite = Rewrite(JANE, plan, p.page, p.gateway.decider, p.gateway.events, chosen, lambda: "https://app.acme.com")
    streamed = b"".join(await collected(rewrite.run(page, last=True)))
    for _ in range(2):  # the second time by what is remembered of the first
        made = whole_page(page, plan, p.page, chosen)
        assert made is not None
        whole, misses = made
        assert (whole, list(misses or [""] * len(inject))) == (streamed, rewrite.misses())
        assert misses is None or any(misses)


def is_plain(p: Any, plan: Plan, page: bytes) -> bool:
    return whole_page(page, plan, p.page, Outcomes(plan.slots, [Outcome(b"<i>in</i>")])) is not None


def test_a_stream_is_needed_for_what_is_coded_or_very_long(parts: Make) -> None:
    p = parts(NAV)
    assert is_plain(p, p.plan(), PAGE)
    assert is_plain(p, p.plan(), b" " * TURN_BYTES)
    assert not is_plain(p, p.plan(), b" " * (TURN_BYTES + 1))
    assert not is_plain(p, p.plan(GZIP), PAGE)


@pytest.mark.parametrize(
    ("rule", "plain"),
    [
        pytest.param(NAV, True, id="a-link-needs-no-policy"),
        pytest.param({**NAV, "as": "iframe"}, False, id="iframe"),
        pytest.param({**NAV, "mode": "loader"}, False, id="loader"),
    ],
)
def test_and_where_a_policy_in_the_page_may_forbid_what_goes_in(parts: Make, rule: Any, plain: bool) -> None:
    meta = b"<meta http-equiv='Content-Security-Policy' content=\"frame-src 'none'\">"
    p = parts(rule)
    assert is_plain(p, p.plan(HTML), meta + PAGE) is plain
    assert is_plain(p, p.plan(HTML), PAGE)
