"""The rules of joining (docs/rules.md, 12 to 14): what strangers and guests can bring about, and what they cannot."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from joining_kit import API, Replica, Town, entered, heading, onboarding, running_town
from redis_server import RedisServer, running_redis

from portal_gateway.admission.addresses import Address
from portal_gateway.mail.base import Mail
from portal_gateway.mail.message import compose
from portal_gateway.sandbox import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = "/portal/onboarding/invitations"
INVITATIONS = {"allow": {"attributes": {"role": "Head of operations"}}}


@pytest_asyncio.fixture(loop_scope="module")
async def town(vendors: tuple[Sandbox, tuple[str, str]]) -> AsyncIterator[Town]:
    sandbox, (_, rocketlane_url) = vendors
    async with running_town(sandbox, rocketlane_url) as town:
        yield town


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with tempfile.TemporaryDirectory() as directory, running_redis(Path(directory)) as server:
        yield server


def shared(redis: RedisServer) -> dict[str, Any]:
    return {"cache": {"url": redis.url, "timeout_ms": 10_000}}


class TestRule12AMagicLinkLetsInWhomItWasMailedToOnce:
    async def test_a_thousand_uses_at_once_over_two_replicas(self, town: Town, redis: RedisServer) -> None:
        one, other = town.replica(**shared(redis)), town.replica(**shared(redis))
        token = await one.mailed()
        people = [site.browser() for site in (one, other)]
        pages = [await person.get(f"/portal/accept?token={token}") for person in people]
        forms = [re.findall(r'name="form" value="([^"]+)"', page.text)[0] for page in pages]
        answers = await asyncio.gather(
            *(
                person.client.post("/portal/accept", data={"form": form, "token": token})
                for _ in range(500)
                for person, form in zip(people, forms, strict=True)
            )
        )
        assert Counter(answer.status_code for answer in answers) == {303: 1, 410: 999}
        [location] = [answer.headers["location"] for answer in answers if answer.status_code == 303]
        assert location.startswith(f"{town.rocketlane_url}/cp/embed?token=")
        assert {heading(answer) for answer in answers if answer.status_code == 410} == {"This link has been used"}

    async def test_it_is_used_up_for_every_replica_and_after_a_restart(self, town: Town, redis: RedisServer) -> None:
        one = town.replica(**shared(redis))
        token, kept = await one.mailed(), await one.mailed("kept@vance.example")
        assert (await town.replica(**shared(redis)).browser().accept(token)).status_code == 303
        restarted = town.replica(**shared(redis))
        assert (await restarted.browser().accept(token)).status_code in (403, 410)
        assert heading(await restarted.browser().get(f"/portal/accept?token={token}")) == "This link has been used"
        assert "kept@vance.example" in await entered(await restarted.browser().accept(kept))

    async def test_a_scanner_that_follows_whatever_is_in_a_mail_uses_up_nothing(self, town: Town) -> None:
        site = town.replica()
        token = await site.mailed()
        mail = site.mailbox.mails[-1]
        links = re.findall(r"http://app\.test(/[^\s\"<]+)", mail.text + mail.html)
        assert len(links) == 2
        for link in links:
            for method in ("GET", "HEAD", "OPTIONS", "GET"):
                await site.browser(**{"user-agent": "scanner"}).client.request(method, link)
        # One that sends forms as well has no form's token, unless it is a browser that keeps cookies and clicks.
        await site.browser().client.post("/portal/accept", data={"token": token})
        assert "new@vance.example" in await entered(await site.browser().accept(token))

    async def test_nothing_that_is_sent_along_makes_it_somebody_else_s(self, town: Town) -> None:
        site = town.replica()
        token = await site.mailed()
        person = site.browser()
        claims = {
            "email": "jane@vance.example",
            "address": "jane@vance.example",
            "project": "6001",
            "project_id": "6001",
        }
        page = await person.client.get("/portal/accept", params={"token": token, **claims})
        assert "jane@" not in page.text
        answer = await person.submit(page, "/portal/accept", **claims, portal="success", company_id="301")
        shown = await entered(answer)
        assert "new@vance.example" in shown
        assert town.invited == [("new@vance.example", 5001)]

    async def test_it_is_no_good_at_another_portal(self, town: Town) -> None:
        """Both portals sign with the same keys."""
        portals = {name: onboarding(town.rocketlane_url) for name in ("onboarding", "second")}
        both = town.replica(portals=portals)
        token = await both.mailed()
        onboarded = town.replica(portals={"second": portals["second"]})
        onboarded.joining.service._links._store = both.gateway._store
        answer = await onboarded.browser().get(f"/portal/accept?token={token}")
        assert (answer.status_code, heading(answer)) == (404, "This link does not work")
        key = both.shared_link(portal="second").rpartition("/")[2]
        assert (await both.browser().get(f"/portal/onboarding/join/{key}")).status_code == 404

    async def test_what_became_of_the_project_since_counts(self, town: Town) -> None:
        site = town.replica({"anyone": True})
        tokens = [await site.mailed(f"n{number}@any.example") for number in range(2)]
        project = town.sandbox.world.rocketlane.project(5001)
        assert project is not None
        project.company_id = 301
        assert (await site.browser().accept(tokens[0])).status_code == 403
        project.company_id, project.archived = 201, True
        assert (await site.browser().accept(tokens[1])).status_code == 403
        assert town.invited == []

    async def test_a_revoked_invitation_lets_nobody_in_even_if_its_link_is_still_about(
        self, town: Town, redis: RedisServer
    ) -> None:
        """Two replicas: one hands out another link while the other takes the invitation back."""
        one, other = (town.replica({"invitations": INVITATIONS}, **shared(redis)) for _ in range(2))
        jane = await one.signed_in("jane")
        await jane.submit(await jane.get(PAGE), addresses="new@vance.example")
        token = one.mailbox.token()
        guest = other.browser()
        page = await guest.get(f"/portal/accept?token={token}")
        entry = (await jane.get(PAGE, **API)).json()["invitations"][0]
        end = one.joining.inviting._links.end
        one.joining.inviting._links.end = _nothing  # type: ignore[method-assign]  # it dies half-way
        await jane.client.post(f"{PAGE}/{entry['id']}/revoke", json={}, headers=API)
        one.joining.inviting._links.end = end  # type: ignore[method-assign]
        answer = await guest.submit(page, "/portal/accept")
        assert (answer.status_code, heading(answer)) == (410, "This invitation has been taken back")
        assert town.invited == []

    async def test_nothing_about_a_person_and_no_link_is_in_the_store(self, town: Town, redis: RedisServer) -> None:
        site = town.replica({"link": True, "invitations": INVITATIONS}, **shared(redis))
        token = await site.mailed("Quincy@vance.example")
        jane = await site.signed_in("jane")
        await jane.submit(await jane.get(PAGE), addresses="rosalind@vance.example", message="Hello Rosalind")
        await site.browser().accept(token)
        keys = redis.command("KEYS", "*").split()
        values = [redis.command("--no-raw", "GET", key) for key in keys]  # what is sealed is no text
        assert keys
        for text in (*keys, *values):
            for personal in ("quincy", "rosalind", "jane", "vance", "198.51.100", token, token.rpartition(".")[2]):
                assert personal.lower() not in text.lower()
        assert {key for key in keys if int(redis.command("PTTL", key)) == -1} == set(), "each of them expires"


async def _nothing(*_: Any) -> None:
    pass


class TestRule13WhetherAnAddressMayJoinItsOwnerAloneIsTold:
    async def test_the_same_answer_after_the_same_work(self, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
        site = town.replica()
        seen = {}
        for email in (
            "new@vance.example",
            "jane@vance.example",
            "lena@globex.example",
            "me@gmail.com",
            "x@nowhere.example",
        ):
            seen[email] = await self._answered(site, email, monkeypatch)
        assert len(set(seen.values())) == 1, seen
        assert {mail.to for mail in site.mailbox.mails} == {"new@vance.example", "jane@vance.example"}

    async def _answered(
        self, site: Replica, email: str, monkeypatch: pytest.MonkeyPatch
    ) -> tuple[int, str, tuple[str, ...]]:
        """Status, page, and what the store was asked before the answer."""
        person, store = site.browser(), site.gateway._store
        page = await person.get(site.shared_link())
        form = re.findall(r'name="form" value="([^"]+)"', page.text)[0]
        asked: list[str] = []
        with monkeypatch.context() as patched:
            for name in ("get", "put", "add", "put_if", "take", "drop", "spend"):
                call = getattr(store, name)
                patched.setattr(store, name, _noting(asked, name, call))
            answer = await person.client.post(page.request.url.path, data={"form": form, "email": email})
            before = tuple(asked)
        await site.joining.background.settle()
        return answer.status_code, answer.text, before

    async def test_nor_does_a_link_tell_who_asks_for_another(self, town: Town) -> None:
        site = town.replica()
        token = await site.mailed("gone@vance.example")
        await site.browser().accept(token)
        person = site.browser()
        page = await person.get(f"/portal/accept?token={token}")
        assert "gone@" not in page.text
        project = town.sandbox.world.rocketlane.project(5001)
        assert project is not None
        before = await person.submit(page, "/portal/accept/renew")
        project.archived = True
        after = await person.submit(page, "/portal/accept/renew")
        assert (before.status_code, before.text) == (after.status_code, after.text)
        assert len(site.mailbox.mails) == 2

    async def test_limits_of_an_address_are_not_told_to_others(self, town: Town) -> None:
        site = town.replica({"limits": {"per_address": 1}})
        answers = [await site.browser().ask(site.shared_link(), "new@vance.example") for _ in range(3)]
        assert len({answer.text for answer in answers}) == 1
        assert len(site.mailbox.mails) == 1


def _noting(asked: list[str], name: str, call: Any) -> Any:
    async def noted(*arguments: Any) -> Any:
        asked.append(name)
        return await call(*arguments)

    return noted


EVIL = [
    "a@vance.example\r\nBcc: spy@evil.example",
    "a@vance.example\nBcc: spy@evil.example",
    "a@vance.example, spy@evil.example",
    "a@vance.example spy@evil.example",
    "<spy@evil.example> a@vance.example",
    '"a\r\nBcc: spy@evil.example"@vance.example',
    "=?utf-8?q?=0D=0ABcc=3A_spy=40evil.example?=@vance.example",
    "a\x00@vance.example",
    "a\u2028Bcc: spy@evil.example@vance.example",
    "spy@evil.example@vance.example",
    "spy%evil.example@vance.example",
    "a@vance.example?bcc=spy@evil.example",
    "<script>alert(1)</script>@vance.example",
]


class TestRule14WhatPeopleTypeInStaysText:
    @pytest.mark.parametrize("typed", EVIL)
    async def test_an_address_is_one_recipient_or_none(self, typed: str, town: Town) -> None:
        site = town.replica()
        answer = await site.browser().ask(site.shared_link(), typed)
        assert "<script" not in answer.text
        for mail in site.mailbox.mails:
            self._is_one_mail_to_one_person(mail)

    async def test_nor_is_a_message_more_than_a_message(self, town: Town) -> None:
        site = town.replica({"link": True, "invitations": INVITATIONS})
        jane = await site.signed_in("jane")
        message = "Hi\r\n\r\n--boundary\r\nBcc: spy@evil.example\r\n<a href='x'>x</a><img src=x>"
        answer = await jane.submit(await jane.get(PAGE), addresses="new@vance.example", message=message)
        assert answer.status_code == 200
        [mail] = site.mailbox.mails
        self._is_one_mail_to_one_person(mail)
        assert re.findall(r"<(\w+)[^>]*(?:href|src)=", mail.html) == ["a"], "our own link and nothing else"

    async def test_a_message_leads_nowhere(self, town: Town) -> None:
        site = town.replica({"link": True, "invitations": INVITATIONS})
        jane = await site.signed_in("jane")
        for message in ("https://evil.example", "hTTp://evil", "www.evil.example", "java\u200bscript://x"):
            answer = await jane.submit(await jane.get(PAGE), addresses="new@vance.example", message=message)
            assert answer.status_code == 400
        assert site.mailbox.mails == []

    def _is_one_mail_to_one_person(self, mail: Mail) -> None:
        sender = ("Acme", Address("portal", "acme.example"))
        content = compose(mail, "1f", sender, sender, datetime(2026, 11, 21, tzinfo=UTC))
        read = message_from_bytes(content, policy=policy.default)
        assert "Bcc" not in read
        assert "Cc" not in read
        [recipient] = read["To"].addresses
        assert recipient.domain == "vance.example"
