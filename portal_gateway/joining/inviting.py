"""Inviting from inside: end users with the permission let others into their own company's projects.

Rules of this file
- Whoever invites has the permission, and the project is open to them now; both are asked for each call.
- An invitation that is revoked lets nobody in, whatever link of it is about.
- What the inviting person writes is text: bounded, and without the address of a site.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from portal_gateway.admission.addresses import Address, parse_address
from portal_gateway.errors import AccessDenied, GatewayError, RequestRefused, StateUnavailable
from portal_gateway.joining.audit import Audit
from portal_gateway.joining.book import Invitation, InvitationBook
from portal_gateway.joining.link_states import LinkPurpose, LinkStates
from portal_gateway.joining.mails import Invited, Letters
from portal_gateway.joining.permission import InviteRule
from portal_gateway.joining.portals import JoinPortal, JoinPortals
from portal_gateway.joining.rates import Rates
from portal_gateway.joining.shared_links import SharedLinks
from portal_gateway.languages.catalogue import FALLBACK, LanguageTag
from portal_gateway.mail.base import Mailer, MailUnavailable
from portal_gateway.models import EndUser
from portal_gateway.providers.admission import JoinProject
from portal_gateway.settings.joining import InvitationSettings

MAX_ADDRESSES = 20
MAX_MESSAGE = 500
MAX_NAME = 80
# A shared link that is handed out on the page is good for so long.
SHARED_DAYS = 30
_SITE = re.compile(r"://|www\.", re.IGNORECASE)
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one address: `sent`, `added`, or the reason why not."""

    address: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Inviter:
    """An end user who may invite to these projects of one company."""

    portal: JoinPortal
    settings: InvitationSettings
    user: EndUser
    projects: tuple[JoinProject, ...]

    @property
    def company_id(self) -> int:
        return self.projects[0].company_id

    @property
    def name(self) -> str:
        """As the mails say it. People may call themselves what they like, so it leads nowhere either."""
        names = (" ".join(_CONTROLS.sub(" ", name or "").split()) for name in (self.user.name, self.user.email))
        return next((name[:MAX_NAME] for name in names if name and not _SITE.search(name)), "Somebody")

    def project(self, project_id: int | None) -> JoinProject:
        """The project of that id, or the only one. Raises RequestRefused."""
        if project_id is None and len(self.projects) == 1:
            return self.projects[0]
        for project in self.projects:
            if project.id == project_id:
                return project
        raise RequestRefused(400, "project_not_open", "choose one of your projects")


