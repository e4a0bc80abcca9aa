from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from portal_gateway.errors import AccessDenied, VendorError
from portal_gateway.providers.planhat_answers import (
    AccessForm,
    access_verdict,
    end_user_id,
    is_redirect_link,
    redirect_link,
)

PORTAL = "https://share-eu5.planhat.com"
LINK = f"{PORTAL}/redirect/tok-123"
FORM = AccessForm(("access", "hasAccess"))


# --- access ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        pytest.param(b"true", True, id="JSON true"),
        pytest.param(b"false", False, id="JSON false"),
        pytest.param(b" True\n", True, id="text"),
        pytest.param(b"FALSE", False, id="text no"),
        pytest.param(b'"true"', True, id="JSON string"),
        pytest.param(b'"false"', False, id="JSON string no"),
        pytest.param(b"\xef\xbb\xbftrue", True, id="byte order mark"),
        pytest.param(b'{"access": true}', True, id="object"),
        pytest.param(b'{"access": false, "reason": "none"}', False, id="object no"),
        pytest.param(b'{"hasAccess": true, "access": true}', True, id="two keys agree"),
        pytest.param(b'{"access": false, "hasAccess": true}', None, id="two keys disagree"),
        pytest.param(b'{"access": true, "hasAccess": null}', None, id="one key says nothing"),
        pytest.param(b'{"access": false, "access": true}', None, id="repeated key"),
        pytest.param(b'{"access": "true"}', None, id="text is no boolean"),
        pytest.param(b'{"access": 1}', None, id="a number is no boolean"),
        pytest.param(b'{"allowed": true}', None, id="unknown key"),
        pytest.param(b'{"data": {"access": true}}', None, id="nested"),
        pytest.param(b"[true]", None, id="list"),
        pytest.param(b"{}", None, id="empty object"),
        pytest.param(b"1", None, id="one"),
        pytest.param(b"null", None, id="null"),
        pytest.param(b"", None, id="empty"),
        pytest.param(b"yes", None, id="yes, but not configured"),
        pytest.param(b"true false", None, id="both"),
        pytest.param(b"<html>true</html>", None, id="HTML"),
        pytest.param(b"\xff\xfetrue", None, id="not text"),
        pytest.param(b"[" * 200_000, None, id="nested for ever"),
    ],
)
def test_only_an_explicit_answer_counts(body: bytes, verdict: bool | None) -> None:
    assert access_verdict(body, FORM) is verdict


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (b"granted", True),
        (b'"granted"', True),
        (b'{"status": "granted"}', True),
        (b'{"status": "revoked"}', False),
        (b"revoked", False),
        (b"Granted", None),
        (b'{"status": "both"}', False),
        (b'{"other": "granted"}', None),
    ],
)
def test_an_operator_can_name_other_keys_and_words(body: bytes, verdict: bool | None) -> None:
    form = AccessForm(("status",), yes=("granted", "both"), no=("revoked", "both"))
    assert access_verdict(body, form) is verdict


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["access", "hasAccess", "ok", "data"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(json_values)
def test_nothing_but_an_explicit_yes_grants(value: Any) -> None:
    told = (
        {value[key] for key in FORM.keys if key in value and isinstance(value[key], bool)}
        if isinstance(value, dict)
        else set()
    )
    others = isinstance(value, dict) and any(key in value and not isinstance(value[key], bool) for key in FORM.keys)
    explicit_yes = (
        value is True or (isinstance(value, str) and value.strip().lower() == "true") or (told == {True} and not others)
    )
    assert (access_verdict(json.dumps(value).encode(), FORM) is True) == explicit_yes


@given(st.binary(max_size=200))
@example(b"\xef\xbb\xbf true ")
def test_no_bytes_grant_but_the_word_true(body: bytes) -> None:
    if access_verdict(body, FORM) is True:
        text = body.decode("utf-8-sig").strip().strip('"').strip()
        assert text.lower() == "true" or text.startswith("{")


# --- link -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(LINK.encode(), id="bare"),
        pytest.param(f"  {LINK}\r\n".encode(), id="blanks around"),
        pytest.param(f'"{LINK}"'.encode(), id="JSON string"),
        pytest.param(json.dumps({"url": LINK}).encode(), id="object"),
        pytest.param(json.dumps({"id": "x", "link": LINK, "ttl": 30, "more": None}).encode(), id="one of several"),
        pytest.param(b'"' + LINK.replace("/", "\\/").encode() + b'"', id="escaped slashes"),
    ],
)
def test_forms_of_a_mint_answer(body: bytes) -> None:
    assert redirect_link(body, PORTAL) == LINK


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"null", id="null"),
        pytest.param(b"true", id="boolean"),
        pytest.param(json.dumps([LINK]).encode(), id="list"),
        pytest.param(json.dumps({"a": LINK, "b": LINK + "4"}).encode(), id="two links"),
        pytest.param(json.dumps({"data": {"url": LINK}}).encode(), id="nested"),
        pytest.param(f'{{"url": "{LINK}", "url": "{LINK}"}}'.encode(), id="repeated key"),
        pytest.param(f'" {LINK}"'.encode(), id="blank within the string"),
        pytest.param(f"{LINK} {LINK}".encode(), id="two lines"),
        pytest.param(f'<a href="{LINK}">open</a>'.encode(), id="HTML"),
        pytest.param(f"{LINK}\xff".encode("latin-1"), id="not text"),
        pytest.param(b"http://evil.example/redirect/x", id="another host"),
    ],
)
def test_an_answer_without_exactly_one_link(body: bytes) -> None:
    assert redirect_link(body, PORTAL) is None


