"""The routes under the mount path, as one small ASGI app."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import ClassVar
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response

from portal_gateway.access.directory import Directory, Portal
from portal_gateway.errors import (
    AccessDenied,
    ChoiceNeeded,
    GatewayError,
    IncompleteIdentity,
    NotSignedIn,
    UnknownPortal,
)
from portal_gateway.identity.chain import IdentityChain
from portal_gateway.joining.composition import Joining
from portal_gateway.models import Access, Choice, EndUser, Verdict
from portal_gateway.observe.events import Events
from portal_gateway.portal.answers import Answers
from portal_gateway.portal.assets import Assets
from portal_gateway.portal.doors import Doors
from portal_gateway.portal.hooks import Hooks
from portal_gateway.portal.refusals import Refusals
from portal_gateway.portal.sso import ReturnAddresses
from portal_gateway.providers.base import Purpose
from portal_gateway.settings import Settings
from portal_gateway.store.base import Store
from portal_gateway.wire import headers as h
from portal_gateway.wire.asgi import Receive, Scope, Send, as_dict
from portal_gateway.wire.requests import mint_refusal
from portal_gateway.wire.trust import TrustedPeers

_TAB = (b"document",)
_FRAME = (b"iframe", b"frame", b"document")


class PortalRoutes:
    """Answers every request under the mount path; nothing below it reaches the host app."""

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        identities: IdentityChain,
        assets: Assets,
        store: Store,
        events: Events,
        trusted: TrustedPeers,
        snippet_headers: Callable[[Scope], Awaitable[Mapping[str, str]]],
        joining: Joining | None = None,
    ) -> None:
        """`snippet_headers` finds the snippets of the page that a proxy asks about, and never raises."""
        self._directory = directory
        self._identities = identities
        self._assets = assets
        self._events = events
        self._snippet_headers = snippet_headers
        self._answers = Answers(settings, assets, events)
        self._refusals = Refusals(settings, self._answers, events)
        self._hooks = Hooks(settings, directory, store, events)
        self._returns = {name: ReturnAddresses(sso) for name, sso in settings.sso_portals.items()}
        self._doors = None
        if joining is not None:
            self._doors = Doors(joining, self._answers, trusted, self._require_user, settings.public_url or "")

    async def __call__(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        """Answer a request for `path`, which is what follows the mount path, with its leading slash."""
        request = Request(scope, receive)
        try:
            response = await self._route(request, path or "/")
        except GatewayError as error:
            response = self._refusals.answer(request, error)
        except Exception as error:
            self._events.failed(error, "portal_route")
            response = self._refusals.answer(request, GatewayError("internal error"))
        await response(scope, receive, send)

    def close(self) -> None:
        """Do at once what a hook has put off."""
        self._hooks.close()

    async def _route(self, request: Request, path: str) -> Response:
        if path == "/-/snippets":
            return self._answers.headers_only(await self._snippet_headers(as_dict(request.scope)))
        if path == "/-/forget":
            return await self._hooks.forget(request)
        if path.startswith("/-/hooks/"):
            return await self._hooks.event(request, path.removeprefix("/-/hooks/"))
        if self._doors is not None:
            answer = await self._doors.answer(request, self._mount(request), path)
            if answer is not None:
                return answer
        if request.method not in ("GET", "HEAD"):
            return self._answers.problem(405, "method_not_allowed", "Use GET", {"allow": "GET, HEAD"})
        asset = self._assets.answer(path, request.scope["headers"])
        if asset is not None:
            return asset
        if path == "/":
            return await self._picker(request)
        name, _, action = path[1:].partition("/")
        action_answer = self._actions.get(action)
        portal = self._directory.find(name)
        if action_answer is None:
            raise UnknownPortal("there is no such page")
        if action == "" and not path.endswith("/"):
            query = f"?{request.url.query}" if request.url.query else ""
            return self._answers.redirect(f"{self._mount(request)}/{name}/{query}")
        return await action_answer(self, request, portal)

    async def _picker(self, request: Request) -> Response:
        user = await self._require_user(request)
        portals = self._directory.portals
        decisions = await asyncio.gather(*(self._directory.decide(portal, user) for portal in portals))
        accesses = [(portal, decision.access) for portal, decision in zip(portals, decisions, strict=True)]
        open_ = [portal for portal, access in accesses if access.granted]
        away = [portal for portal, access in accesses if _is_away(access)]
        if not open_ and not away:
            raise AccessDenied("no portal is open to this user", "no_portal")
        if len(open_) == 1 and not away:
            return self._answers.redirect(f"{self._mount(request)}/{open_[0].name}/")
        return self._answers.page(request, "picker.html", portals=open_, away=away)

    async def _portal_page(self, request: Request, portal: Portal) -> Response:
        user = await self._require_user(request)
        decision = await self._directory.require(portal, user)
        choices, chosen = decision.access.choices, request.query_params.get("project")
        if choices and chosen not in {choice.id for choice in choices}:
            return self._chooser(request, portal, choices)
        query = f"?project={quote(chosen)}" if choices and chosen else ""
        base, embeds = f"{self._mount(request)}/{portal.name}", portal.provider.embeds
        return self._answers.page(
            request,
            "portal.html",
            frame_origin=portal.provider.frame_origin if embeds else None,
            referrer_policy=portal.referrer_policy,
            portal=portal,
            embeds=embeds,
            launch_url=f"{base}/launch{query}",
            embed_url=f"{base}/embed{query}",
            frame_attributes=portal.frame_attributes,
            project=chosen if choices else None,
            choices=choices,
            invites=self._doors is not None and await self._doors.invites(portal.name, user),
        )

    async def _launch(self, request: Request, portal: Portal) -> Response:
        return await self._enter(request, portal, "link", _TAB)

    async def _embed(self, request: Request, portal: Portal) -> Response:
        if h.first(request.scope["headers"], b"sec-fetch-site") == b"cross-site":
            # Somebody else's page frames a portal of whoever visits it.
            raise AccessDenied("this portal is embedded in pages of its own site only", "cross_site_frame")
        return await self._enter(request, portal, "embed", _FRAME)

    async def _sso(self, request: Request, portal: Portal) -> Response:
        returns = self._returns.get(portal.name)
        if returns is None:
            raise UnknownPortal("there is no such page")
        address = returns.asked_for(request.scope["query_string"])
        if address is None:
            return await self._launch(request, portal)
        return await self._enter(request, portal, "token", _TAB, partial(returns.with_token, address))

    async def _enter(
        self,
        request: Request,
        portal: Portal,
        purpose: Purpose,
        destinations: tuple[bytes, ...],
        lead_to: Callable[[str], str] = str,
    ) -> Response:
        """303 to what was minted, or to what `lead_to` makes of it."""
        refusal = mint_refusal(request.method, request.scope["headers"], destinations)
        if refusal is not None:
            self._events.refused(portal.name, refusal)
            if refusal == "method":
                return self._answers.problem(405, refusal, _REFUSALS[refusal], {"allow": "GET"})
            return self._answers.problem(400, refusal, _REFUSALS[refusal])
        user = await self._require_user(request)
        try:
            minted = await self._directory.mint(portal, user, purpose, request.query_params.get("project"))
        except ChoiceNeeded:
            decision = await self._directory.require(portal, user)
            return self._chooser(request, portal, decision.access.choices)
        return self._answers.redirect(lead_to(minted), portal.referrer_policy)

    async def _access(self, request: Request, portal: Portal) -> Response:
        answer: dict[str, object] = {
            "portal": portal.name,
            "access": False,
            "label": portal.label,
            "launch_url": None,
            "embed_url": None,
            "expires_in": 0,
        }
        user = await self._identities.identify(as_dict(request.scope))
        if user is not None:
            decision = await self._directory.decide(portal, user)
            base = f"{self._mount(request)}/{portal.name}"
            answer["access"] = _ACCESS[decision.access.verdict]
            answer["expires_in"] = int(decision.expires_in_s)
            if decision.access.granted:
                answer.update(launch_url=f"{base}/launch", embed_url=f"{base}/embed", frame=_frame(portal))
        return self._answers.json(answer)

    _actions: ClassVar[dict[str, Callable[[PortalRoutes, Request, Portal], Awaitable[Response]]]] = {
        "": _portal_page,
        "launch": _launch,
        "embed": _embed,
        "sso": _sso,
        "access": _access,
    }

    async def _require_user(self, request: Request) -> EndUser:
        user = await self._identities.identify(as_dict(request.scope))
        if user is None:
            raise NotSignedIn("nobody is signed in")
        return user

    def _chooser(self, request: Request, portal: Portal, choices: tuple[Choice, ...]) -> Response:
        kept = [(key, value) for key, value in request.query_params.multi_items() if key != "project"]
        # Relative: the choice stays where it was asked for, also inside a frame.
        links = [{"label": choice.label, "url": f"?{urlencode([*kept, ('project', choice.id)])}"} for choice in choices]
        return self._answers.page(request, "chooser.html", portal=portal, choices=links)

    def _mount(self, request: Request) -> str:
        return self._answers.mount(request)


_ACCESS = {Verdict.GRANTED: True, Verdict.DENIED: False, Verdict.UNKNOWN: None}

_REFUSALS = {
    "method": "A signed link is made for GET only",
    "prefetch": "A signed link is not made ahead of the click",
    "not_a_navigation": "Open this address as a link or iframe; a script cannot follow it",
}


def _frame(portal: Portal) -> dict[str, object]:
    """What `<portal-frame>` needs to know."""
    frame = portal.frame
    return {"attributes": portal.frame_attributes, "timeout_s": frame.timeout_s, "renew_s": frame.renew_s}


def _is_away(access: Access) -> bool:
    """Whether the vendor did not say; data that the user lacks is another matter, and does not pass."""
    return access.verdict is Verdict.UNKNOWN and access.reason != IncompleteIdentity.code
