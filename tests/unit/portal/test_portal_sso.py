from __future__ import annotations

from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal_gateway.errors import RequestRefused
from portal_gateway.portal.sso import MAX_LENGTH, ReturnAddresses
from portal_gateway.settings.sso import SsoSettings

ADDRESSES = ReturnAddresses(SsoSettings(return_to=["https://acme.rocketlane.com/cp/", "https://help.acme.com"]))


def query(address: str) -> bytes:
    return f"return_to={quote(address, safe='')}".encode()


def allowed(address: str) -> bool:
    try:
        return ADDRESSES.asked_for(query(address)) == address
    except RequestRefused:
        return False


@pytest.mark.parametrize(
    "address",
    [
        "https://acme.rocketlane.com/cp",
        "https://acme.rocketlane.com/cp/",
        "https://acme.rocketlane.com/cp/projects/1?tab=plan&x=https%3A%2F%2Fevil.example#top",
        "https://acme.rocketlane.com/cp//x",
        "https://acme.rocketlane.com/cp/%C3%A9%20x",
        "https://ACME.rocketlane.com:443/cp/",
        "https://help.acme.com",
        "https://help.acme.com/",
        "https://help.acme.com/anything/at/all",
    ],
)
def test_addresses_of_the_list(address: str) -> None:
    assert allowed(address)


REFUSED = {
    "empty": "",
    "another-origin": "https://evil.example/cp/",
    "a-subdomain": "https://x.acme.rocketlane.com/cp/",
    "a-longer-name": "https://acme.rocketlane.com.evil.example/cp/",
    "a-shorter-name": "https://rocketlane.com/cp/",
    "a-final-dot": "https://acme.rocketlane.com./cp/",
    "another-port": "https://acme.rocketlane.com:8443/cp/",
    "another-scheme": "http://acme.rocketlane.com/cp/",
    "another-path": "https://acme.rocketlane.com/admin",
    "a-longer-path": "https://acme.rocketlane.com/cpx",
    "case-of-the-path": "https://acme.rocketlane.com/CP/",
    "dots": "https://acme.rocketlane.com/cp/../admin",
    "encoded-dots": "https://acme.rocketlane.com/cp/%2e%2E/admin",
    "encoded-slash": "https://acme.rocketlane.com/cp/..%2fadmin",
    "encoded-backslash": "https://acme.rocketlane.com/cp/..%5cadmin",
    "encoded-twice": "https://acme.rocketlane.com/cp/%252e%252e/admin",
    "the-whole-encoded-twice": "https%3A%2F%2Facme.rocketlane.com%2Fcp%2F",
    "userinfo": "https://acme.rocketlane.com@evil.example/cp/",
    "userinfo-of-ours": "https://evil.example@acme.rocketlane.com/cp/",
    "backslash": "https://acme.rocketlane.com\\@evil.example/cp/",
    "backslashes": "https:\\\\acme.rocketlane.com/cp/",
    "no-slashes": "https:acme.rocketlane.com/cp/",
    "three-slashes": "https:///acme.rocketlane.com/cp/",
    "protocol-relative": "//evil.example/cp/",
    "protocol-relative-ours": "//acme.rocketlane.com/cp/",
    "a-path": "/cp/",
    "javascript": "javascript:alert(1)//https://acme.rocketlane.com/cp/",
    "data": "data:text/html,<script>alert(1)</script>",
    "blank-in-front": " https://acme.rocketlane.com/cp/",
    "tab": "https://acme.rocketlane\t.com/cp/",
    "newline": "https://acme.rocketlane.com/cp/\r\nLocation: https://evil.example",
    "nul": "https://acme.rocketlane.com/cp/\x00",
    "full-width-slash": "https://evil.example／acme.rocketlane.com/cp/",
    "full-width-letters": "https://acme.ｒocketlane.com/cp/",
    "cyrillic": "https://аcme.rocketlane.com/cp/",
    "unicode-path": "https://acme.rocketlane.com/cp/\u2025/admin",
    "percent-in-host": "https://acme.rocketlane.com%2eevil.example/cp/",
    "a-token-of-its-own": "https://acme.rocketlane.com/cp/?token=evil",
    "an-encoded-token": "https://acme.rocketlane.com/cp/?a=1&%74oken=evil",
    "a-token-behind-a-semicolon": "https://acme.rocketlane.com/cp/?a=1;token=evil",
    "a-list-of-tokens": "https://acme.rocketlane.com/cp/?token[]=evil",
    "a-token-without-value": "https://acme.rocketlane.com/cp/?token",
    "too-long": "https://acme.rocketlane.com/cp/" + "x" * MAX_LENGTH,
}


@pytest.mark.parametrize("address", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_on_the_list(address: str) -> None:
    assert not allowed(address)


def test_none_is_asked_for() -> None:
    for raw in (b"", b"project=5001", b"Return_to=https://evil.example", b"token=x"):
        assert ADDRESSES.asked_for(raw) is None


def test_two_addresses_are_one_too_many() -> None:
    good = query("https://help.acme.com/")
    with pytest.raises(RequestRefused) as caught:
        ADDRESSES.asked_for(good + b"&" + good)
    assert (caught.value.status, caught.value.code) == (400, "return_refused")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://help.acme.com", "https://help.acme.com?token=T.o-k_n"),
        ("https://help.acme.com/a?b=c", "https://help.acme.com/a?b=c&token=T.o-k_n"),
        ("https://help.acme.com/a?", "https://help.acme.com/a?token=T.o-k_n"),
        ("https://help.acme.com/a?b&", "https://help.acme.com/a?b&token=T.o-k_n"),
        ("https://help.acme.com/a#x?y", "https://help.acme.com/a?token=T.o-k_n#x?y"),
        ("https://help.acme.com/%c3%A9?q=%2f#", "https://help.acme.com/%c3%A9?q=%2f&token=T.o-k_n#"),
    ],
)
def test_the_address_stays_as_it_is_and_gets_the_token(address: str, expected: str) -> None:
    assert ADDRESSES.with_token(address, "T.o-k_n") == expected


def test_parameters_have_the_configured_names() -> None:
    settings = SsoSettings(return_to=["https://a.example/"], return_parameter="redirect", token_parameter=":jwt")
    addresses = ReturnAddresses(settings)
    assert addresses.asked_for(b"redirect=https://a.example/?token=1") == "https://a.example/?token=1"
    assert addresses.with_token("https://a.example/", "T") == "https://a.example/?:jwt=T"


@given(
    st.text(max_size=60),
    st.sampled_from(["", "https://", "https://acme.rocketlane.com", "https://acme.rocketlane.com/cp/"]),
)
def test_whatever_is_asked_for_nothing_leaves_the_list(rest: str, start: str) -> None:
    address = start + rest
    if allowed(address):
        parts = urlsplit(address)
        assert parts.scheme == "https"
        host = (parts.hostname or "", parts.port or 443)
        assert host in (("acme.rocketlane.com", 443), ("help.acme.com", 443))
        assert host[0] != "acme.rocketlane.com" or (parts.path + "/").startswith("/cp/")
