"""The pages for those who come by e-mail: the form of a shared link, and what a magic link leads to."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from portal_gateway.admission.addresses import parse_address
from portal_gateway.errors import LinkRefused, RequestRefused, VendorError
from portal_gateway.joining.audit import Audit
from portal_gateway.joining.service import JoinService
from portal_gateway.portal.answers import Answers
from portal_gateway.portal.forms import Forms
from portal_gateway.portal.texts import error_key, text
from portal_gateway.wire.asgi import as_dict
from portal_gateway.wire.client_address import client_network
from portal_gateway.wire.trust import TrustedPeers

# Tokens are in the addresses of these pages, so no other page learns them.
NO_REFERRER = "no-referrer"


class JoinPages:
    """Answers under `/{name}/join` and `/accept`. `origin` is the site's own, which links in mails begin with."""

    def __init__(
        self, service: JoinService, forms: Forms, answers: Answers, audit: Audit, trusted: TrustedPeers, origin: str
    ) -> None:
        self._service = service
        self._forms = forms
        self._answers = answers
        self._audit = audit
        self._trusted = trusted
        self._origin = origin

    async def join(self, request: Request, mount: str, name: str, key: str) -> Response:
        """The form that asks for an address, and what it says once it is sent."""
        portal = self._service.portals.with_link(name)
        project_id = self._service.project_id(portal, key)
        if request.method != "POST":
            return self._form(request, mount, portal.label)
        fields = await self._forms.read(request, "join")
        if fields.get("website"):
            # No person sees this field, so no person has filled it in.
            self._audit.record(name, "refused_honeypot")
            return self._sent(request, portal.label)
        address = parse_address(fields.get("email", ""))
        if address is None:
            return self._form(request, mount, portal.label, email=fields.get("email", ""), status=422)
        client = client_network(as_dict(request.scope), self._trusted)
        language = self._answers.texts(request).tag
        await self._service.ask(
            portal, project_id, address, client=client, base_url=self._origin + mount, language=language
        )
        return self._sent(request, portal.label)

    async def accept(self, request: Request, mount: str) -> Response:
        """GET asks for a click, which mail scanners do not make; the click's POST uses the link up."""
        try:
            if request.method != "POST":
                return await self._confirm(request, mount, request.query_params.get("token", ""))
            fields = await self._forms.read(request, "accept")
            return await self._enter(request, mount, fields.get("token", ""))
        except LinkRefused as refused:
            if not refused.renewable:
                raise
            token = fields["token"] if request.method == "POST" else request.query_params["token"]
            return self._renewal(request, mount, refused, token)

    async def renew(self, request: Request, mount: str) -> Response:
        """Another link, to the address that the one before went to."""
        if request.method != "POST":
            raise RequestRefused(405, "method_not_allowed", "use POST")
        token = (await self._forms.read(request, "renew")).get("token", "")
        client = client_network(as_dict(request.scope), self._trusted)
        language = self._answers.texts(request).tag
        await self._service.renew(token, client=client, base_url=self._origin + mount, language=language)
        return self._sent(request, None)

    async def _confirm(self, request: Request, mount: str, token: str) -> Response:
        portal, known = await self._service.look(token)
        page = self._answers.page(
            request,
            "accept.html",
            referrer_policy=NO_REFERRER,
            # The vendor may lead on to another host of its own, and browsers hold a form's redirects against this list.
            form_targets=("'self'", "https:", portal.origin),
            portal=portal,
            address=str(known.purpose.address),
            token=token,
            form=self._forms.token(request, "accept"),
        )
        return self._forms.protect(request, page, mount)

    async def _enter(self, request: Request, mount: str, token: str) -> Response:
        try:
            url = await self._service.use(token)
        except VendorError as error:
            # The link is good as before.
            retry_url = f"{mount}/accept?token={token}"
            return self._answers.message(request, error_key(error), error.status, retry_url=retry_url)
        return self._answers.redirect(url, NO_REFERRER)

    def _renewal(self, request: Request, mount: str, refused: LinkRefused, token: str) -> Response:
        page = self._answers.page(
            request,
            "accept_refused.html",
            status=refused.status,
            referrer_policy=NO_REFERRER,
            form_targets=("'self'",),
            text=text(error_key(refused), self._answers.texts(request)),
            token=token,
            form=self._forms.token(request, "renew"),
        )
        return self._forms.protect(request, page, mount)

    def _form(
        self, request: Request, mount: str, label: str, *, email: str | None = None, status: int = 200
    ) -> Response:
        page = self._answers.page(
            request,
            "join.html",
            status=status,
            referrer_policy=NO_REFERRER,
            form_targets=("'self'",),
            label=label,
            email=email,
            form=self._forms.token(request, "join"),
        )
        return self._forms.protect(request, page, mount)

    def _sent(self, request: Request, label: str | None) -> Response:
        return self._answers.page(request, "join_sent.html", referrer_policy=NO_REFERRER, label=label)
