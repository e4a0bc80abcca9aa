from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from joining_fakes import Clock, purpose

from portal_gateway.errors import LinkRefused, RequestRefused
from portal_gateway.joining.book import LISTED_S, MAX_INVITATIONS, Invitation, InvitationBook
from portal_gateway.joining.keyring import Keyring
from portal_gateway.joining.magic_links import MagicLink
from portal_gateway.store.memory import MemoryStore

PORTAL, COMPANY = "onboarding", 201


@pytest.fixture
def book(store: MemoryStore, keyring: Keyring, clock: Clock) -> InvitationBook:
    return InvitationBook(store, keyring, clock)


def invitation(number: int = 1, **values: object) -> Invitation:
    fields: dict[str, object] = {
        "id": f"{number:04x}",
        "address": f"new{number}@vance.example",
        "project_id": 5001,
        "project_name": "Vance onboarding",
        "sender": "Jane Moreau",
        "message": "",
        "state": "open",
        "link_id": f"link-{number}",
        "sent_at": 1_700_000_000 + number,
        "expires_at": 1_700_000_000 + 7 * 86_400,
    }
    return Invitation(**{**fields, **values})  # type: ignore[arg-type]


async def test_the_latest_comes_first(book: InvitationBook) -> None:
    for number in (2, 3, 1):
        await book.write(PORTAL, COMPANY, invitation(number))
    assert [entry.id for entry in await book.of_company(PORTAL, COMPANY)] == ["0003", "0002", "0001"]
    await book.write(PORTAL, COMPANY, invitation(1, message="again", sent_at=1_700_000_009))
    first = (await book.of_company(PORTAL, COMPANY))[0]
    assert (first.id, first.message) == ("0001", "again")


async def test_companies_and_portals_have_books_of_their_own(book: InvitationBook) -> None:
    await book.write(PORTAL, COMPANY, invitation())
    assert await book.of_company(PORTAL, 301) == ()
    assert await book.of_company("other", COMPANY) == ()


async def test_replicas_that_write_at_once_lose_nothing(store: MemoryStore, keyring: Keyring, clock: Clock) -> None:
    books = [InvitationBook(store, keyring, clock) for _ in range(5)]
    writes = [books[number % 5].write(PORTAL, COMPANY, invitation(number)) for number in range(50)]
    await asyncio.gather(*writes)
    assert len(await books[0].of_company(PORTAL, COMPANY)) == 50


async def test_it_is_of_bounded_length_and_what_is_closed_goes_first(book: InvitationBook, clock: Clock) -> None:
    for number in range(MAX_INVITATIONS):
        await book.write(PORTAL, COMPANY, invitation(number))
    with pytest.raises(RequestRefused) as full:
        await book.write(PORTAL, COMPANY, invitation(MAX_INVITATIONS))
    assert full.value.code == "too_many_invitations"
    await book.revoke(PORTAL, COMPANY, "0003")
    await book.write(PORTAL, COMPANY, invitation(MAX_INVITATIONS))
    ids = {entry.id for entry in await book.of_company(PORTAL, COMPANY)}
    assert "0003" not in ids
    assert len(ids) == MAX_INVITATIONS


async def test_what_is_long_over_is_forgotten(book: InvitationBook, clock: Clock) -> None:
    await book.write(PORTAL, COMPANY, invitation())
    assert book.is_open(invitation())
    clock.now += 8 * 86_400
    assert not book.is_open(invitation())
    assert len(await book.of_company(PORTAL, COMPANY)) == 1
    clock.now += LISTED_S
    assert await book.of_company(PORTAL, COMPANY) == ()


async def test_one_is_revoked_once(book: InvitationBook) -> None:
    await book.write(PORTAL, COMPANY, invitation())
    revoked = await book.revoke(PORTAL, COMPANY, "0001")
    assert revoked is not None
    assert revoked.link_id == "link-1"
    assert await book.revoke(PORTAL, COMPANY, "0001") is None
    assert await book.revoke(PORTAL, COMPANY, "none") is None
    assert [entry.state for entry in await book.of_company(PORTAL, COMPANY)] == ["revoked"]


async def test_a_link_of_a_revoked_one_counts_no_more(book: InvitationBook) -> None:
    await book.write(PORTAL, COMPANY, invitation())
    mine = purpose(invitation_id="0001")
    assert (await book.require(mine)).link_id == "link-1"
    await book.revoke(PORTAL, COMPANY, "0001")
    link = MagicLink("token", "link-2", 1_700_000_900)
    for call in (book.require(mine), book.relinked(mine, link), book.joined(mine)):
        with pytest.raises(LinkRefused) as refused:
            await call
        assert (refused.value.reason, refused.value.renewable) == ("revoked", False)


async def test_a_new_link_takes_the_place_of_the_one_before(book: InvitationBook) -> None:
    await book.write(PORTAL, COMPANY, invitation())
    mine, later = purpose(invitation_id="0001"), 1_700_000_000 + 9 * 86_400
    assert await book.relinked(mine, MagicLink("token", "link-2", later)) == "link-1"
    assert await book.relinked(mine, MagicLink("token", "link-3", 1_700_000_900)) == "link-2"
    [entry] = await book.of_company(PORTAL, COMPANY)
    assert (entry.link_id, entry.expires_at) == ("link-3", later)


async def test_who_has_joined_is_listed_so(book: InvitationBook) -> None:
    await book.write(PORTAL, COMPANY, invitation())
    await book.joined(purpose(invitation_id="0001"))
    [entry] = await book.of_company(PORTAL, COMPANY)
    assert entry == replace(invitation(), state="joined")
    assert not book.is_open(entry)


async def test_nothing_of_it_can_be_read_in_the_store_or_moved_to_another_company(
    book: InvitationBook, store: MemoryStore
) -> None:
    await book.write(PORTAL, COMPANY, invitation())
    value = await store.get("join:invitations:onboarding:201")
    assert value is not None
    assert b"vance" not in value
    await store.put("join:invitations:onboarding:301", value, 900)
    assert await book.of_company(PORTAL, 301) == ()


async def test_what_was_sealed_with_a_dropped_key_is_gone_and_can_be_written_anew(
    book: InvitationBook, store: MemoryStore, clock: Clock
) -> None:
    await book.write(PORTAL, COMPANY, invitation())
    other = InvitationBook(store, Keyring({"k2": b"n" * 32}), clock)
    assert await other.of_company(PORTAL, COMPANY) == ()
    await other.write(PORTAL, COMPANY, invitation(2))
    assert [entry.id for entry in await other.of_company(PORTAL, COMPANY)] == ["0002"]
