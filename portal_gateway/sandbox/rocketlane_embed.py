"""The embedded customer portal of the Rocketlane emulator: `/cp/embed?token=<jwt>`."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from portal_gateway.sandbox.pages import templates
from portal_gateway.sandbox.rocketlane_token import EmbedClaims, EmbedRefused, read_token
from portal_gateway.sandbox.world import Project, RocketlaneUser

if TYPE_CHECKING:
    from portal_gateway.sandbox.rocketlane import RocketlaneEmulator

SESSION_COOKIE = "rocketlane_portal"


class EmbeddedPortal:
    """Admits whoever brings a good token, and shows her project."""

    def __init__(self, emulator: RocketlaneEmulator) -> None:
        self._emulator = emulator
        self._workspace = emulator.records

    async def embed(self, request: Request) -> Response:
        token = request.query_params.get("token", "")
        try:
            claims = read_token(token, self._emulator.embed_keys, now=self._emulator.clock.now())
            self._check_first_use(token)
            user, project = self._admit(claims)
        except EmbedRefused as refusal:
            return self._page(request, "refused.html", {"reason": refusal.reason, "message": str(refusal)}, 401)
        session = secrets.token_urlsafe(24)
        self._emulator.sessions[session] = f"{user.id}/{project.id}"
        response = self._project_page(request, user, project)
        # Across sites this would need SameSite=None; Secure; Partitioned, which plain HTTP does not have.
        response.set_cookie(SESSION_COOKIE, session, httponly=True, samesite="lax")
        return response

    async def project(self, request: Request) -> Response:
        """The page of the session, where a reload without a token lands."""
        session = self._emulator.sessions.get(request.cookies.get(SESSION_COOKIE, ""))
        if session is None:
            context = {"reason": "no-session", "message": "You are not signed in."}
            return self._page(request, "refused.html", context, 401)
        user_id, project_id = map(int, session.split("/"))
        project = self._workspace.project(project_id)
        assert project is not None, "sessions end when the records are reset"
        return self._project_page(request, self._workspace.user(user_id), project)

    async def root(self, request: Request) -> Response:
        return RedirectResponse("/cp", 303)

    def _check_first_use(self, token: str) -> None:
        digest = hashlib.sha256(token.encode()).digest()
        if self._emulator.switches.token_single_use and digest in self._emulator.used_tokens:
            raise EmbedRefused("used")
        self._emulator.used_tokens.add(digest)

    def _admit(self, claims: EmbedClaims) -> tuple[RocketlaneUser, Project]:
        project = self._workspace.project(claims.project_id)
        if project is None:
            raise EmbedRefused("unknown-project")
        if project.archived:
            raise EmbedRefused("archived-project")
        user = self._workspace.user_by_email(claims.email)
        if user is not None and user.type != "CUSTOMER":
            raise EmbedRefused("not-a-customer")
        if user is None or user.id not in project.customers:
            user = self._join(claims, project, user)
        return user, project

    def _join(self, claims: EmbedClaims, project: Project, user: RocketlaneUser | None) -> RocketlaneUser:
        """Invite an absent user. Whether she belongs to this customer is for the signer to know."""
        switches = self._emulator.switches
        if not claims.invite_if_absent:
            raise EmbedRefused("absent")
        if not switches.jwt_joining:
            raise EmbedRefused("joining-off")
        domain = claims.email.rpartition("@")[2].lower()
        if switches.customer_domains_only and domain not in self._workspace.company(project.company_id).domains:
            raise EmbedRefused("domain")
        user = user or self._workspace.new_customer(claims.email, project)
        self._workspace.invite(project, user, via="token", at=self._emulator.clock.now())
        return user

    def _project_page(self, request: Request, user: RocketlaneUser, project: Project) -> Response:
        company = self._workspace.company(project.company_id)
        owner = self._workspace.user(project.owner_id)
        context = {"user": user, "project": project, "company": company, "owner": owner}
        return self._page(request, "project.html", context)

    def _page(self, request: Request, name: str, context: dict[str, Any], status: int = 200) -> Response:
        headers = {"Cache-Control": "no-store"}
        switches = self._emulator.switches
        if switches.frame_ancestors:
            headers["Content-Security-Policy"] = f"frame-ancestors {switches.frame_ancestors}"
        if switches.x_frame_options:
            headers["X-Frame-Options"] = switches.x_frame_options
        return templates.TemplateResponse(request, f"rocketlane/{name}", context, status, headers)


def embed_routes(emulator: RocketlaneEmulator) -> list[Route]:
    """The routes a browser visits."""
    portal = EmbeddedPortal(emulator)
    return [Route("/", portal.root), Route("/cp", portal.project), Route("/cp/embed", portal.embed)]
