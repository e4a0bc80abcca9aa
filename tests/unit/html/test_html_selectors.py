from __future__ import annotations

import pytest

from portal_gateway.html.selectors import (
    AttributeTest,
    Combinator,
    Compound,
    NthChild,
    Selector,
    SelectorError,
    parse_selector,
)

CHILD = Combinator.CHILD


def _id(value: str) -> AttributeTest:
    return AttributeTest("id", "=", value)


def _class(value: str) -> AttributeTest:
    return AttributeTest("class", "~=", value)


@pytest.mark.parametrize(
    ("text", "chains"),
    [
        pytest.param("main", ((Compound("main"),),), id="type"),
        pytest.param("MAIN", ((Compound("main"),),), id="type-upper-case"),
        pytest.param("*", ((Compound(None),),), id="universal"),
        pytest.param("#top", ((Compound(None, (_id("top"),)),),), id="id"),
        pytest.param("#1st", ((Compound(None, (_id("1st"),)),),), id="id-with-leading-digit"),
        pytest.param(".links", ((Compound(None, (_class("links"),)),),), id="class"),
        pytest.param("nav.a.b#c", ((Compound("nav", (_class("a"), _class("b"), _id("c"))),),), id="compound"),
        pytest.param("nav .links", ((Compound("nav"), Compound(None, (_class("links"),))),), id="descendant"),
        pytest.param("ul>li", ((Compound("ul"), Compound("li", combinator=CHILD)),), id="child"),
        pytest.param("ul  >\n li", ((Compound("ul"), Compound("li", combinator=CHILD)),), id="child-spaced"),
        pytest.param("main, #a ,b", ((Compound("main"),), (Compound(None, (_id("a"),)),), (Compound("b"),)), id="list"),
        pytest.param("  main ", ((Compound("main"),),), id="surrounding-space"),
        pytest.param("[data-x]", ((Compound(None, (AttributeTest("data-x"),)),),), id="attribute"),
        pytest.param("[A=b]", ((Compound(None, (AttributeTest("a", "=", "b"),)),),), id="attribute-equals"),
        pytest.param("[a = 'b c']", ((Compound(None, (AttributeTest("a", "=", "b c"),)),),), id="attribute-quoted"),
        pytest.param('[a="b" i]', ((Compound(None, (AttributeTest("a", "=", "b", ignore_case=True),)),),), id="i-flag"),
        pytest.param(
            "[type=text]",
            ((Compound(None, (AttributeTest("type", "=", "text", ignore_case=True),)),),),
            id="attribute-whose-values-have-no-case-in-html",
        ),
        pytest.param("[type=text s]", ((Compound(None, (AttributeTest("type", "=", "text"),)),),), id="s-flag"),
        pytest.param("li:first-child", ((Compound("li", positions=(NthChild(0, 1),)),),), id="first-child"),
        pytest.param("li:nth-child(2n+1)", ((Compound("li", positions=(NthChild(2, 1),)),),), id="nth-an-b"),
        pytest.param("li:nth-child( odd )", ((Compound("li", positions=(NthChild(2, 1),)),),), id="nth-odd"),
        pytest.param("li:nth-child(even)", ((Compound("li", positions=(NthChild(2, 0),)),),), id="nth-even"),
        pytest.param(":nth-child(-n + 3)", ((Compound(None, positions=(NthChild(-1, 3),)),),), id="nth-negative"),
        pytest.param(":nth-child(4)", ((Compound(None, positions=(NthChild(0, 4),)),),), id="nth-number"),
        pytest.param(r"#\31 23", ((Compound(None, (_id("123"),)),),), id="escape-hex"),
        pytest.param(r".md\:flex", ((Compound(None, (_class("md:flex"),)),),), id="escape-character"),
        pytest.param(r".w-1\/2", ((Compound(None, (_class("w-1/2"),)),),), id="escape-slash"),
        pytest.param(".ünïcode", ((Compound(None, (_class("ünïcode"),)),),), id="non-ascii"),
    ],
)
def test_parses(text: str, chains: tuple[tuple[Compound, ...], ...]) -> None:
    selector = parse_selector(text)
    assert selector == Selector(text, chains)
    assert str(selector) == text


