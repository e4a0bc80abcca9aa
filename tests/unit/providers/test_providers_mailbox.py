from __future__ import annotations

import pytest

from portal_gateway.errors import IncompleteIdentity
from portal_gateway.models import EndUser
from portal_gateway.providers.mailbox import domain_allowed, folded, mailbox_of


@pytest.mark.parametrize(
    ("email", "mailbox"),
    [
        ("jane@vance.com", "jane@vance.com"),
        (" Jane@Vance.COM ", "jane@vance.com"),
        ("jane+portal@vance.com", "jane+portal@vance.com"),
        ("jürgen@bücher.de", "jürgen@bücher.de"),
    ],
)
def test_an_address_is_compared_without_regard_to_case(email: str, mailbox: str) -> None:
    assert mailbox_of(EndUser("1", email)) == mailbox


@pytest.mark.parametrize("email", [None, "", "   ", "\t\n"])
def test_no_address(email: str | None) -> None:
    with pytest.raises(IncompleteIdentity) as caught:
        mailbox_of(EndUser("1", email))
    assert caught.value.field == "email"


@pytest.mark.parametrize(
    "email",
    [
        "jane",
        "@vance.com",
        "jane@",
        "a@evil.com@vance.com",
        '"a@evil.com"@vance.com',
        "jane doe@vance.com",
        "jane@vance.com\nbcc: x@evil.com",
        "jane@vance.com\x00",
        "ja\u200bne@vance.com",
        "jane@vance.com\u202e",
        "jane@\u00a0vance.com",
    ],
)
def test_what_cannot_be_an_address_is_none(email: str) -> None:
    with pytest.raises(IncompleteIdentity):
        mailbox_of(EndUser("1", email))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("kim@vance.com", "\u212aim@vance.com", id="Kelvin sign"),
        pytest.param("strasse@vance.com", "straße@vance.com", id="sharp s"),
        pytest.param("ſam@vance.com", "sam@vance.com", id="long s"),
        pytest.param("ﬁn@vance.com", "fin@vance.com", id="ligature"),
    ],
)
def test_addresses_that_unicode_folding_would_mix_up_stay_apart(one: str, other: str) -> None:
    assert folded(one) != folded(other)


@pytest.mark.parametrize(
    "mailbox", ["jane@vance.com", folded("Jane@VANCE.com"), folded("J@BÜCHER.de"), "j@xn--bcher-kva.de"]
)
def test_an_allowed_domain(mailbox: str) -> None:
    assert domain_allowed(mailbox, ("vance.com", "xn--bcher-kva.de"))


@pytest.mark.parametrize(
    "mailbox",
    [
        pytest.param("jane@mail.vance.com", id="a subdomain is another domain"),
        pytest.param("jane@notvance.com", id="suffix"),
        pytest.param("jane@vance.com.evil.com", id="prefix"),
        pytest.param("jane@vance.com.", id="trailing dot"),
        pytest.param("jane@vance.co", id="shorter"),
        pytest.param("jane@ｖａｎｃｅ.com", id="wide letters"),
        pytest.param("jane@vance。com", id="ideographic full stop"),
        pytest.param("jane@straße.de", id="IDNA 2003 would map it to strasse.de"),
        pytest.param("jane@" + "ü" * 80 + ".de", id="not encodable"),
        pytest.param("jane@ü..de", id="empty label"),
        pytest.param("jane", id="no domain at all"),
    ],
)
def test_a_domain_that_is_not_allowed(mailbox: str) -> None:
    assert not domain_allowed(mailbox, ("vance.com", "strasse.de"))