class Inviting:
    """The invitations of all portals. Raises StoreUnavailable throughout."""

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
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`mailer` may be missing if all portals let the vendor deliver; `clock` tells epoch seconds."""
        self._portals = portals
        self._rules = {
            name: InviteRule(invitations.allow)
            for name in portals.names
            if (invitations := portals.find(name).settings.invitations) is not None
        }
        self._links = links
        self._shared = shared
        self._book = book
        self._rates = rates
        self._mailer = mailer
        self._letters = Letters()
        self._audit = audit
        self._clock = clock

    def offers(self, name: str) -> bool:
        """Whether there are invitations at the portal `name`."""
        return name in self._rules

    async def may_invite(self, name: str, user: EndUser) -> bool:
        """Whether `user` has the permission at the portal `name`, if it has invitations."""
        return self.offers(name) and await self._rules[name].holds(user)

    async def inviter(self, name: str, user: EndUser) -> Inviter:
        """`user` as one who may invite. Raises AccessDenied, IncompleteIdentity, VendorError."""
        portal = self._portals.find(name)
        settings = portal.settings.invitations
        if settings is None or not await self.may_invite(name, user):
            self._audit.record(name, "refused_may_not_invite", by=user.id)
            raise AccessDenied("this user may not invite", "may_not_invite")
        return Inviter(portal, settings, user, await portal.admission.open_to(user))

    def shared_link(self, inviter: Inviter, project: JoinProject, base_url: str) -> str | None:
        """A link to the form by which colleagues ask to join, if the portal has one."""
        if not inviter.portal.settings.link:
            return None
        expires_at = int(self._clock()) + SHARED_DAYS * 86_400
        return f"{base_url}/{inviter.portal.name}/join/{self._shared.key(inviter.portal.name, project.id, expires_at)}"

    async def listed(self, inviter: Inviter) -> tuple[Invitation, ...]:
        """The invitations to the inviter's projects, the latest first."""
        mine = {project.id for project in inviter.projects}
        entries = await self._book.of_company(inviter.portal.name, inviter.company_id)
        return tuple(entry for entry in entries if entry.project_id in mine)

    def is_open(self, invitation: Invitation) -> bool:
        return self._book.is_open(invitation)

    async def invite(
        self,
        inviter: Inviter,
        addresses: Sequence[str],
        project_id: int | None,
        message: str,
        base_url: str,
        language: LanguageTag = FALLBACK,
    ) -> list[Outcome]:
        """What became of each address. Raises RequestRefused."""
        project = inviter.project(project_id)
        message = _plain(message)
        if not 0 < len(addresses) <= MAX_ADDRESSES:
            raise RequestRefused(400, "addresses", f"name 1 to {MAX_ADDRESSES} addresses")
        parsed = {text: parse_address(text) for text in dict.fromkeys(addresses)}
        # Together, so that a vendor that is slow is waited for once.
        sendings = [
            self._invited(inviter, project, text, address, message, base_url, language)
            for text, address in parsed.items()
        ]
        return list(await asyncio.gather(*sendings))

    async def resend(
        self, inviter: Inviter, invitation_id: str, base_url: str, language: LanguageTag = FALLBACK
    ) -> Outcome:
        """A new link for an invitation, in place of the one before. Raises RequestRefused."""
        entry = await self._own(inviter, invitation_id)
        if entry.state != "open":
            raise RequestRefused(409, f"invitation_{entry.state}", "this invitation is closed")
        project = inviter.project(entry.project_id)
        address = parse_address(entry.address)
        return await self._invited(inviter, project, entry.address, address, entry.message, base_url, language, entry)

    async def revoke(self, inviter: Inviter, invitation_id: str) -> None:
        """Raises RequestRefused if there is nothing to revoke."""
        entry = await self._own(inviter, invitation_id)
        revoked = await self._book.revoke(inviter.portal.name, inviter.company_id, entry.id)
        if revoked is None:
            raise RequestRefused(409, f"invitation_{entry.state}", "this invitation is closed")
        await self._links.end(revoked.link_id, "revoked")
        address = parse_address(entry.address)
        self._audit.record(
            inviter.portal.name, "revoked", address=address, project_id=entry.project_id, by=inviter.user.id
        )

    async def _own(self, inviter: Inviter, invitation_id: str) -> Invitation:
        for entry in await self.listed(inviter):
            if entry.id == invitation_id:
                return entry
        raise RequestRefused(404, "no_invitation", "there is no such invitation")

    async def _invited(
        self,
        inviter: Inviter,
        project: JoinProject,
        text: str,
        address: Address | None,
        message: str,
        base_url: str,
        language: LanguageTag,
        before: Invitation | None = None,
    ) -> Outcome:
        if address is None:
            return Outcome(text, "not_an_address")
        try:
            await self._spend(inviter, address)
            outcome = await self._delivered(inviter, project, address, message, base_url, language, before)
        except AccessDenied as error:
            outcome = error.reason
        except GatewayError as error:
            outcome = error.code
        self._audit.record(
            inviter.portal.name, f"invited_{outcome}", address=address, project_id=project.id, by=inviter.user.id
        )
        return Outcome(str(address), outcome)

    async def _spend(self, inviter: Inviter, address: Address) -> None:
        name, limits = inviter.portal.name, inviter.portal.settings.limits
        await self._rates.require(name, "sender", inviter.user.id, limits.per_sender)
        await self._rates.require(name, "address", address.person, limits.per_address)
        await self._rates.require(name, "portal", "", limits.per_portal)

    async def _delivered(
        self,
        inviter: Inviter,
        project: JoinProject,
        address: Address,
        message: str,
        base_url: str,
        language: LanguageTag,
        before: Invitation | None,
    ) -> str:
        portal, admission = inviter.portal, inviter.portal.admission
        entry = self._entry(
            inviter, project, address, message, before or await self._open_one(inviter, project, address)
        )
        if inviter.settings.deliver == "vendor":
            await admission.add(address, project.id, project.company_id)
            await self._book.write(portal.name, project.company_id, replace(entry, state="added"))
            return "added"
        await admission.joinable(address, project.id, project.company_id)
        purpose = LinkPurpose(portal.name, address.local, address.domain, project.id, project.company_id, entry.id)
        link = await self._links.make(purpose, inviter.settings.days * 86_400)
        superseded = entry.link_id
        await self._book.write(portal.name, project.company_id, replace(entry, link_id=link.link_id))
        await self._links.end(superseded, "superseded")
        invited = Invited(inviter.name, project.name, message)
        await self._send(inviter, address, f"{base_url}/accept?token={link.token}", invited, language)
        return "sent"

    async def _send(
        self, inviter: Inviter, address: Address, url: str, invited: Invited, language: LanguageTag
    ) -> None:
        assert self._mailer is not None, "settings without mail are refused"
        label, days = inviter.portal.label, inviter.settings.days
        letter = self._letters.invitation(address, label, url, days, invited, language)
        try:
            await self._mailer.send(letter)
        except MailUnavailable:
            raise StateUnavailable("the mail cannot be sent right now") from None

    async def _open_one(self, inviter: Inviter, project: JoinProject, address: Address) -> Invitation | None:
        for entry in await self.listed(inviter):
            if (entry.address, entry.project_id, entry.state) == (str(address), project.id, "open"):
                return entry
        return None

    def _entry(
        self, inviter: Inviter, project: JoinProject, address: Address, message: str, before: Invitation | None
    ) -> Invitation:
        now = int(self._clock())
        return Invitation(
            id=before.id if before is not None else secrets.token_hex(8),
            address=str(address),
            project_id=project.id,
            project_name=project.name,
            sender=inviter.name,
            message=message,
            state="open",
            link_id=before.link_id if before is not None else "",
            sent_at=now,
            expires_at=now + inviter.settings.days * 86_400,
        )


def _plain(message: str) -> str:
    """The message as it is mailed. Raises RequestRefused for one that is too long or leads somewhere."""
    text = _CONTROLS.sub("", message.replace("\r\n", "\n").replace("\r", "\n")).strip()
    if len(text) > MAX_MESSAGE:
        raise RequestRefused(400, "message_too_long", f"a message has at most {MAX_MESSAGE} characters")
    if _SITE.search(text):
        raise RequestRefused(400, "message_with_link", "a message cannot have links")
    return text
