"""The page by which end users invite others, and the same as JSON for apps that show it in a page of their own."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from portal_gateway.errors import RequestRefused
from portal_gateway.joining.book import Invitation
from portal_gateway.joining.inviting import MAX_ADDRESSES, MAX_MESSAGE, SHARED_DAYS, Inviter, Inviting, Outcome
from portal_gateway.joining.keyring import Keyring
from portal_gateway.models import EndUser
from portal_gateway.portal.answers import Answers
from portal_gateway.portal.forms import Forms, is_json
from portal_gateway.portal.texts import outcome_text
from portal_gateway.wire.requests import is_navigation

RequireUser = Callable[[Request], Awaitable[EndUser]]
_BETWEEN = re.compile(r"[\s,;]+")


class InvitationPages:
    """Answers under `/{name}/invitations`. `origin` is the site's own, which links in mails begin with."""

    def __init__(
        self,
        inviting: Inviting,
        forms: Forms,
        answers: Answers,
        keyring: Keyring,
        require_user: RequireUser,
        origin: str,
    ) -> None:
        self._inviting = inviting
        self._forms = forms
        self._answers = answers
        self._keyring = keyring
        self._require_user = require_user
        self._origin = origin

    async def answer(self, request: Request, mount: str, name: str, rest: str) -> Response:
        """`rest` is what follows `/invitations`: nothing, or `/{id}/resend` and `/{id}/revoke`."""
        inviter = await self._inviting.inviter(name, await self._require_user(request))
        if request.method != "POST":
            _only_the_list(request, rest)
            return await self._listed(request, mount, inviter)
        if is_json(request):
            return await self._by_program(request, mount, inviter, rest)
        fields = await self._forms.read(request, self._purpose(inviter))
        if rest:
            await self._act(request, inviter, rest, mount)
            return self._answers.redirect(f"{mount}/{name}/invitations")
        addresses = [text for text in _BETWEEN.split(fields.get("addresses", "")) if text]
        project = fields.get("project")
        outcomes = await self._inviting.invite(
            inviter,
            addresses,
            int(project) if project and project.isdecimal() else None,
            fields.get("message", ""),
            self._origin + mount,
            self._answers.texts(request).tag,
        )
        return await self._page(request, mount, inviter, outcomes)

    async def _by_program(self, request: Request, mount: str, inviter: Inviter, rest: str) -> Response:
        body = await self._forms.read_json(request)
        if rest:
            outcome = await self._act(request, inviter, rest, mount)
            return self._answers.json({"outcome": outcome})
        addresses, project, message = _invitation(body)
        language = self._answers.texts(request).tag
        outcomes = await self._inviting.invite(inviter, addresses, project, message, self._origin + mount, language)
        return self._answers.json({"outcomes": [{"address": o.address, "outcome": o.outcome} for o in outcomes]})

    async def _act(self, request: Request, inviter: Inviter, rest: str, mount: str) -> str:
        """Resend or revoke; what came of it."""
        invitation_id, _, action = rest[1:].partition("/")
        if action == "resend":
            language = self._answers.texts(request).tag
            return (await self._inviting.resend(inviter, invitation_id, self._origin + mount, language)).outcome
        if action == "revoke":
            await self._inviting.revoke(inviter, invitation_id)
            return "revoked"
        raise RequestRefused(404, "no_such_page", "there is no such page")

    async def _listed(self, request: Request, mount: str, inviter: Inviter) -> Response:
        if is_navigation(request.scope["headers"]):
            return await self._page(request, mount, inviter, [])
        entries = await self._inviting.listed(inviter)
        return self._answers.json(
            {
                "projects": [{"id": project.id, "name": project.name} for project in inviter.projects],
                "invitations": [self._described(entry) for entry in entries],
            }
        )

    async def _page(self, request: Request, mount: str, inviter: Inviter, outcomes: list[Outcome]) -> Response:
        entries = await self._inviting.listed(inviter)
        texts = self._answers.texts(request)
        page = self._answers.page(
            request,
            "invitations.html",
            form_targets=("'self'",),
            portal=inviter.portal,
            projects=inviter.projects,
            invitations=[(entry, self._state(entry)) for entry in entries],
            outcomes=[(outcome.address, outcome_text(outcome.outcome, texts)) for outcome in outcomes],
            shared_links=[
                (project.name, self._inviting.shared_link(inviter, project, self._origin + mount))
                for project in inviter.projects
            ],
            shared_days=SHARED_DAYS,
            max_addresses=MAX_ADDRESSES,
            max_message=MAX_MESSAGE,
            form=self._forms.token(request, self._purpose(inviter)),
        )
        return self._forms.protect(request, page, mount)

    def _described(self, entry: Invitation) -> dict[str, Any]:
        return {
            "id": entry.id,
            "address": entry.address,
            "project": {"id": entry.project_id, "name": entry.project_name},
            "invited_by": entry.sender,
            "state": self._state(entry),
            "sent_at": entry.sent_at,
            "expires_at": entry.expires_at,
        }

    def _state(self, entry: Invitation) -> str:
        return "expired" if entry.state == "open" and not self._inviting.is_open(entry) else entry.state

    def _purpose(self, inviter: Inviter) -> str:
        return f"invitations {inviter.portal.name} {self._keyring.mark('user', inviter.user.id)}"


def _only_the_list(request: Request, rest: str) -> None:
    if rest:
        raise RequestRefused(405, "method_not_allowed", "use POST")
    if request.method not in ("GET", "HEAD"):
        raise RequestRefused(405, "method_not_allowed", "use GET or POST")


def _invitation(body: Mapping[str, Any]) -> tuple[list[str], int | None, str]:
    addresses, project, message = body.get("addresses"), body.get("project"), body.get("message", "")
    fits = isinstance(addresses, list) and all(isinstance(text, str) for text in addresses)
    fits = fits and isinstance(message, str) and (project is None or type(project) is int)
    if not fits:
        expected = '{"addresses": ["..."], "project": 123, "message": "..."}'
        raise RequestRefused(400, "bad_request", f"the body must be {expected}")
    return addresses or [], project, message
