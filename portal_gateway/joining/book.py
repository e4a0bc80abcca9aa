"""The invitations of each company, in one sealed value of the store per portal and company.

One value, so that a list is one look-up and its length is bounded; changed by compare-and-set, so that replicas which
change it at once lose nothing of each other's.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Literal

from portal_gateway.errors import LinkRefused, RequestRefused
from portal_gateway.joining.keyring import Keyring, Unsealable
from portal_gateway.joining.link_states import LinkPurpose
from portal_gateway.joining.magic_links import MagicLink
from portal_gateway.store.base import Store, StoreUnavailable

State = Literal["open", "joined", "revoked", "added"]

MAX_INVITATIONS = 200
# After its end an invitation is still listed for so long.
LISTED_S = 30 * 86_400
# The longest life of an invitation, and then some.
BOOK_TTL_S = 2 * LISTED_S
# Whoever loses against another replica tries again; so many in a row have other troubles.
MAX_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Invitation:
    """One person invited to one project. `added`: the vendor made them a member at once. Times are epoch seconds."""

    id: str
    address: str
    project_id: int
    project_name: str
    sender: str
    message: str
    state: State
    link_id: str
    sent_at: int
    expires_at: int


Entries = dict[str, Invitation]


class InvitationBook:
    """Keeps invitations. Raises StoreUnavailable throughout."""

    def __init__(self, store: Store, keyring: Keyring, clock: Callable[[], float]) -> None:
        """`clock` tells epoch seconds."""
        self._store = store
        self._keyring = keyring
        self._clock = clock
        # Those of this process wait for each other, so that only other replicas are in the way.
        self._changing = asyncio.Lock()

    async def of_company(self, portal: str, company_id: int) -> tuple[Invitation, ...]:
        """The latest first."""
        name = _name(portal, company_id)
        entries = self._read(await self._store.get(name), name)
        return tuple(sorted(entries.values(), key=lambda entry: entry.sent_at, reverse=True))

    async def write(self, portal: str, company_id: int, invitation: Invitation) -> None:
        """Add or replace an invitation. Raises RequestRefused if there are too many."""

        def written(entries: Entries) -> Entries:
            entries = {**entries, invitation.id: invitation}
            if len(entries) > MAX_INVITATIONS:
                closed = [entry for entry in entries.values() if not self.is_open(entry)]
                if not closed:
                    raise RequestRefused(409, "too_many_invitations", "too many invitations are open")
                del entries[min(closed, key=lambda entry: entry.sent_at).id]
            return entries

        await self._change(_name(portal, company_id), written)

    async def revoke(self, portal: str, company_id: int, invitation_id: str) -> Invitation | None:
        """The invitation that is revoked now; None if there is none that is open."""
        revoked: list[Invitation] = []

        def written(entries: Entries) -> Entries:
            revoked.clear()
            entry = entries.get(invitation_id)
            if entry is None or entry.state != "open":
                return entries
            revoked.append(entry)
            return {**entries, entry.id: replace(entry, state="revoked")}

        await self._change(_name(portal, company_id), written)
        return revoked[0] if revoked else None

    async def require(self, purpose: LinkPurpose) -> Invitation:
        """The invitation that a link belongs to. Raises LinkRefused if it does not count any more."""
        name = _name(purpose.portal, purpose.company_id)
        return _counting(self._read(await self._store.get(name), name), purpose.invitation_id)

    async def relinked(self, purpose: LinkPurpose, link: MagicLink) -> str:
        """Make `link` the invitation's only one; the id of the one before. Raises LinkRefused."""
        before = ""

        def written(entries: Entries) -> Entries:
            nonlocal before
            entry = _counting(entries, purpose.invitation_id)
            before = entry.link_id
            ends = max(entry.expires_at, link.expires_at)
            return {**entries, entry.id: replace(entry, link_id=link.link_id, expires_at=ends)}

        await self._change(_name(purpose.portal, purpose.company_id), written)
        return before

    async def joined(self, purpose: LinkPurpose) -> None:
        """Raises LinkRefused if the invitation has been revoked meanwhile."""

        def written(entries: Entries) -> Entries:
            entry = _counting(entries, purpose.invitation_id)
            return {**entries, entry.id: replace(entry, state="joined")}

        await self._change(_name(purpose.portal, purpose.company_id), written)

    def is_open(self, invitation: Invitation) -> bool:
        return invitation.state == "open" and self._clock() <= invitation.expires_at

    async def _change(self, name: str, written: Callable[[Entries], Entries]) -> None:
        async with self._changing:
            await self._compare_and_set(name, written)

    async def _compare_and_set(self, name: str, written: Callable[[Entries], Entries]) -> None:
        for _ in range(MAX_ATTEMPTS):
            sealed = await self._store.get(name)
            before = self._read(sealed, name)
            after = written(before)
            if after == before:
                return
            value = self._keyring.seal(json.dumps([asdict(entry) for entry in after.values()]).encode(), name)
            if sealed is None:
                changed = await self._store.add(name, value, BOOK_TTL_S)
            else:
                changed = await self._store.put_if(name, sealed, name, value, BOOK_TTL_S)
            if changed:
                return
        raise StoreUnavailable("contended")

    def _read(self, sealed: bytes | None, name: str) -> Entries:
        """What is not long over. What was sealed with a key that has been dropped is gone with its links."""
        if sealed is None:
            return {}
        try:
            entries = [Invitation(**entry) for entry in json.loads(self._keyring.unseal(sealed, name))]
        except Unsealable:
            return {}
        return {entry.id: entry for entry in entries if entry.expires_at > self._clock() - LISTED_S}


def _counting(entries: Entries, invitation_id: str) -> Invitation:
    entry = entries.get(invitation_id)
    if entry is None or entry.state == "revoked":
        raise LinkRefused("revoked")
    return entry


def _name(portal: str, company_id: int) -> str:
    return f"join:invitations:{portal}:{company_id}"
