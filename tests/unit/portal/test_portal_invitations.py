from __future__ import annotations

import asyncio
import re
from html import unescape
from typing import Any

import httpx
import pytest
from joining_kit import API, Person, Replica, Town, entered, heading

from portal_gateway.joining.inviting import MAX_ADDRESSES, MAX_MESSAGE
from portal_gateway.mail.base import Mail, MailUnavailable

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = "/portal/onboarding/invitations"
INVITE = {"link": True, "invitations": {"allow": {"attributes": {"role": ["Head of operations", "Programme lead"]}}}}
VENDOR = {"invitations": {**INVITE["invitations"], "deliver": "vendor"}}  # type: ignore[dict-item]


async def jane_at(site: Replica) -> Person:
    return await site.signed_in("jane")


async def invited(person: Person, addresses: str = "new@vance.example", **fields: str) -> httpx.Response:
    return await person.submit(await person.get(PAGE), addresses=addresses, **fields)


def outcomes(answer: httpx.Response) -> dict[str, str]:
    status = answer.text.partition('<div role="status">')[2].partition("</div>")[0]
    return {unescape(a): unescape(b) for a, b in re.findall(r"<li>(.*?) <small>(.*?)</small></li>", status)}


async def listed(person: Person) -> list[dict[str, Any]]:
    answer = await person.get(PAGE, **API)
    invitations: list[dict[str, Any]] = answer.json()["invitations"]
    return invitations


async def act(person: Person, action: str, index: int = 0) -> httpx.Response:
    entry = (await listed(person))[index]
    return await person.submit(await person.get(PAGE), f"{PAGE}/{entry['id']}/{action}")


class TestWhoMay:
    @pytest.mark.parametrize("user", ["ines", "noah"])
    async def test_others_are_told_that_they_may_not(self, user: str, town: Town) -> None:
        site = town.replica(INVITE)
        person = await site.signed_in(user)
        answer = await person.get(PAGE)
        assert (answer.status_code, heading(answer)) == (403, "You cannot invite others")
        answer = await person.client.post(PAGE, json={"addresses": ["new@vance.example"]}, headers=API)
        assert (answer.status_code, answer.json()["code"]) == (403, "access_denied")
        assert site.mailbox.mails == []

    async def test_nobody_who_is_not_signed_in(self, town: Town) -> None:
        site = town.replica(INVITE)
        for method in ("GET", "POST"):
            answer = await site.browser(**API).client.request(method, PAGE)
            assert answer.status_code == 401

    async def test_the_permission_is_not_enough_without_a_project(self, town: Town) -> None:
        site = town.replica(INVITE)
        jane = await jane_at(site)
        for project in town.sandbox.world.rocketlane.projects:
            project.customers.clear()
        assert (await jane.get(PAGE)).status_code == 403

    async def test_a_portal_without_invitations_has_no_such_page(self, town: Town) -> None:
        site = town.replica({"link": True})
        assert (await (await jane_at(site)).get(PAGE)).status_code == 404

    async def test_the_portal_page_leads_there_for_those_who_may(self, town: Town) -> None:
        site = town.replica(INVITE)
        for user, offered in (("jane", True), ("ines", False)):
            page = await (await site.signed_in(user)).get("/portal/onboarding/")
            assert (f'href="{PAGE}"' in page.text) is offered


