"""What has become of magic links, kept in the store so that all replicas know.

Rules of this file
- A link is used up by taking its right to be used, which one of many who try at once gets.
- Showing a link uses up nothing: mail scanners look at every link in a mail.
- What a link is for outlives it for a while, so that whoever comes late is told, and can have a new one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Literal

from portal_gateway.admission.addresses import Address
from portal_gateway.errors import LinkRefused
from portal_gateway.joining.keyring import Keyring, Unsealable
from portal_gateway.joining.magic_links import LEEWAY_S, ExpiredLink, InvalidLink, LinkSigner, MagicLink, Purpose
from portal_gateway.store.base import Store

Ending = Literal["used", "revoked", "superseded"]

# So long after its end a link can still be told from one that never was.
REMEMBERED_S = 7 * 24 * 3600.0
# The right to use a link ends after the link has, by the clock of any replica: else it would look used up.
_RIGHT_S = 2 * LEEWAY_S


@dataclass(frozen=True, slots=True)
class LinkPurpose:
    """What a link is for. `invitation_id` is empty for one that was asked for with the form of a shared link."""

    portal: str
    local: str
    domain: str
    project_id: int
    company_id: int
    invitation_id: str = ""

    @property
    def address(self) -> Address:
        return Address(self.local, self.domain)

    @property
    def kind(self) -> Purpose:
        return "invitation" if self.invitation_id else "join"


@dataclass(frozen=True, slots=True)
class KnownLink:
    """A link that is ours, and what it is for."""

    link: MagicLink
    purpose: LinkPurpose


class LinkStates:
    """Makes magic links of the named portals, and says what they are good for. Raises StoreUnavailable throughout."""

    def __init__(self, portals: Iterable[str], store: Store, keyring: Keyring, clock: Callable[[], float]) -> None:
        """`clock` tells epoch seconds."""
        self._portals = tuple(portals)
        self._store = store
        self._keyring = keyring
        self._signer = LinkSigner(keyring)
        self._clock = clock

    async def make(self, purpose: LinkPurpose, lifetime_s: int) -> MagicLink:
        link = self._signer.make(purpose.kind, purpose.portal, int(self._clock()) + lifetime_s)
        name = _about(link.link_id)
        sealed = self._keyring.seal(json.dumps(asdict(purpose)).encode(), name)
        await self._store.put(name, sealed, lifetime_s + REMEMBERED_S)
        await self._store.put(_right(link.link_id), b"1", lifetime_s + _RIGHT_S)
        return link

    async def look(self, token: str) -> KnownLink:
        """The link in `token`, if it can be used. Raises LinkRefused."""
        known = await self.find(token)
        if await self._store.get(_right(known.link.link_id)) is None:
            raise await self._ended(known.link)
        return self._current(known)

    async def claim(self, token: str) -> KnownLink:
        """The link in `token`, which is used up. Raises LinkRefused."""
        known = await self.find(token)
        if await self._store.take(_right(known.link.link_id)) is None:
            raise await self._ended(known.link)
        self._current(known)
        await self._end(known.link.link_id, "used")
        return known

    async def give_back(self, link: MagicLink) -> None:
        """Make a link that was claimed good again, for the rest of its time."""
        if not self._is_over(link):
            await self._store.drop(_end_of(link.link_id))
            await self._store.add(_right(link.link_id), b"1", link.expires_at + _RIGHT_S - self._clock())

    async def end(self, link_id: str, ending: Ending) -> None:
        """Nobody can use the link any more."""
        if link_id and await self._store.take(_right(link_id)) is not None:
            await self._end(link_id, ending)

    async def find(self, token: str) -> KnownLink:
        """The link in `token` and what it is for, whether it can be used or not. Raises LinkRefused."""
        link = self._verified(token)
        name = _about(link.link_id)
        sealed = await self._store.get(name)
        if sealed is None:
            raise LinkRefused("expired" if self._is_over(link) else "gone")
        try:
            return KnownLink(link, LinkPurpose(**json.loads(self._keyring.unseal(sealed, name))))
        except Unsealable:
            raise LinkRefused("gone") from None

    def _current(self, known: KnownLink) -> KnownLink:
        if self._is_over(known.link):
            raise LinkRefused("expired", renewable=True)
        return known

    def _is_over(self, link: MagicLink) -> bool:
        return self._clock() > link.expires_at + LEEWAY_S

    def _verified(self, token: str) -> MagicLink:
        """The token does not say for which portal it is: the signature fits one of a few, or none."""
        for portal in self._portals:
            for purpose in _PURPOSES:
                try:
                    return self._signer.verify(token, purpose, portal, self._clock())
                except ExpiredLink as expired:
                    return expired.link
                except InvalidLink:
                    continue
        raise LinkRefused("invalid")

    async def _ended(self, link: MagicLink) -> LinkRefused:
        ending = await self._store.get(_end_of(link.link_id))
        # Whoever took the right is about to say so, or the time has run out.
        reason = ending.decode() if ending is not None else "expired" if self._is_over(link) else "used"
        return LinkRefused(reason, renewable=reason != "revoked")

    async def _end(self, link_id: str, ending: Ending) -> None:
        await self._store.put(_end_of(link_id), ending.encode(), REMEMBERED_S)


_PURPOSES: tuple[Purpose, ...] = ("join", "invitation")


def _about(link_id: str) -> str:
    return f"join:link:{link_id}"


def _right(link_id: str) -> str:
    return f"join:right:{link_id}"


def _end_of(link_id: str) -> str:
    return f"join:end:{link_id}"
