"""Getting in by e-mail: somebody asks for a link, a link is mailed to whoever may join, the link lets in once.

Rules of this file
- Whether an address may join or is known, its owner alone is told, by mail or by silence (`reveal` apart): whatever
  depends on the address is done after the answer.
- A link lets in the address that it was mailed to, into the project and portal it was made for, and nobody else.
- What may be is decided when the link is made and once more when it is used; a vendor that is away uses up no link.
- Where the store does not answer, nobody gets in.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable
from functools import partial

from portal_gateway.admission.addresses import Address
from portal_gateway.errors import (
    AccessDenied,
    GatewayError,
    LinkRefused,
    RequestRefused,
    StateUnavailable,
    VendorError,
)
from portal_gateway.joining.audit import Audit
from portal_gateway.joining.background import Background
from portal_gateway.joining.book import InvitationBook
from portal_gateway.joining.link_states import KnownLink, LinkPurpose, LinkStates
from portal_gateway.joining.magic_links import InvalidLink
from portal_gateway.joining.mails import Letters
from portal_gateway.joining.portals import JoinPortal, JoinPortals
from portal_gateway.joining.rates import Rates
from portal_gateway.joining.shared_links import ExpiredKey, SharedLinks
from portal_gateway.languages.catalogue import FALLBACK, LanguageTag
from portal_gateway.mail.base import Mailer, MailUnavailable
from portal_gateway.store.base import StoreUnavailable

Work = Callable[[], Awaitable[None]]


class JoinService:
    """The doors of all portals for those who come by e-mail. Raises StoreUnavailable throughout."""

    def __init__(
        self,
        portals: JoinPortals,
        *,
        links: LinkStates,
        shared: SharedLinks,
        book: InvitationBook,
        rates: Rates,
        mailer: Mailer | None,
        audit: Audit,
        background: Background,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`mailer` may be missing if all portals let the vendor deliver; `clock` tells epoch seconds."""
        self.portals = portals
        self._links = links
        self._shared = shared
        self._book = book
        self._rates = rates
        self._mailer = mailer
        self._letters = Letters()
        self._audit = audit
        self._background = background
        self._clock = clock

    def project_id(self, portal: JoinPortal, key: str) -> int:
        """The project that a shared link leads to. Raises LinkRefused."""
        if not key and portal.project_id is not None:
            return portal.project_id
        try:
            return self._shared.project_id(key, portal.name, self._clock())
        except InvalidLink:
            raise LinkRefused("invalid") from None
        except ExpiredKey:
            raise LinkRefused("expired") from None

    async def ask(
        self,
        portal: JoinPortal,
        project_id: int,
        address: Address,
        *,
        client: str,
        base_url: str,
        language: LanguageTag = FALLBACK,
    ) -> None:
        """Mail a link to `address` if it may join. `client` says who asks, `base_url` is what links begin with.

        Raises RequestRefused, and AccessDenied and VendorError where the configuration reveals who may join.
        """
        await self._rates.require(portal.name, "client", client, portal.settings.limits.per_client)
        self._audit.record(portal.name, "asked", address=address, project_id=project_id)
        mail = partial(self._mail_link, portal, project_id, address, base_url, language)
        if portal.settings.reveal:
            await self._audited(mail, portal, address)
        else:
            self._later(mail, portal, address)

    async def look(self, token: str) -> tuple[JoinPortal, KnownLink]:
        """What a link is for, which uses up nothing. Raises LinkRefused."""
        known = await self._links.look(token)
        return self.portals.find(known.purpose.portal), known

    async def use(self, token: str) -> str:
        """The signed link that `token` lets its owner in by, once. Raises LinkRefused, AccessDenied, VendorError."""
        known = await self._links.claim(token)
        purpose = known.purpose
        portal = self.portals.find(purpose.portal)
        try:
            await self._check_invitation(known)
            url = await portal.admission.admit(purpose.address, purpose.project_id, purpose.company_id)
        except (VendorError, StoreUnavailable):
            await self._links.give_back(known.link)
            raise
        except GatewayError as error:
            self._record(purpose, f"refused_{_reason(error)}")
            raise
        self._record(purpose, "joined")
        await self._book_as_joined(purpose)
        return url

    async def renew(self, token: str, *, client: str, base_url: str, language: LanguageTag = FALLBACK) -> None:
        """Mail another link to the address that `token` was made for. Raises LinkRefused, RequestRefused."""
        known = await self._links.find(token)
        purpose = known.purpose
        portal = self.portals.find(purpose.portal)
        await self._rates.require(portal.name, "client", client, portal.settings.limits.per_client)
        if purpose.invitation_id:
            await self._book.require(purpose)
        self._later(partial(self._mail_again, portal, purpose, base_url, language), portal, purpose.address)

    def _later(self, work: Work, portal: JoinPortal, address: Address) -> None:
        if self._background.full:
            raise RequestRefused(429, "too_many_requests", "too many requests; try again later")
        self._background.start(self._quietly(work, portal, address), portal.name)

    async def _quietly(self, work: Work, portal: JoinPortal, address: Address) -> None:
        """Nobody waits for it any more, and what went wrong is recorded."""
        with contextlib.suppress(GatewayError, StoreUnavailable):
            await self._audited(work, portal, address)

    async def _audited(self, work: Work, portal: JoinPortal, address: Address) -> None:
        try:
            await work()
        except GatewayError as error:
            self._audit.record(portal.name, f"refused_{_reason(error)}", address=address)
            raise
        except StoreUnavailable:
            self._audit.record(portal.name, "refused_state_unavailable", address=address)
            raise

    async def _mail_link(
        self, portal: JoinPortal, project_id: int, address: Address, base_url: str, language: LanguageTag
    ) -> None:
        await self._spend(portal, address)
        project = await portal.admission.joinable(address, project_id)
        purpose = LinkPurpose(portal.name, address.local, address.domain, project.id, project.company_id)
        await self._mail(portal, purpose, base_url, language)

    async def _mail_again(self, portal: JoinPortal, purpose: LinkPurpose, base_url: str, language: LanguageTag) -> None:
        await self._spend(portal, purpose.address)
        await portal.admission.joinable(purpose.address, purpose.project_id, purpose.company_id)
        await self._mail(portal, purpose, base_url, language)

    async def _spend(self, portal: JoinPortal, address: Address) -> None:
        limits = portal.settings.limits
        await self._rates.require(portal.name, "address", address.person, limits.per_address)
        await self._rates.require(portal.name, "portal", "", limits.per_portal)

    async def _mail(self, portal: JoinPortal, purpose: LinkPurpose, base_url: str, language: LanguageTag) -> None:
        assert self._mailer is not None, "settings without mail are refused"
        minutes = portal.settings.minutes
        link = await self._links.make(purpose, minutes * 60)
        if purpose.invitation_id:
            await self._links.end(await self._book.relinked(purpose, link), "superseded")
        url = f"{base_url}/accept?token={link.token}"
        try:
            await self._mailer.send(self._letters.join(purpose.address, portal.label, url, minutes, language))
        except MailUnavailable:
            raise StateUnavailable("the mail cannot be sent right now") from None
        self._record(purpose, "link_mailed")

    async def _check_invitation(self, known: KnownLink) -> None:
        """An invitation's link is good for as long as the invitation says so. Raises LinkRefused."""
        if known.purpose.invitation_id:
            invitation = await self._book.require(known.purpose)
            if invitation.link_id != known.link.link_id:
                raise LinkRefused("superseded", renewable=True)

    async def _book_as_joined(self, purpose: LinkPurpose) -> None:
        if purpose.invitation_id:
            # The person is in, whatever the book says.
            with contextlib.suppress(StoreUnavailable, LinkRefused):
                await self._book.joined(purpose)

    def _record(self, purpose: LinkPurpose, outcome: str) -> None:
        self._audit.record(purpose.portal, outcome, address=purpose.address, project_id=purpose.project_id)


def _reason(error: GatewayError) -> str:
    return error.reason if isinstance(error, AccessDenied) else error.code
