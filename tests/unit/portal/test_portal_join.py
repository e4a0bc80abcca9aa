from __future__ import annotations

import asyncio
from typing import Any

import pytest
from joining_kit import API, ORIGIN, Mailbox, Town, entered, heading

from portal_gateway.joining.magic_links import LEEWAY_S
from portal_gateway.mail.base import Mail, MailUnavailable
from portal_gateway.store.base import StoreUnavailable

pytestmark = pytest.mark.asyncio(loop_scope="module")

SENT = "Look into your mailbox"
USED = "This link has been used"
EXPIRED = "This link has expired"


def counts(site: Any) -> dict[str, int]:
    return {outcome: number for (event, _, outcome), number in site.gateway.events.counts.items() if event == "joining"}


class TestSharedLink:
    async def test_a_link_is_mailed_to_whoever_may_join_and_lets_in(self, town: Town) -> None:
        site = town.replica()
        answer = await site.browser().ask(site.shared_link(), "New@Vance.example")
        assert (answer.status_code, heading(answer)) == (200, SENT)
        [mail] = site.mailbox.mails
        assert (mail.to, mail.kind, mail.subject, mail.ttl_s) == (
            "New@vance.example",
            "join",
            "Your link to Onboarding",
            900,
        )
        person = site.browser()
        page = await person.get(f"/portal/accept?token={site.mailbox.token()}")
        assert "New@vance.example" in page.text
        answer = await person.submit(page, "/portal/accept")
        assert "New@vance.example" in await entered(answer)
        assert town.invited == [("New@vance.example", 5001)]
        assert counts(site) == {"asked": 1, "link_mailed": 1, "joined": 1}

    @pytest.mark.parametrize(
        "email",
        [
            pytest.param("new@vance.example", id="may-join"),
            pytest.param("jane@vance.example", id="is-in-already"),
            pytest.param("lena@globex.example", id="another-company's"),
            pytest.param("somebody@gmail.com", id="free-mail"),
            pytest.param("somebody@elsewhere.example", id="unknown"),
        ],
    )
    async def test_the_answer_is_the_same_for_everybody(self, email: str, town: Town) -> None:
        site = town.replica()
        expected = await site.browser().ask(site.shared_link(), "first@vance.example")
        site.mailbox.mails.clear()
        answer = await site.browser().ask(site.shared_link(), email)
        assert (answer.status_code, answer.text) == (expected.status_code, expected.text)
        assert dict(answer.headers) == dict(expected.headers)
        assert [mail.to for mail in site.mailbox.mails] == ([email] if email.endswith("@vance.example") else [])

    async def test_the_answer_waits_for_neither_vendor_nor_mail(self, town: Town) -> None:
        site = town.replica()
        person = site.browser()
        page = await person.get(site.shared_link())
        calls = town.sandbox.rocketlane_vendor.calls
        before = calls.count("GET", "/api/1.0/projects/5001")
        town.sandbox.rocketlane_vendor.switches.latency_s = 30.0
        async with asyncio.timeout(5):
            hidden = page.text.partition('name="form" value="')[2].partition('"')[0]
            answer = await person.client.post(site.shared_link(), data={"form": hidden, "email": "new@vance.example"})
        assert heading(answer) == SENT
        assert site.mailbox.mails == []
        assert before == 0

    async def test_reveal_tells_who_may_join(self, town: Town) -> None:
        site = town.replica({"reveal": True})
        answer = await site.browser().ask(site.shared_link(), "lena@globex.example")
        assert (answer.status_code, heading(answer)) == (403, "This portal is not open to your e-mail address")
        answer = await site.browser().ask(site.shared_link(), "me@gmail.com")
        assert heading(answer) == "This portal is not open to private addresses"
        assert heading(await site.browser().ask(site.shared_link(), "new@vance.example")) == SENT
        assert [mail.to for mail in site.mailbox.mails] == ["new@vance.example"]

    async def test_what_is_no_address_is_asked_for_again(self, town: Town) -> None:
        site = town.replica()
        answer = await site.browser().ask(site.shared_link(), '"><script>alert(1)</script>@x')
        assert answer.status_code == 422
        assert "This is not an address" in answer.text
        assert "<script" not in answer.text
        assert site.mailbox.mails == []

    async def test_a_program_that_fills_in_everything_gets_the_same_answer_and_nothing_else(self, town: Town) -> None:
        site = town.replica()
        expected = await site.browser().ask(site.shared_link(), "first@vance.example")
        site.mailbox.mails.clear()
        answer = await site.browser().ask(site.shared_link(), "new@vance.example", website="https://spam.example")
        assert answer.text == expected.text
        assert site.mailbox.mails == []
        assert counts(site)["refused_honeypot"] == 1

    async def test_an_expired_key(self, town: Town) -> None:
        site = town.replica()
        answer = await site.browser().get(site.shared_link(expires_at=1_000_000_000))
        assert (answer.status_code, heading(answer)) == (410, EXPIRED)

    @pytest.mark.parametrize("key", ["", "/", "/5001", "/5001.4000000000.k1." + "A" * 43, "/../join", "/%00"])
    async def test_a_forged_key(self, key: str, town: Town) -> None:
        site = town.replica()
        answer = await site.browser().get(f"/portal/onboarding/join{key}")
        assert answer.status_code == 404

    async def test_a_key_opens_the_portal_it_was_made_for(self, town: Town) -> None:
        site = town.replica()
        answer = await site.browser().get(site.shared_link(portal="other").replace("/other/", "/onboarding/"))
        assert (answer.status_code, heading(answer)) == (404, "This link does not work")

    async def test_a_fixed_project_needs_no_key(self, town: Town) -> None:
        site = town.replica_of_project(5001)
        answer = await site.browser().ask("/portal/onboarding/join", "new@vance.example")
        assert heading(answer) == SENT
        assert len(site.mailbox.mails) == 1

    async def test_a_portal_without_a_shared_link(self, town: Town) -> None:
        site = town.replica({"link": False, "jwt": True, "invitations": {"allow": {"attributes": {"role": "x"}}}})
        assert (await site.browser().get(site.shared_link())).status_code == 404
        assert (await site.browser().get("/portal/nowhere/join")).status_code == 404

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
    async def test_other_methods(self, method: str, town: Town) -> None:
        site = town.replica()
        answer = await site.browser().client.request(method, site.shared_link(), headers=API)
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