def test_a_link_is_passed_on_byte_for_byte() -> None:
    link = f"{PORTAL}/redirect/a%2Fb%c3%A9+~;x=1?b=2&a=1&&c=%zz#frag"
    assert redirect_link(link.encode(), PORTAL) == link


@pytest.mark.parametrize(
    "url",
    [
        LINK,
        "HTTPS://SHARE-EU5.planhat.com/redirect/x",
        f"{PORTAL}:443/redirect/x",
        f"{PORTAL}/redirect/a/b",
        f"{PORTAL}/redirect/..x",
    ],
)
def test_a_link_into_the_portal(url: str) -> None:
    assert is_redirect_link(url, PORTAL)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://share-eu5.planhat.com/redirect/x", id="not https"),
        pytest.param("//share-eu5.planhat.com/redirect/x", id="no scheme"),
        pytest.param("/redirect/x", id="no host"),
        pytest.param("javascript:alert(1)//redirect/x", id="script"),
        pytest.param("https:/share-eu5.planhat.com/redirect/x", id="one slash"),
        pytest.param("https:\\\\share-eu5.planhat.com\\redirect\\x", id="backslashes"),
        pytest.param("https://share.planhat.com/redirect/x", id="another cluster"),
        pytest.param("https://share-eu5.planhat.com.evil.example/redirect/x", id="suffix"),
        pytest.param("https://evil.example/https://share-eu5.planhat.com/redirect/x", id="in the path"),
        pytest.param("https://share-eu5.planhat.com@evil.example/redirect/x", id="as user name"),
        pytest.param("https://a@share-eu5.planhat.com/redirect/x", id="with user name"),
        pytest.param("https://evil.example\\@share-eu5.planhat.com/redirect/x", id="backslash before @"),
        pytest.param("https://share-eu5.planhat.com:8443/redirect/x", id="another port"),
        pytest.param("https://share-eu5.planhat.com:443a/redirect/x", id="no port"),
        pytest.param("https://share-eu5.planhat.com./redirect/x", id="trailing dot"),
        pytest.param("https://[share-eu5.planhat.com/redirect/x", id="bracket"),
        pytest.param(f"{PORTAL}/redirect/", id="no token"),
        pytest.param(f"{PORTAL}/redirect", id="no slash"),
        pytest.param(f"{PORTAL}/redirect/x/", id="empty last segment"),
        pytest.param(f"{PORTAL}/redirect/?x", id="token only in the query"),
        pytest.param(f"{PORTAL}/redirect/#x", id="token only in the fragment"),
        pytest.param(f"{PORTAL}/redirected/x", id="another path"),
        pytest.param(f"{PORTAL}/login?next=/redirect/x", id="path in the query"),
        pytest.param(f"{PORTAL}/a/redirect/x", id="further down"),
        pytest.param(f"{PORTAL}//redirect/x", id="double slash"),
        pytest.param(f"{PORTAL}/redirect/../login", id="dot segments"),
        pytest.param(f"{PORTAL}/redirect/x/%2e%2E/%2e./login", id="encoded dot segments"),
        pytest.param(f"{PORTAL}/redirect/a b", id="blank"),
        pytest.param(f"{PORTAL}/redirect/a\tb", id="tab, which browsers drop"),
        pytest.param(f"{PORTAL}/redirect/a\nb", id="newline"),
        pytest.param(f"{PORTAL}/redirect/x\r\nSet-Cookie: a=b", id="header injection"),
        pytest.param(f'{PORTAL}/redirect/x"onload="', id="quote"),
        pytest.param(f"{PORTAL}/redirect/x<script>", id="markup"),
        pytest.param(f"{PORTAL}/redirect/é", id="not ASCII"),
        pytest.param("https://ｓhare-eu5.planhat.com/redirect/x", id="wide letter in the host"),
        pytest.param("", id="nothing"),
    ],
)
def test_a_url_that_is_no_link_into_the_portal(url: str) -> None:
    assert not is_redirect_link(url, PORTAL)


