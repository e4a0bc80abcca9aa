from __future__ import annotations

import re
import string
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from portal_gateway.wire.urls import is_private_channel, local_path, origin_of, path_segment, plain_path

URL_PIECES = st.text(alphabet=string.ascii_letters + string.digits + "/\\:@?#[]%.-_ \t\n;,'\"é", max_size=40)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        pytest.param("https://share.planhat.com/p?a=b#c", "https://share.planhat.com", id="plain"),
        pytest.param("HTTPS://Share.Planhat.COM/P", "https://share.planhat.com", id="lower-cased"),
        pytest.param("https://a.com:443/", "https://a.com", id="default-port"),
        pytest.param("http://a.com:80", "http://a.com", id="default-http-port"),
        pytest.param("https://a.com:80", "https://a.com:80", id="the-other-default-port"),
        pytest.param("https://a.com:0443", "https://a.com", id="leading-zero"),
        pytest.param("https://a.com:", "https://a.com", id="empty-port"),
        pytest.param("http://127.0.0.1:8000/x", "http://127.0.0.1:8000", id="address"),
        pytest.param("http://[::1]:8000", "http://[::1]:8000", id="ipv6"),
        pytest.param("http://[FD00::A]", "http://[fd00::a]", id="ipv6-lower-cased"),
        pytest.param("https://a.com?x", "https://a.com", id="query-without-path"),
        pytest.param("https://a.com#@b.com", "https://a.com", id="at-sign-in-the-fragment"),
        pytest.param("https://a.com./", "https://a.com.", id="trailing-dot-is-another-origin"),
        pytest.param("https://user@a.com", None, id="user"),
        pytest.param("https://share.planhat.com@evil.com", None, id="host-as-user"),
        pytest.param("https://a.com:pw@b.com", None, id="credentials"),
        pytest.param("https://@a.com", None, id="empty-user"),
        pytest.param("https://a.com\\@b.com", None, id="backslash"),
        pytest.param("https:\\\\a.com", None, id="backslashes-for-slashes"),
        pytest.param("https://a.com\t.evil.com", None, id="tab"),
        pytest.param("https://a.com\n/x", None, id="newline"),
        pytest.param(" https://a.com", None, id="blank-in-front"),
        pytest.param("https://a.com/a b", None, id="blank-inside"),
        pytest.param("https://a.com/\x7f", None, id="delete-character"),
        pytest.param("https://a%2ecom", None, id="percent-in-the-host"),
        pytest.param("http://[fe80::1%25eth0]", None, id="zone"),
        pytest.param("https://evil.com[::1]", None, id="text-before-the-bracket"),
        pytest.param("https://[v1.planhat.com]", None, id="future-address"),
        pytest.param("https://[::1", None, id="open-bracket"),
        pytest.param("https://a.com;frame-src *", None, id="policy-in-the-host"),
        pytest.param("https://a.com,b.com", None, id="comma-in-the-host"),
        pytest.param("https://pörtal.com", None, id="not-in-ascii-form"),
        pytest.param("https://a.com:99999", None, id="port-too-large"),
        pytest.param("https://a.com:+443", None, id="signed-port"),
        pytest.param("https://a.com:４４３", None, id="wide-digits"),
        pytest.param("https:///a.com", None, id="no-host"),
        pytest.param("https:a.com", None, id="no-slashes"),
        pytest.param("//a.com/x", None, id="no-scheme"),
        pytest.param("a.com", None, id="bare-host"),
        pytest.param("ftp://a.com", None, id="ftp"),
        pytest.param("javascript://a.com/%0aalert(1)", None, id="javascript"),
        pytest.param("", None, id="empty"),
    ],
)
def test_origin(url: str, origin: str | None) -> None:
    assert origin_of(url) == origin