class TestForms:
    async def test_a_form_from_another_site_is_not_taken(self, town: Town) -> None:
        site = town.replica()
        person = site.browser()
        page = await person.get(site.shared_link())
        person.client.headers["sec-fetch-site"] = "cross-site"
        answer = await person.submit(page, email="new@vance.example")
        assert (answer.status_code, heading(answer)) == (403, "This form works on its own page only")
        del person.client.headers["sec-fetch-site"]
        person.client.headers["origin"] = "https://evil.example"
        assert (await person.submit(page, email="new@vance.example")).status_code == 403
        person.client.headers["origin"] = ORIGIN
        assert (await person.submit(page, email="new@vance.example")).status_code == 200

    async def test_a_form_without_its_cookie_or_with_anothers_is_not_taken(self, town: Town) -> None:
        site = town.replica()
        person = site.browser()
        page = await person.get(site.shared_link())
        for other in (site.browser(), await _visited(site)):
            answer = await other.submit(page, email="new@vance.example")
            assert (answer.status_code, heading(answer)) == (403, "This form is out of date")
        assert site.mailbox.mails == []

    async def test_a_token_is_good_for_one_kind_of_form(self, town: Town) -> None:
        site = town.replica()
        person = site.browser()
        page = await person.get(site.shared_link())
        answer = await person.submit(page, "/portal/accept", token=await site.mailed())
        assert answer.status_code == 403

    async def test_too_large(self, town: Town) -> None:
        site = town.replica()
        person = site.browser()
        answer = await person.submit(await person.get(site.shared_link()), email="x" * 40_000)
        assert answer.status_code == 413

    async def test_two_open_pages_both_work(self, town: Town) -> None:
        site = town.replica()
        person = site.browser()
        pages = [await person.get(site.shared_link()) for _ in range(2)]
        for page in pages:
            assert (await person.submit(page, email="new@vance.example")).status_code == 200

    async def test_the_cookie_is_for_the_gateway_alone(self, town: Town) -> None:
        site = town.replica()
        cookie = (await site.browser().get(site.shared_link())).headers["set-cookie"]
        assert all(part in cookie for part in ("HttpOnly", "SameSite=lax", "Path=/portal"))
        secure = town.replica(public_url="https://app.test")
        assert "Secure" in (await secure.browser().get(secure.shared_link())).headers["set-cookie"]


async def _visited(site: Any) -> Any:
    person = site.browser()
    await person.get(site.shared_link())
    return person


