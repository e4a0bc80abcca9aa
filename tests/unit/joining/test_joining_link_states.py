from __future__ import annotations

import asyncio

import pytest
from joining_fakes import Clock, purpose

from portal_gateway.errors import LinkRefused
from portal_gateway.joining.keyring import Keyring
from portal_gateway.joining.link_states import REMEMBERED_S, LinkStates
from portal_gateway.joining.magic_links import LEEWAY_S, LinkSigner
from portal_gateway.store.memory import MemoryStore


@pytest.fixture
def links(store: MemoryStore, keyring: Keyring, clock: Clock) -> LinkStates:
    return LinkStates(["success", "onboarding"], store, keyring, clock)


async def refusal(links: LinkStates, token: str) -> tuple[str, bool]:
    """Why the link cannot be used, which looking and using agree on, and whether there may be another."""
    with pytest.raises(LinkRefused) as looked:
        await links.look(token)
    with pytest.raises(LinkRefused) as claimed:
        await links.claim(token)
    assert (looked.value.reason, looked.value.renewable) == (claimed.value.reason, claimed.value.renewable)
    return looked.value.reason, looked.value.renewable


async def test_a_link_leads_to_what_it_was_made_for(links: LinkStates) -> None:
    link = await links.make(purpose(), 900)
    for _ in range(3):
        known = await links.look(link.token)
    assert (known.link, known.purpose) == (link, purpose())
    assert (known.purpose.kind, str(known.purpose.address)) == ("join", "New@vance.example")
    assert purpose(invitation_id="1f").kind == "invitation"


async def test_of_many_who_use_it_at_once_one_does(links: LinkStates) -> None:
    link = await links.make(purpose(), 900)
    claims = await asyncio.gather(*(links.claim(link.token) for _ in range(100)), return_exceptions=True)
    assert [type(claim) for claim in claims].count(LinkRefused) == 99
    assert await refusal(links, link.token) == ("used", True)


async def test_what_was_given_back_is_good_for_the_rest_of_its_time(links: LinkStates, clock: Clock) -> None:
    link = await links.make(purpose(), 900)
    await links.give_back((await links.claim(link.token)).link)
    clock.now += 800
    await links.give_back((await links.claim(link.token)).link)
    clock.now += 100 + LEEWAY_S + 1
    assert await refusal(links, link.token) == ("expired", True)


async def test_given_back_too_late_it_stays_used(links: LinkStates, clock: Clock) -> None:
    link = await links.make(purpose(), 900)
    known = await links.claim(link.token)
    clock.now += 901 + LEEWAY_S
    await links.give_back(known.link)
    assert await refusal(links, link.token) == ("used", True)


@pytest.mark.parametrize(("ending", "renewable"), [("revoked", False), ("superseded", True)])
async def test_a_link_that_was_ended_says_so(ending: str, renewable: bool, links: LinkStates) -> None:
    link = await links.make(purpose(), 900)
    await links.end(link.link_id, ending)  # type: ignore[arg-type]
    assert await refusal(links, link.token) == (ending, renewable)
    await links.end(link.link_id, "used")
    assert await refusal(links, link.token) == (ending, renewable)
    await links.end("", "revoked")


async def test_time_runs_out(links: LinkStates, clock: Clock) -> None:
    link = await links.make(purpose(), 900)
    clock.now += 900 + LEEWAY_S
    await links.look(link.token)
    clock.now += 1
    assert await refusal(links, link.token) == ("expired", True)
    assert (await links.find(link.token)).purpose == purpose(), "so that a new one can be mailed"
    clock.now += REMEMBERED_S
    with pytest.raises(LinkRefused) as gone:
        await links.find(link.token)
    assert (gone.value.reason, gone.value.renewable) == ("expired", False)


async def test_replicas_whose_clocks_differ_a_little_agree(store: MemoryStore, keyring: Keyring, clock: Clock) -> None:
    ahead = LinkStates(["onboarding"], store, keyring, lambda: clock() + LEEWAY_S)
    behind = LinkStates(["onboarding"], store, keyring, lambda: clock() - LEEWAY_S)
    link = await behind.make(purpose(), 900)
    clock.now += 900 - LEEWAY_S
    await ahead.look(link.token)
    await behind.claim(link.token)


async def test_one_that_the_store_has_lost(keyring: Keyring, clock: Clock) -> None:
    link = await LinkStates(["onboarding"], MemoryStore(clock=clock), keyring, clock).make(purpose(), 900)
    restarted = LinkStates(["onboarding"], MemoryStore(clock=clock), keyring, clock)
    assert await refusal(restarted, link.token) == ("gone", False)


async def test_one_of_a_portal_that_was_taken_out_of_the_configuration(
    links: LinkStates, store: MemoryStore, keyring: Keyring, clock: Clock
) -> None:
    link = await links.make(purpose(), 900)
    without = LinkStates(["success"], store, keyring, clock)
    assert await refusal(without, link.token) == ("invalid", False)


async def test_one_that_is_signed_but_was_never_given_out(links: LinkStates, keyring: Keyring, clock: Clock) -> None:
    link = LinkSigner(keyring).make("join", "onboarding", int(clock()) + 900)
    assert await refusal(links, link.token) == ("gone", False)


async def test_whoever_writes_to_the_store_gets_nobody_in(links: LinkStates, store: MemoryStore) -> None:
    mine, hers = await links.make(purpose(), 900), await links.make(purpose(local="jane"), 900)
    value = await store.get(f"join:link:{hers.link_id}")
    assert value is not None
    assert b"jane" not in value
    for forged in (value, b'{"portal": "onboarding"}', b""):
        await store.put(f"join:link:{mine.link_id}", forged, 900)
        assert await refusal(links, mine.token) == ("gone", False)
