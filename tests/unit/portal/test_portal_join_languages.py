"""The doors in the visitor's language, mails included."""

from __future__ import annotations

import pytest
from joining_kit import Town, heading

from portal_gateway.languages.catalogue import LANGUAGES, LanguageTag, language

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("tag", LANGUAGES)
async def test_from_the_form_to_the_mail_and_in(tag: LanguageTag, town: Town) -> None:
    site, t = town.replica(), language(tag)
    person = site.browser(**{"accept-language": tag})
    form = await person.get(site.shared_link())
    assert t("join.intro") in form.text
    assert t("join_sent.title") == heading(await person.ask(site.shared_link(), "new@vance.example"))
    [mail] = site.mailbox.mails
    assert (mail.language, mail.subject) == (tag, t("mails.join.subject", label="Onboarding"))
    page = await person.get(f"/portal/accept?token={site.mailbox.token()}")
    assert t("accept.as", address="new@vance.example") in page.text
    assert page.headers["content-language"] == tag


async def test_an_invitation_is_in_the_language_of_whoever_invites(town: Town) -> None:
    site, t = town.replica({"invitations": {"allow": {"attributes": {"role": "Head of operations"}}}}), language("de")
    jane = await site.signed_in("jane")
    jane.client.headers["accept-language"] = "de-DE"
    page = await jane.get("/portal/onboarding/invitations")
    assert heading(page) == t("invitations.title", label="Onboarding")
    sent = await jane.submit(page, addresses="new@vance.example no-address")
    assert t("outcomes.sent") in sent.text
    assert t("outcomes.not_an_address") in sent.text
    assert t("invitations.entry", project="Vance onboarding", sender="Jane Moreau", state=t("states.open")) in sent.text
    [mail] = site.mailbox.mails
    assert mail.subject == t("mails.invitation.subject", label="Onboarding")
    again = await jane.submit(sent, f"/portal/onboarding/invitations/{_first_id(sent.text)}/resend")
    assert again.status_code == 303
    assert [mail.language for mail in site.mailbox.mails] == ["de", "de"]


def _first_id(html: str) -> str:
    return html.partition("/resend")[0].rpartition("/")[2]
