"""The portal half of the Planhat emulator: what a minted link opens."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from portal_gateway.sandbox.clock import Clock
from portal_gateway.sandbox.emulator import Emulator
from portal_gateway.sandbox.pages import templates
from portal_gateway.sandbox.switches import PlanhatSwitches
from portal_gateway.sandbox.world import PlanhatEndUser, PlanhatTenant

SESSION_COOKIE = "planhat_portal"
REMEMBERED_S = 600.0  # how long a dead link can still be told from one that never was


class LinkRefused(Exception):
    """A redirect link that does not log in: status of the page, and the sentence on it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class _Link:
    end_user_id: str
    expires_at: float
    used: bool = False


class RedirectLinks:
    """The redirect tokens that were minted lately."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._links: dict[str, _Link] = {}

    def mint(self, end_user_id: str, ttl_s: float) -> str:
        now = self._clock.now()
        self._links = {t: link for t, link in self._links.items() if link.expires_at + REMEMBERED_S > now}
        token = secrets.token_urlsafe(32)
        self._links[token] = _Link(end_user_id, now + ttl_s)
        return token

    def redeem(self, token: str, *, single_use: bool) -> str:
        """The id of the end user this token logs in. Raises LinkRefused."""
        link = self._links.get(token)
        if link is None:
            raise LinkRefused(403, "This link is not valid.")
        if link.expires_at <= self._clock.now():
            raise LinkRefused(410, "This link has expired.")
        if link.used and single_use:
            raise LinkRefused(410, "This link has already been used.")
        link.used = True
        return link.end_user_id

    def clear(self) -> None:
        self._links.clear()


class PlanhatPortal:
    """Swaps a redirect token for a session, and shows the portal to whoever has one."""

    def __init__(self, emulator: Emulator[PlanhatTenant, PlanhatSwitches], links: RedirectLinks) -> None:
        self._emulator = emulator
        self._links = links

    async def redirect(self, request: Request) -> Response:
        single_use = self._emulator.switches.link_single_use
        try:
            end_user_id = self._links.redeem(request.path_params["token"], single_use=single_use)
        except LinkRefused as refusal:
            return _refusal_page(request, refusal.status, str(refusal))
        session = secrets.token_urlsafe(24)
        self._emulator.sessions[session] = end_user_id
        response = RedirectResponse("/portal", 303, {"Cache-Control": "no-store"})
        response.set_cookie(SESSION_COOKIE, session, httponly=True, samesite="lax")
        return response

    async def page(self, request: Request) -> Response:
        person = self._signed_in(request)
        if person is None:
            return _refusal_page(request, 401, "You are not signed in.")
        return _page(request, "portal.html", {"person": person})

    async def root(self, request: Request) -> Response:
        return RedirectResponse("/portal", 303)

    def _signed_in(self, request: Request) -> PlanhatEndUser | None:
        end_user_id = self._emulator.sessions.get(request.cookies.get(SESSION_COOKIE, ""))
        return self._emulator.records.find(end_user_id) if end_user_id else None


def portal_routes(emulator: Emulator[PlanhatTenant, PlanhatSwitches], links: RedirectLinks) -> list[Route]:
    """The routes a browser visits."""
    portal = PlanhatPortal(emulator, links)
    return [
        Route("/", portal.root),
        Route("/redirect/{token}", portal.redirect),
        Route("/portal", portal.page),
    ]


def _refusal_page(request: Request, status: int, message: str) -> Response:
    return _page(request, "refused.html", {"message": message}, status)


def _page(request: Request, name: str, context: dict[str, Any], status: int = 200) -> Response:
    headers = {"Cache-Control": "no-store"}
    return templates.TemplateResponse(request, f"planhat/{name}", context, status, headers)