@pytest.mark.parametrize("operator", ["~=", "^=", "$=", "*=", "|=", "="])
def test_attribute_operators(operator: str) -> None:
    chains = parse_selector(f"[a{operator}b]").chains
    assert chains == ((Compound(None, (AttributeTest("a", operator, "b"),)),),)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("a + b", "sibling combinators", id="next-sibling"),
        pytest.param("a ~ b", "sibling combinators", id="later-sibling"),
        pytest.param("a || b", "column combinator", id="column"),
        pytest.param("li:last-child", "only when the parent ends", id="last-child"),
        pytest.param("li:nth-last-child(2)", "only when the parent ends", id="nth-last-child"),
        pytest.param("div:has(a)", "after the start tag", id="has"),
        pytest.param("p:empty", "after the start tag", id="empty"),
        pytest.param("a:hover", "live page", id="hover"),
        pytest.param("a:not(.b)", "name what the element has", id="not"),
        pytest.param(":is(a, b)", "as a list", id="is"),
        pytest.param("p::before", "pseudo-element", id="pseudo-element"),
        pytest.param("svg|a", "namespaces", id="namespace"),
        pytest.param("a:frobnicated", "not supported", id="unknown-pseudo-class"),
        pytest.param("", "found the end", id="nothing"),
        pytest.param("a,", "found the end", id="dangling-comma"),
        pytest.param("a >", "found the end", id="dangling-combinator"),
        pytest.param("> a", "found '>'", id="leading-combinator"),
        pytest.param("a b)", "unexpected ')'", id="stray-parenthesis"),
        pytest.param("[a=]", "expected a value", id="no-value"),
        pytest.param("[a='b]", "expected a value", id="open-string"),
        pytest.param("[a", "expected ], =", id="open-bracket"),
        pytest.param("[a=b x]", "expected ] at the end", id="unknown-flag"),
        pytest.param("#", "expected an id", id="empty-id"),
        pytest.param(".1a", "expected a class", id="class-with-leading-digit"),
        pytest.param(":nth-child", "needs an argument", id="nth-without-argument"),
        pytest.param(":nth-child(x)", "an+b", id="nth-nonsense"),
    ],
)
def test_refuses_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(SelectorError) as caught:
        parse_selector(text)
    assert reason in str(caught.value)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("operator", "value", "actual", "expected"),
    [
        ("=", "a", "a", True),
        ("=", "a", "A", False),
        ("~=", "b", "a\tb\nc", True),
        ("~=", "b", "ab", False),
        ("~=", "", "", False),
        ("~=", "a b", "a b", False),
        ("^=", "ab", "abc", True),
        ("^=", "", "abc", False),
        ("$=", "bc", "abc", True),
        ("$=", "", "abc", False),
        ("*=", "b", "abc", True),
        ("*=", "", "abc", False),
        ("|=", "en", "en", True),
        ("|=", "en", "en-GB", True),
        ("|=", "en", "eng", False),
    ],
)
def test_attribute_test(operator: str, value: str, actual: str, expected: bool) -> None:
    assert AttributeTest("x", operator, value).accepts(actual) is expected


def test_ignoring_case_is_ascii_only() -> None:
    test = AttributeTest("x", "=", "straÅe", ignore_case=True)
    assert test.accepts("STRAÅE")
    assert not test.accepts("STRAåE")


@pytest.mark.parametrize(
    ("step", "offset", "indexes"),
    [
        (0, 1, [1]),
        (2, 1, [1, 3, 5]),
        (2, 0, [2, 4, 6]),
        (-1, 3, [1, 2, 3]),
        (3, -1, [2, 5]),
        (1, 0, [1, 2, 3, 4, 5, 6]),
    ],
)
def test_nth_child(step: int, offset: int, indexes: list[int]) -> None:
    assert [i for i in range(1, 7) if NthChild(step, offset).accepts(i)] == indexes