@pytest.mark.parametrize(
    ("url", "is_link"),
    [
        ("http://127.0.0.1:9000/portal/redirect/x", True),
        ("http://127.0.0.1:9000/redirect/x", False),
        ("http://127.0.0.1:9000/portals/redirect/x", False),
        ("https://127.0.0.1:9000/portal/redirect/x", False),
        ("http://127.0.0.1:9001/portal/redirect/x", False),
    ],
)
def test_a_configured_portal_url_counts_with_its_scheme_port_and_path(url: str, is_link: bool) -> None:
    assert is_redirect_link(url, "http://127.0.0.1:9000/portal") is is_link


# What a browser would make of an accepted URL, told by a pattern instead of a parser.
_ACCEPTABLE = re.compile(r"(?i:https://share-eu5\.planhat\.com)(:0*443|:)?/redirect/[!-~]+", re.ASCII)
_PIECES = st.sampled_from(
    [PORTAL, "https://", "evil.example", "/redirect/", "/", "..", "@", "\\", ":443", "?", "#", "%2e", "x", "\t", " "]
)


@given(st.lists(_PIECES | st.text(max_size=3), max_size=6).map("".join))
@example(LINK)
def test_no_accepted_url_leads_elsewhere(url: str) -> None:
    if is_redirect_link(url, PORTAL):
        assert _ACCEPTABLE.fullmatch(url)
        assert "\\" not in url


@given(st.binary(max_size=100) | st.text(max_size=100).map(lambda text: json.dumps(text).encode()))
def test_a_link_is_always_a_part_of_the_answer(body: bytes) -> None:
    link = redirect_link(body, PORTAL)
    assert link is None or link.encode() in body


# --- end users ------------------------------------------------------------------------------------


def row(_id: str = "5f00", email: Any = "jane@vance.com", **more: Any) -> dict[str, Any]:
    return {"_id": _id, "email": email, "companyId": "c1", **more}


def test_the_one_row_that_matches() -> None:
    assert end_user_id([row("other", "x@y.z"), row("5f00", "Jane@VANCE.com")], "jane@vance.com", None) == "5f00"


def test_one_match_does_not_need_a_company() -> None:
    assert end_user_id([row()], "jane@vance.com", "another") == "5f00"


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([], id="nobody"),
        pytest.param([row(email="everybody@else.com")], id="an ignored filter lists everybody"),
        pytest.param([row(archived=True)], id="archived"),
        pytest.param([row(email=None)], id="no address"),
        pytest.param([row(email="jane@vance.com.evil")], id="longer"),
        pytest.param([row(email="\u212aane@vance.com")], id="Kelvin sign"),
    ],
)
def test_nobody_matches(rows: list[Any]) -> None:
    with pytest.raises(AccessDenied) as caught:
        end_user_id(rows, "jane@vance.com", "c1")
    assert caught.value.reason == "unknown_end_user"


TWINS = [row("a1", companyId="c1"), row("a2", companyId="c2"), row("a3", companyId="c2", archived=True)]


@pytest.mark.parametrize(("company", "found"), [("c1", "a1"), ("c2", "a2")])
def test_several_matches_are_told_apart_by_the_company(company: str, found: str) -> None:
    assert end_user_id(TWINS, "jane@vance.com", company) == found


@pytest.mark.parametrize(
    ("rows", "company"),
    [
        pytest.param(TWINS, None, id="no company known"),
        pytest.param(TWINS, "c3", id="a company of neither"),
        pytest.param([row("a1"), row("a2")], "c1", id="twice in one company"),
        pytest.param([row("a1", companyId=None), row("a2", companyId=None)], None, id="companies unknown"),
        pytest.param([row("a1", companyId=None), row("a2")], None, id="unknown is no company to match"),
    ],
)
def test_never_the_first_of_several(rows: list[Any], company: str | None) -> None:
    for order in (rows, rows[::-1]):
        with pytest.raises(AccessDenied) as caught:
            end_user_id(order, "jane@vance.com", company)
        assert caught.value.reason == "ambiguous_end_user"


@pytest.mark.parametrize(
    "rows",
    [None, {}, {"data": []}, "x", [None], [[row()]], [row(_id="")], [row(_id=" ")], [row(_id=None)], [row(_id=7)]],
)
def test_rows_of_another_shape(rows: Any) -> None:
    with pytest.raises(VendorError):
        end_user_id(rows, "jane@vance.com", None)