class TestMagicLink:
    async def test_looking_at_it_uses_up_nothing(self, town: Town) -> None:
        """Mail scanners open every link, some with HEAD, some in a browser of their own."""
        site = town.replica()
        token = await site.mailed()
        for method in ("GET", "HEAD", "GET"):
            scanner = site.browser(f"198.51.100.{len(method)}")
            answer = await scanner.client.request(method, f"/portal/accept?token={token}")
            assert answer.status_code == 200
        assert "new@vance.example" in await entered(await site.browser().accept(token))

    async def test_it_works_once(self, town: Town) -> None:
        site = town.replica()
        token = await site.mailed()
        assert (await site.browser().accept(token)).status_code == 303
        person = site.browser()
        answer = await person.get(f"/portal/accept?token={token}")
        assert (answer.status_code, heading(answer)) == (410, USED)
        assert "new@vance.example" not in answer.text
        assert len(town.invited) == 0, "nobody has followed the link yet"

    async def test_a_page_that_was_open_before_finds_it_used(self, town: Town) -> None:
        site = town.replica()
        token = await site.mailed()
        late = site.browser()
        page = await late.get(f"/portal/accept?token={token}")
        await site.browser().accept(token)
        answer = await late.submit(page, "/portal/accept")
        assert (answer.status_code, heading(answer)) == (410, USED)

    async def test_a_new_one_goes_to_the_same_address(self, town: Town) -> None:
        site = town.replica()
        token = await site.mailed()
        await site.browser().accept(token)
        person = site.browser()
        page = await person.get(f"/portal/accept?token={token}")
        answer = await person.submit(page, "/portal/accept/renew", email="thief@vance.example")
        assert heading(answer) == SENT
        assert [mail.to for mail in site.mailbox.mails] == ["new@vance.example"] * 2
        assert (await site.browser().accept(site.mailbox.token())).status_code == 303

    async def test_an_expired_one_says_so_and_offers_another(self, town: Town, monkeypatch: Any) -> None:
        site = town.replica()
        token = await site.mailed()
        later = int(token.split(".")[2]) + LEEWAY_S + 1
        site.joining.service._links._clock = lambda: later  # type: ignore[method-assign]
        person = site.browser()
        page = await person.get(f"/portal/accept?token={token}")
        assert (page.status_code, heading(page)) == (410, EXPIRED)
        await person.submit(page, "/portal/accept/renew")
        assert len(site.mailbox.mails) == 2

    @pytest.mark.parametrize("change", [lambda t: t[:-1] + "~", lambda t: "", lambda t: "k1.a.1.b", lambda t: t + "x"])
    async def test_a_forged_one(self, change: Any, town: Town) -> None:
        site = town.replica()
        forged = change(await site.mailed())
        answer = await site.browser().get(f"/portal/accept?token={forged}")
        assert (answer.status_code, heading(answer)) == (404, "This link does not work")

    async def test_whoever_was_let_in_and_is_not_any_more(self, town: Town) -> None:
        site = town.replica()
        token = await site.mailed()
        project = town.sandbox.world.rocketlane.project(5001)
        assert project is not None
        project.archived = True
        answer = await site.browser().accept(token)
        assert (answer.status_code, heading(answer)) == (403, "This project is closed")
        assert counts(site)["refused_project_archived"] == 1

    async def test_a_project_that_has_changed_hands(self, town: Town) -> None:
        site = town.replica({"anyone": True})
        token = await site.mailed()
        project = town.sandbox.world.rocketlane.project(5001)
        assert project is not None
        project.company_id = 301
        answer = await site.browser().accept(token)
        assert (answer.status_code, heading(answer)) == (403, "This link leads nowhere any more")

    async def test_a_vendor_that_is_away_uses_up_no_link(self, town: Town) -> None:
        site = town.replica()
        token = await site.mailed()
        town.sandbox.rocketlane_vendor.switches.status = 503
        answer = await site.browser().accept(token)
        assert answer.status_code == 503
        assert f"/portal/accept?token={token}" in answer.text
        town.sandbox.rocketlane_vendor.switches.status = 0
        site.gateway._providers["onboarding"]._guard._breaker.__init__()  # type: ignore[attr-defined,misc]
        assert (await site.browser().accept(token)).status_code == 303

    async def test_keys_are_rotated(self, town: Town) -> None:
        old, new = {"kid": "k1", "secret": {"env": "JOIN_KEY"}}, {"kid": "k2", "secret": {"env": "OLD_KEY"}}
        site = town.replica()
        link = site.shared_link()
        rotated = town.replica(joining={"keys": [new, old]})
        assert (await rotated.browser().get(link)).status_code == 200
        dropped = town.replica(joining={"keys": [new]})
        assert (await dropped.browser().get(link)).status_code == 404

    async def test_programs_get_problem_details(self, town: Town) -> None:
        site = town.replica()
        answer = await site.browser(**API).get("/portal/accept?token=x")
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "link_invalid"