@given(URL_PIECES, st.sampled_from(["https://", "http://", ""]))
@example("a.com:", "https://")
def test_an_origin_is_safe_to_put_into_a_header_and_is_its_own_origin(rest: str, scheme: str) -> None:
    origin = origin_of(scheme + rest)
    if origin is not None:
        assert re.fullmatch(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?", origin)
        assert origin_of(origin) == origin
        host = urlsplit(scheme + rest).hostname
        assert host is not None
        assert host in origin


@given(st.text())
def test_origin_of_anything_never_raises(url: str) -> None:
    origin_of(url)


@pytest.mark.parametrize(
    ("url", "private"),
    [
        pytest.param("https://id.acme.com/jwks.json", True, id="https"),
        pytest.param("http://id.acme.com/jwks.json", False, id="http"),
        pytest.param("http://localhost:8000", True, id="localhost"),
        pytest.param("http://LOCALHOST", True, id="localhost-in-any-case"),
        pytest.param("http://127.0.0.1:8000/x", True, id="loopback"),
        pytest.param("http://127.9.9.9", True, id="another-loopback"),
        pytest.param("http://[::1]:8000", True, id="ipv6-loopback"),
        pytest.param("http://localhost.evil.com", False, id="name-that-begins-like-it"),
        pytest.param("http://127.0.0.1.evil.com", False, id="name-that-begins-like-an-address"),
        pytest.param("http://127.1", False, id="short-form"),
        pytest.param("http://10.0.0.1", False, id="private-network"),
        pytest.param("http://0.0.0.0", False, id="any-address"),
        pytest.param("https://user@a.com", False, id="no-plain-url"),
        pytest.param("ws://localhost", False, id="websocket"),
    ],
)
def test_private_channels(url: str, private: bool) -> None:
    assert is_private_channel(url) is private


@pytest.mark.parametrize(
    ("value", "segment"),
    [
        pytest.param("extid-42", "extid-42", id="plain"),
        pytest.param("a/b", "a%2Fb", id="slash"),
        pytest.param("../x", "..%2Fx", id="dots-and-slash"),
        pytest.param("...", "...", id="three-dots-are-a-name"),
        pytest.param("a?b#c", "a%3Fb%23c", id="query-and-fragment"),
        pytest.param("%2e%2e", "%252e%252e", id="encoded-dots-are-encoded-again"),
        pytest.param("a\\b", "a%5Cb", id="backslash"),
        pytest.param("é", "%C3%A9", id="utf-8"),
        pytest.param("a;b=c", "a%3Bb%3Dc", id="path-parameters"),
    ],
)
def test_path_segment(value: str, segment: str) -> None:
    assert path_segment(value) == segment


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_what_no_segment_can_express_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        path_segment(value)


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1).filter(lambda v: v not in (".", "..")))
def test_any_value_stays_one_segment_and_comes_back(value: str) -> None:
    segment = path_segment(value)
    assert re.fullmatch(r"[A-Za-z0-9._~%-]+", segment)
    parts = urlsplit(f"https://api.planhat.com/access/{segment}")
    assert (parts.path, parts.query, parts.fragment) == (f"/access/{segment}", "", "")
    assert unquote(segment) == value


@pytest.mark.parametrize(
    ("target", "allowed"),
    [
        pytest.param("/", True, id="root"),
        pytest.param("/a/b?c=d#e", True, id="path-query-fragment"),
        pytest.param("/login?next=https://evil.com", True, id="url-in-the-query"),
        pytest.param("/a//b", True, id="double-slash-later"),
        pytest.param("//evil.com", False, id="protocol-relative"),
        pytest.param("/\\evil.com", False, id="backslash-for-slash"),
        pytest.param("/\t/evil.com", False, id="tab-that-browsers-remove"),
        pytest.param("/\n/evil.com", False, id="newline"),
        pytest.param("\t//evil.com", False, id="tab-in-front"),
        pytest.param("https://evil.com", False, id="absolute"),
        pytest.param("evil.com", False, id="relative"),
        pytest.param("javascript:alert(1)", False, id="javascript"),
        pytest.param("/a b", False, id="blank"),
        pytest.param("", False, id="empty"),
    ],
)
def test_local_path(target: str, allowed: bool) -> None:
    assert local_path(target) == (target if allowed else None)


@given(st.one_of(st.text(), URL_PIECES.map(lambda rest: "/" + rest)))
def test_a_local_path_never_leaves_the_site(target: str) -> None:
    if local_path(target) is not None:
        # What a browser does first (WHATWG URL, basic URL parser): drop tabs and newlines, read \ as /.
        seen = re.sub(r"[\t\n\r]", "", target.strip("".join(map(chr, range(0x21))))).replace("\\", "/")
        assert seen.startswith("/")
        assert not seen.startswith("//")


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("", True),
        ("/a/b//c", True),
        ("/a.b/..c/%C3%A9", True),
        ("/a/./b", False),
        ("/a/..", False),
        ("/a/%2E%2e/b", False),
        ("/a%2Fb", False),
        ("/a%5cb", False),
        ("/a%252e", False),
        ("/a%00", False),
        ("/a%0d%0a", False),
        ("/a\\b", False),
        ("/a b", False),
    ],
)
def test_plain_path(path: str, plain: bool) -> None:
    assert plain_path(path) == (path if plain else None)