class TestInviting:
    async def test_a_link_is_mailed_and_lets_in(self, town: Town) -> None:
        site = town.replica(INVITE)
        jane = await jane_at(site)
        answer = await invited(jane, "Kit@vance.example", message="Hello <b>Kit</b>,\r\nplease join.")
        assert outcomes(answer) == {"Kit@vance.example": "a link is on its way"}
        [mail] = site.mailbox.mails
        assert (mail.to, mail.kind, mail.ttl_s) == ("Kit@vance.example", "invitation", 7 * 86_400)
        assert "Jane Moreau invites you to the project “Vance onboarding”" in mail.text
        assert "Hello <b>Kit</b>,\nplease join." in mail.text
        assert "Hello &lt;b&gt;Kit&lt;/b&gt;," in mail.html
        assert "Kit@vance.example" in await entered(await site.browser().accept(site.mailbox.token()))
        assert [(entry["address"], entry["state"]) for entry in await listed(jane)] == [("Kit@vance.example", "joined")]

    async def test_each_address_has_an_outcome(self, town: Town) -> None:
        site = town.replica(INVITE)
        answer = await invited(
            await jane_at(site), "a@vance.example, b@globex.example; c@gmail.com\nnonsense <x>@y a@vance.example"
        )
        assert outcomes(answer) == {
            "a@vance.example": "a link is on its way",
            "b@globex.example": "not invited: addresses of this domain may not join",
            "c@gmail.com": "not invited: private addresses may not join",
            "nonsense": "not invited: this is not an e-mail address",
            "<x>@y": "not invited: this is not an e-mail address",
        }
        assert [mail.to for mail in site.mailbox.mails] == ["a@vance.example"]

    @pytest.mark.parametrize("count", [0, MAX_ADDRESSES + 1])
    async def test_so_many_addresses_and_no_more(self, count: int, town: Town) -> None:
        site = town.replica(INVITE)
        answer = await invited(await jane_at(site), " ".join(f"n{n}@vance.example" for n in range(count)))
        assert (answer.status_code, heading(answer)) == (400, "Please check the addresses")
        assert site.mailbox.mails == []

    @pytest.mark.parametrize(
        ("message", "title"),
        [
            pytest.param("x" * (MAX_MESSAGE + 1), "The message is too long", id="long"),
            pytest.param("see https://evil.example", "A message cannot have links", id="url"),
            pytest.param("see WWW.evil.example", "A message cannot have links", id="www"),
            pytest.param("see java\x00script://x", "A message cannot have links", id="hidden"),
        ],
    )
    async def test_messages_that_are_not_sent(self, message: str, title: str, town: Town) -> None:
        site = town.replica(INVITE)
        answer = await invited(await jane_at(site), message=message)
        assert (answer.status_code, heading(answer)) == (400, title)
        assert site.mailbox.mails == []

    async def test_what_turns_text_around_is_taken_out(self, town: Town) -> None:
        site = town.replica(INVITE)
        await invited(await jane_at(site), message="a\u202eb\u2066c\x07d")
        assert "abcd" in site.mailbox.mails[0].text

    async def test_one_s_own_projects_alone(self, town: Town) -> None:
        site = town.replica(INVITE)
        pia = await site.signed_in("pia")
        page = (await pia.get(PAGE)).text
        assert re.findall(r'<option value="(\d+)">', page) == ["6001", "6002"]
        for project in ("5001", "5002", "", "x", "6001\n"):
            answer = await invited(pia, "new@globex.example", project=project)
            assert (answer.status_code, heading(answer)) == (400, "This project is not open to you")
        assert outcomes(await invited(pia, "new@globex.example", project="6002"))
        assert (await listed(pia))[0]["project"] == {"id": 6002, "name": "Globex second plant"}

    async def test_inviting_again_replaces_the_link(self, town: Town) -> None:
        site = town.replica(INVITE)
        jane = await jane_at(site)
        for _ in range(2):
            await invited(jane)
        assert len(await listed(jane)) == 1
        answer = await site.browser().get(f"/portal/accept?token={site.mailbox.token(0)}")
        assert (answer.status_code, heading(answer)) == (410, "There is a newer link")
        assert (await site.browser().accept(site.mailbox.token(1))).status_code == 303

    async def test_a_slow_vendor_is_waited_for_once(self, town: Town) -> None:
        site = town.replica(INVITE)
        jane = await jane_at(site)
        page = await jane.get(PAGE)
        calls = town.sandbox.rocketlane_vendor.calls
        before = calls.count("GET", "/api/1.0/projects/5001")
        town.sandbox.rocketlane_vendor.switches.latency_s = 0.2
        async with asyncio.timeout(15):
            answer = await jane.submit(page, addresses=" ".join(f"n{n}@vance.example" for n in range(MAX_ADDRESSES)))
        assert set(outcomes(answer).values()) == {"a link is on its way"}
        assert calls.count("GET", "/api/1.0/projects/5001") > before

    async def test_a_vendor_that_is_away(self, town: Town) -> None:
        site = town.replica(INVITE)
        jane = await jane_at(site)
        page = await jane.get(PAGE)
        town.sandbox.rocketlane_vendor.switches.status = 503
        answer = await jane.submit(page, addresses="new@vance.example")
        assert answer.status_code == 503 or set(outcomes(answer).values()) == {
            "not invited: The portal cannot be reached right now"
        }
        assert site.mailbox.mails == []

    async def test_an_outbox_that_is_full(self, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
        site = town.replica(INVITE)

        async def full(_mail: Mail) -> None:
            raise MailUnavailable

        monkeypatch.setattr(site.mailbox, "send", full)
        answer = await invited(await jane_at(site))
        assert outcomes(answer) == {"new@vance.example": "not invited: This does not work right now"}

    async def test_one_person_invites_so_many_an_hour(self, town: Town) -> None:
        site = town.replica({**INVITE, "limits": {"per_sender": 2}})
        answer = await invited(await jane_at(site), "a@vance.example b@vance.example c@vance.example")
        assert list(outcomes(answer).values()).count("a link is on its way") == 2
        assert len(site.mailbox.mails) == 2


class TestRevoking:
    async def test_a_link_of_it_opens_nothing_and_there_is_no_other(self, town: Town) -> None:
        site = town.replica(INVITE)
        jane = await jane_at(site)
        await invited(jane)
        late = site.browser()
        open_page = await late.get(f"/portal/accept?token={site.mailbox.token()}")
        assert (await act(jane, "revoke")).headers["location"] == PAGE
        for answer in (
            await late.submit(open_page, "/portal/accept"),
            await site.browser().get(f"/portal/accept?token={site.mailbox.token()}"),
            await late.submit(open_page, "/portal/accept/renew"),
        ):
            assert answer.status_code in (403, 410)
        page = await site.browser().get(f"/portal/accept?token={site.mailbox.token()}")
        assert heading(page) == "This invitation has been taken back"
        assert "<form" not in page.text
        assert len(site.mailbox.mails) == 1
        assert town.invited == []

    async def test_nor_can_it_be_revived(self, town: Town) -> None:
        site = town.replica(INVITE)
        jane = await jane_at(site)
        await invited(jane)
        await act(jane, "revoke")
        for action in ("revoke", "resend"):
            entry = (await listed(jane))[0]
            answer = await jane.client.post(f"{PAGE}/{entry['id']}/{action}", json={}, headers=API)
            assert (answer.status_code, answer.json()["code"]) == (409, "invitation_revoked")

    async def test_a_colleague_s_too_but_not_another_company_s(self, town: Town) -> None:
        site = town.replica({**INVITE, "domains": ["globex.example"]})
        jane, pia = await jane_at(site), await site.signed_in("pia")
        await invited(jane)
        [entry] = await listed(jane)
        assert await listed(pia) == []
        for action in ("revoke", "resend", "frobnicate"):
            answer = await pia.client.post(f"{PAGE}/{entry['id']}/{action}", json={}, headers=API)
            assert answer.status_code == 404
        assert [one["state"] for one in await listed(jane)] == ["open"]


async def test_sending_again(town: Town) -> None:
    site = town.replica(INVITE)
    jane = await jane_at(site)
    await invited(jane, message="Hello Kit")
    await act(jane, "resend")
    assert len(site.mailbox.mails) == 2
    assert "Hello Kit" in site.mailbox.mails[1].text
    assert heading(await site.browser().get(f"/portal/accept?token={site.mailbox.token(0)}")) == "There is a newer link"
    assert (await site.browser().accept(site.mailbox.token(1))).status_code == 303


class TestDeliveredByTheVendor:
    async def test_people_are_added_at_once(self, town: Town) -> None:
        site = town.replica(VENDOR)
        jane = await jane_at(site)
        answer = await invited(jane, "kit@vance.example jane@vance.example kit@gmail.com")
        assert outcomes(answer) == {
            "kit@vance.example": "has been added",
            "jane@vance.example": "has been added",
            "kit@gmail.com": "not invited: private addresses may not join",
        }
        assert town.invited == [("kit@vance.example", 5001)]
        assert site.mailbox.mails == []
        assert {entry["state"] for entry in await listed(jane)} == {"added"}

    async def test_what_the_vendor_refuses_is_not_said_to_be_done(self, town: Town) -> None:
        site = town.replica(VENDOR)
        jane = await jane_at(site)
        page = await jane.get(PAGE)
        town.sandbox.rocketlane_vendor.switches.rate_limit_per_minute = 1
        answer = await jane.submit(page, addresses="kit@vance.example")
        assert "has been added" not in answer.text
        assert town.invited == []


class TestJson:
    async def test_everything_can_be_done_by_a_program(self, town: Town) -> None:
        site = town.replica(INVITE)
        jane = await jane_at(site)
        jane.client.headers.update(API)
        answer = await jane.client.post(PAGE, json={"addresses": ["new@vance.example", "x"], "message": "Hi"})
        assert answer.json() == {
            "outcomes": [
                {"address": "new@vance.example", "outcome": "sent"},
                {"address": "x", "outcome": "not_an_address"},
            ]
        }
        body = (await jane.get(PAGE)).json()
        assert body["projects"] == [{"id": 5001, "name": "Vance onboarding"}]
        [entry] = body["invitations"]
        assert {key: entry[key] for key in ("address", "invited_by", "state", "project")} == {
            "address": "new@vance.example",
            "invited_by": "Jane Moreau",
            "state": "open",
            "project": {"id": 5001, "name": "Vance onboarding"},
        }
        assert entry["expires_at"] - entry["sent_at"] == 7 * 86_400
        assert (await jane.client.post(f"{PAGE}/{entry['id']}/resend", json={})).json() == {"outcome": "sent"}
        assert (await jane.client.post(f"{PAGE}/{entry['id']}/revoke", json={})).json() == {"outcome": "revoked"}

    @pytest.mark.parametrize(
        "body",
        [
            *(b"", b"[]", b"{", b"[" * 20_000, b'{"addresses": "a@b.io"}', b'{"addresses": [1]}'),
            *(b'{"addresses": [], "project": true}', b'{"addresses": ["a@b.io"], "message": 1}'),
            b'{"addresses": ["a@b.io"], "project": 1e999}',
        ],
    )
    async def test_bodies_that_are_none(self, body: bytes, town: Town) -> None:
        site = town.replica(INVITE)
        jane = await jane_at(site)
        answer = await jane.client.post(PAGE, content=body, headers={**API, "content-type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")

    async def test_methods_and_paths(self, town: Town) -> None:
        site = town.replica(INVITE)
        jane = await jane_at(site)
        for method, path, status in (
            ("GET", f"{PAGE}/1f/revoke", 405),
            ("DELETE", PAGE, 405),
            ("POST", f"{PAGE}/1f/x", 404),
        ):
            answer = await jane.client.request(method, path, json={}, headers=API)
            assert answer.status_code == status


class TestForms:
    async def test_a_form_of_another_site_invites_nobody(self, town: Town) -> None:
        site = town.replica(INVITE)
        jane = await jane_at(site)
        page = await jane.get(PAGE)
        foreign = {"sec-fetch-site": "cross-site"}
        assert (await jane.client.post(PAGE, data={"addresses": "a@vance.example"})).status_code == 403
        jane.client.headers.update(foreign)
        assert (await jane.submit(page, addresses="a@vance.example")).status_code == 403
        answer = await jane.client.post(PAGE, json={"addresses": ["a@vance.example"]}, headers={**API, **foreign})
        assert answer.status_code == 403
        assert site.mailbox.mails == []

    async def test_json_that_says_it_is_a_form_s_text_is_not_taken(self, town: Town) -> None:
        site = town.replica(INVITE)
        jane = await jane_at(site)
        body = b'{"addresses": ["a@vance.example"], "x": "="}'
        answer = await jane.client.post(PAGE, content=body, headers={"content-type": "text/plain"})
        assert answer.status_code == 403
        assert site.mailbox.mails == []

    async def test_a_token_of_one_person_is_none_for_another(self, town: Town) -> None:
        """On one browser: whoever signs in after somebody else starts from a page of their own."""
        site = town.replica({**INVITE, "domains": ["globex.example"]})
        person = await jane_at(site)
        page = await person.get(PAGE)
        await person.client.post("/login", data={"user_id": "pia"})
        assert (await person.submit(page, addresses="a@vance.example")).status_code == 403


async def test_links_to_share_are_shown_and_work(town: Town) -> None:
    site = town.replica(INVITE)
    page = await (await jane_at(site)).get(PAGE)
    [link] = re.findall(r"http://app\.test(/portal/onboarding/join/[\w.-]+)", page.text)
    await site.browser().ask(link, "new@vance.example")
    assert len(site.mailbox.mails) == 1
    without = town.replica({**INVITE, "link": False})
    assert "/join/" not in (await (await jane_at(without)).get(PAGE)).text
