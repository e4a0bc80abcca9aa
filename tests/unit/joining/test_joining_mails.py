from __future__ import annotations

import re

import pytest

from portal_gateway.admission.addresses import Address
from portal_gateway.joining.mails import Invited, Letters
from portal_gateway.languages.catalogue import LANGUAGES, LanguageTag, language
from portal_gateway.mail.base import Mail

TO = Address("Jane", "vance.example")
URL = "https://app.test/portal/accept?token=k1.abc_-.1.x"
EVIL = '<script>alert("x")</script>'
LETTERS = Letters()


def invitation(
    message: str = "",
    by: str = "Omar Haddad",
    project: str = "Roll-out",
    label: str = "Onboarding",
    days: int = 7,
    tag: LanguageTag = "en",
) -> Mail:
    return LETTERS.invitation(TO, label, URL, days, Invited(by, project, message), tag)


def join(label: str = "Onboarding", tag: LanguageTag = "en") -> Mail:
    return LETTERS.join(TO, label, URL, 15, tag)


@pytest.mark.parametrize(("mail", "kind", "ttl_s"), [(join(), "join", 900), (invitation(), "invitation", 7 * 86_400)])
def test_a_mail_has_one_link_and_lives_as_long(mail: Mail, kind: str, ttl_s: int) -> None:
    assert (mail.to, mail.kind, mail.ttl_s, mail.language) == ("Jane@vance.example", kind, ttl_s, "en")
    assert re.findall(r"https?://\S+", mail.text) == [URL]
    assert re.findall(r'(?:href|src|action)="([^"]*)"', mail.html) == [URL]


def test_an_invitation_says_who_and_to_what() -> None:
    mail = invitation("Hello,\nplease join.")
    for body in (mail.text, mail.html):
        for part in ("Omar Haddad", "Roll-out", "Hello,\nplease join.", "7 days"):
            assert part in body
    assert "Onboarding" in mail.subject


@pytest.mark.parametrize("tag", LANGUAGES)
def test_both_mails_in_every_language(tag: LanguageTag) -> None:
    texts = language(tag)
    for mail in (join(tag=tag), invitation(tag=tag)):
        assert mail.language == tag
        assert f'<html lang="{tag}"' in mail.html
        assert mail.subject == texts(f"mails.{mail.kind}.subject", label="Onboarding")
        assert URL in mail.text
        assert f'href="{URL}"' in mail.html
        assert texts(f"mails.{mail.kind}.not_you").split()[0] in mail.text
        assert "{" not in mail.subject + mail.text


@pytest.mark.parametrize(("days", "said"), [(1, "for one day."), (7, "for 7 days.")])
def test_how_long_a_link_is_good(days: int, said: str) -> None:
    mail = invitation(days=days)
    assert said in mail.text
    assert said in mail.html


def test_an_invitation_without_a_message_has_no_gap() -> None:
    assert "\n\n\n" not in invitation().text
    assert "\n\n\n" not in invitation("Hello").text
    assert "white-space" not in invitation().html


def test_what_people_have_typed_in_is_text() -> None:
    for mail in (invitation(EVIL, EVIL, EVIL, EVIL), join(EVIL)):
        assert "<script" not in mail.html
        assert EVIL in mail.text, "text is not escaped"


def test_a_subject_is_one_line() -> None:
    assert "\n" not in join("On\r\nboarding").subject