class TestHeaders:
    async def test_no_address_with_a_token_is_told_to_anybody(self, town: Town) -> None:
        site = town.replica()
        token = await site.mailed()
        person = site.browser()
        for path in (site.shared_link(), f"/portal/accept?token={token}"):
            answer = await person.get(path)
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["cache-control"] == "no-store"
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "script-src" not in policy
            assert "frame-ancestors 'self'" in policy
        assert (await person.accept(token)).headers["referrer-policy"] == "no-referrer"

    async def test_forms_lead_to_ourselves_and_the_click_to_the_vendor(self, town: Town) -> None:
        site = town.replica()
        join = (await site.browser().get(site.shared_link())).headers["content-security-policy"]
        assert "form-action 'self';" in join
        accept = await site.browser().get(f"/portal/accept?token={await site.mailed()}")
        assert f"form-action 'self' https: {town.rocketlane_url};" in accept.headers["content-security-policy"]


class TestLimits:
    async def test_mails_to_one_address(self, town: Town) -> None:
        site = town.replica({"limits": {"per_address": 2}})
        for number in range(5):
            answer = await site.browser().ask(site.shared_link(), f"new+{number}@vance.example")
            assert heading(answer) == SENT, "nobody is told how much others have asked for an address"
        assert len(site.mailbox.mails) == 2
        assert counts(site)["refused_too_many_requests"] == 3

    async def test_forms_from_one_client(self, town: Town) -> None:
        site = town.replica({"limits": {"per_client": 2}})
        answers = [await site.browser().ask(site.shared_link(), f"n{n}@vance.example") for n in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert heading(answers[2]) == "That was a lot at once"
        assert (await site.browser("198.51.100.8").ask(site.shared_link(), "x@vance.example")).status_code == 200

    async def test_mails_of_one_portal(self, town: Town) -> None:
        site = town.replica({"limits": {"per_portal": 2}})
        for number in range(4):
            await site.browser().ask(site.shared_link(), f"n{number}@vance.example")
        assert len(site.mailbox.mails) == 2

    async def test_addresses_that_a_stranger_claims_to_come_from_change_nothing(self, town: Town) -> None:
        site = town.replica({"limits": {"per_client": 1}})
        for number, status in ((1, 200), (2, 429)):
            person = site.browser(**{"x-forwarded-for": f"203.0.113.{number}"})
            assert (await person.ask(site.shared_link(), f"n{number}@vance.example")).status_code == status


class TestTrouble:
    async def test_without_the_store_nobody_gets_in(self, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
        site = town.replica()
        token = await site.mailed()

        async def away(*_: Any) -> None:
            raise StoreUnavailable("away")

        for method in ("get", "take", "spend"):
            monkeypatch.setattr(site.gateway._store, method, away)
        answers = [
            await site.browser().get(f"/portal/accept?token={token}"),
            await site.browser().ask(site.shared_link(), "new@vance.example"),
        ]
        for answer in answers:
            assert (answer.status_code, heading(answer)) == (503, "This does not work right now")

    async def test_a_full_outbox(self, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
        site = town.replica({"reveal": True})

        async def full(_self: Mailbox, _mail: Mail) -> None:
            raise MailUnavailable

        monkeypatch.setattr(Mailbox, "send", full)
        answer = await site.browser().ask(site.shared_link(), "new@vance.example")
        assert (answer.status_code, heading(answer)) == (503, "This does not work right now")

    async def test_more_than_can_be_worked_on(self, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
        site = town.replica()
        monkeypatch.setattr(type(site.joining.background), "full", property(lambda _self: True))
        assert (await site.browser().ask(site.shared_link(), "new@vance.example")).status_code == 429


async def test_the_log_has_no_token_and_no_address(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "portal_gateway")
    site = town.replica()
    token = await site.mailed("new@vance.example")
    await site.browser().accept(token)
    await site.browser().ask(site.shared_link(), "lena@globex.example")
    text = caplog.text
    assert "outcome=joined" in text
    assert "domain=vance.example" in text
    assert "outcome=refused_domain_not_allowed" in text
    for secret in (token, token.split(".")[1], "new@", "lena@", "cp/embed"):
        assert secret not in text
