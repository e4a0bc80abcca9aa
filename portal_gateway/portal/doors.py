"""Which page of joining answers a path."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from portal_gateway.errors import RequestRefused, StateUnavailable, UnknownPortal
from portal_gateway.joining.composition import Joining
from portal_gateway.models import EndUser
from portal_gateway.portal.answers import Answers
from portal_gateway.portal.forms import Forms
from portal_gateway.portal.invitations import InvitationPages, RequireUser
from portal_gateway.portal.join import JoinPages
from portal_gateway.store.base import StoreUnavailable
from portal_gateway.wire.trust import TrustedPeers


class Doors:
    """The pages of joining. `origin` is the site's own."""

    def __init__(
        self, joining: Joining, answers: Answers, trusted: TrustedPeers, require_user: RequireUser, origin: str
    ) -> None:
        forms = Forms(joining.keyring, origin)
        self._inviting = joining.inviting
        self._join = JoinPages(joining.service, forms, answers, joining.audit, trusted, origin)
        self._invitations = InvitationPages(joining.inviting, forms, answers, joining.keyring, require_user, origin)

    async def invites(self, name: str, user: EndUser) -> bool:
        """Whether `user` may invite others to the portal `name`."""
        return await self._inviting.may_invite(name, user)

    async def answer(self, request: Request, mount: str, path: str) -> Response | None:
        """The response for a path below the mount path, or None if it is no door's."""
        name, _, rest = path[1:].partition("/")
        action, slash, detail = rest.partition("/")
        if not (path in ("/accept", "/accept/renew") or action in ("join", "invitations")):
            return None
        if request.method not in ("GET", "HEAD", "POST"):
            raise RequestRefused(405, "method_not_allowed", "use GET or POST")
        try:
            if path == "/accept":
                return await self._join.accept(request, mount)
            if path == "/accept/renew":
                return await self._join.renew(request, mount)
            if action == "join":
                return await self._join.join(request, mount, name, detail)
            if not self._inviting.offers(name):
                raise UnknownPortal("there is no such page")
            return await self._invitations.answer(request, mount, name, slash + detail)
        except StoreUnavailable:
            raise StateUnavailable("what is known of links cannot be looked up right now") from None
