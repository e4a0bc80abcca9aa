from __future__ import annotations

import string
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal_gateway.admission.addresses import Address
from portal_gateway.mail.base import Mail
from portal_gateway.mail.message import MAX_BYTES, compose

NOW = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
SENDER = ("Acme", Address("portal", "acme.com"))
HEADERS = {
    *("From", "To", "Reply-To", "Subject", "Date", "Message-ID", "Content-Language", "Auto-Submitted"),
    *("X-Auto-Response-Suppress", "List-Unsubscribe", "MIME-Version", "Content-Type"),
}

# Letters of all scripts, emoji, quotes, brackets, and what address lists and encoded words are made of.
words = st.text(st.characters(exclude_categories=("C", "Z")) | st.sampled_from('",;:<>()[]@\\=?_ '), max_size=120)
locals_ = st.text(string.ascii_letters + string.digits + "!#$%&'*+/=?^_`{|}~-", min_size=1, max_size=64).filter(
    lambda text: "=?" not in text
)


def mail(**values: object) -> Mail:
    fields: dict[str, object] = {"to": "jane@vance.com", "subject": "Your link", "text": "t", "html": "<p>t"}
    return Mail(**{**fields, "kind": "join", **values})  # type: ignore[arg-type]


def composed(wanted: Mail, sender: tuple[str, Address] = SENDER, reply_to: tuple[str, Address] = SENDER) -> bytes:
    return compose(wanted, "1f", sender, reply_to, NOW)


def parsed(message: bytes) -> EmailMessage:
    return message_from_bytes(message, policy=policy.default)  # type: ignore[return-value]


def sender_of(message: bytes) -> tuple[list[str], str]:
    """The words of the name, and the address. `policy.default` of Python 3.11 is not up to RFC 2047 section 6.2: in a
    name, it takes the space between two encoded words for one that was meant."""
    name, address = parseaddr(message_from_bytes(message)["From"])
    return str(make_header(decode_header(name))).split(), address


def text_of(message: EmailMessage, subtype: str) -> str:
    body = message.get_body((subtype,))
    assert body is not None
    return str(body.get_content())


def test_headers() -> None:
    help_desk = ("", Address("help", "acme.com"))
    message = parsed(composed(mail(language="de"), reply_to=help_desk))
    assert {name: str(message[name]) for name in HEADERS - {"Content-Type", "MIME-Version"}} == {
        "From": "Acme <portal@acme.com>",
        "To": "jane@vance.com",
        "Reply-To": "help@acme.com",
        "Subject": "Your link",
        "Date": "Sat, 21 Nov 2026 15:00:00 +0000",
        "Message-ID": "<1f@acme.com>",
        "Content-Language": "de",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "List-Unsubscribe": "<mailto:help@acme.com?subject=unsubscribe>",
    }


def test_text_comes_before_html_so_that_readers_prefer_html() -> None:
    message = parsed(composed(mail(text="Grüße\n", html="<p>Grüße</p>\n")))
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert (text_of(message, "plain"), text_of(message, "html")) == ("Grüße\r\n", "<p>Grüße</p>\r\n")


def test_what_has_a_meaning_in_a_url_is_quoted_in_list_unsubscribe() -> None:
    odd = ("", Address("a?b&c%d", "acme.com"))
    assert parsed(composed(mail(), reply_to=odd))["List-Unsubscribe"] == (
        "<mailto:a%3Fb%26c%25d@acme.com?subject=unsubscribe>"
    )


LINE_ENDS = "\r\n\0\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"


@pytest.mark.parametrize("field", ["to", "subject", "language"])
@pytest.mark.parametrize("bad", [*LINE_ENDS, "\r\nBcc: spy@evil.com\r\n", "\r\n\r\n<p>", "\x7f", "\ud800"], ids=repr)
def test_no_header_can_be_injected(field: str, bad: str) -> None:
    value = {"to": "jane@vance.com", "subject": "Your link", "language": "en"}[field]
    middle = len(value) // 2
    with pytest.raises(ValueError, match="one"):
        composed(mail(**{field: value[:middle] + bad + value[middle:]}))


@pytest.mark.parametrize("name", ["Acme\r\nBcc: spy@evil.com", "Acme\u2028"])
def test_nor_by_the_sender_s_name(name: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        composed(mail(), sender=(name, SENDER[1]))


def test_nor_by_an_encoded_word() -> None:
    """The standard library decodes it when it is put in, and writes out what was in it."""
    word = "=?utf-8?q?=0D=0ABcc=3A_spy=40evil.com?="
    with pytest.raises(ValueError, match="one address"):
        composed(mail(to=f"{word}@vance.com"))
    message = composed(mail(subject=word), sender=(word, SENDER[1]))
    assert sorted(parsed(message).keys()) == sorted(HEADERS)
    assert (parsed(message)["Subject"], sender_of(message)) == (word, ([word], "portal@acme.com"))


@pytest.mark.parametrize("to", ["", "jane", "a@b.com, c@d.com", "Jane <jane@vance.com>", '"a b"@vance.com', "ä@b.com"])
def test_a_mail_goes_to_one_address(to: str) -> None:
    with pytest.raises(ValueError, match="one address"):
        composed(mail(to=to))


@given(subject=words, name=words, local=locals_)
def test_headers_arrive_as_they_were_meant(subject: str, name: str, local: str) -> None:
    message = composed(mail(subject=subject, to=f"{local}@vance.com"), sender=(name, SENDER[1]))
    assert message.isascii()
    assert max(map(len, message.split(b"\r\n"))) <= 998
    assert b"\n" not in message.replace(b"\r\n", b"")
    read = parsed(message)
    assert sorted(read.keys()) == sorted(HEADERS)
    assert read["Subject"].split() == subject.split()
    assert sender_of(message) == (name.split(), "portal@acme.com")
    [recipient] = read["To"].addresses
    assert recipient.addr_spec == f"{local}@vance.com"


@given(text=st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=500))
def test_bodies_hold_whatever_is_text(text: str) -> None:
    message = composed(mail(text=text, html=text))
    assert message.isascii()
    read = parsed(message)
    assert sorted(read.keys()) == sorted(HEADERS)
    for subtype in ("plain", "html"):
        assert text_of(read, subtype).encode().splitlines() == text.encode().splitlines()


def test_a_mail_is_of_bounded_size() -> None:
    with pytest.raises(ValueError, match=str(MAX_BYTES)):
        composed(mail(text="x" * MAX_BYTES))
