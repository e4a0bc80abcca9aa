from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal_gateway.admission.addresses import MAX_ADDRESS, domain_of_site, parse_address


@pytest.mark.parametrize(
    ("text", "delivered", "mailbox", "person"),
    [
        pytest.param("Jane.Doe@Vance.COM", "Jane.Doe@vance.com", "jane.doe@vance.com", "jane.doe@vance.com", id="case"),
        pytest.param(" a@b.io\n", "a@b.io", "a@b.io", "a@b.io", id="white-space-around"),
        pytest.param("a+x+y@b.io", "a+x+y@b.io", "a+x+y@b.io", "a@b.io", id="plus-tag"),
        pytest.param("+x@b.io", "+x@b.io", "+x@b.io", "+x@b.io", id="nothing-but-a-tag"),
        pytest.param("a@müller.de", "a@xn--mller-kva.de", "a@xn--mller-kva.de", "a@xn--mller-kva.de", id="u-label"),
        pytest.param("a@straße.de", "a@xn--strae-oqa.de", "a@xn--strae-oqa.de", "a@xn--strae-oqa.de", id="sharp-s"),
        pytest.param("a@VANCE.com", "a@vance.com", "a@vance.com", "a@vance.com", id="wide-letters"),
        pytest.param("o'neil@b.co.uk", "o'neil@b.co.uk", "o'neil@b.co.uk", "o'neil@b.co.uk", id="apostrophe"),
    ],
)
def test_what_an_address_is(text: str, delivered: str, mailbox: str, person: str) -> None:
    address = parse_address(text)
    assert address is not None
    assert (str(address), address.mailbox, address.person) == (delivered, mailbox, person)


@pytest.mark.parametrize(
    "text",
    [
        "", "@", "a", "a@", "@b.io", "a@b", "a@localhost", "a@127.0.0.1", "a@[127.0.0.1]", "a@b.io.", "a@.io",
        "a@b..io",
        "a@-b.io", "a b@c.io", "a@b.io c", '"a b"@c.io', "a..b@c.io", ".a@c.io", "a.@c.io", "a@b@c.io",
        "a\r\nBcc: x@y.io",
        "a@c.io\r\nBcc: x@y.io", "a,b@c.io", "<a@c.io>", "a@c.io>", "jürgen@c.io", "a\x00@c.io", "a@c\x00.io",
        "a@b.123", "=?utf-8?q?=0D=0ABcc=3A_x?=@c.io",
        "a" * 65 + "@b.io", "a@" + "b" * 64 + ".io", "a" * 60 + "@" + ".".join(["b" * 60] * 4) + ".io",
    ],
)  # fmt: skip
def test_what_is_no_address(text: str) -> None:
    assert parse_address(text) is None


def test_a_letter_that_looks_alike_is_another_domain() -> None:
    latin, cyrillic = parse_address("a@vance.com"), parse_address("a@v\u0430nce.com")
    assert latin is not None
    assert cyrillic is not None
    assert latin.domain != cyrillic.domain


@given(st.text(max_size=80) | st.from_regex(r"[^@]{1,20}@[^@]{1,20}\.[a-z]{2}", fullmatch=True))
def test_an_address_has_nothing_that_could_start_another_header_or_recipient(text: str) -> None:
    address = parse_address(text)
    if address is None:
        return
    assert not set(str(address)) & set(' \r\n\t,;:<>()[]"\\\x00')
    assert str(address).isascii()
    assert len(str(address)) <= MAX_ADDRESS
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://www.acme.com/about?x=1", "acme.com"),
        ("acme.com", "acme.com"),
        ("http://ACME.co.uk:8080", "acme.co.uk"),
        ("https://user@shop.acme.com", "shop.acme.com"),
        ("https://müller.de", "xn--mller-kva.de"),
        ("www.com", "www.com"),
        ("", None),
        ("https://", None),
        ("https://[::1]/", None),
        ("https://[", None),
        ("n/a", None),
        ("10.0.0.1", None),
    ],
)
def test_the_domain_of_a_company_by_its_web_site(url: str, domain: str | None) -> None:
    assert domain_of_site(url) == domain
