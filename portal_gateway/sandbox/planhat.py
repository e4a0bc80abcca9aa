"""An emulator of Planhat: the API calls a customer portal needs, and the portal they lead to.

What the vendor documents is done as documented: the token is bearer or basic, `GET /shareabletokens/…`,
links that live 30 seconds. What it does not document is a switch (`switches.PlanhatSwitches`).
"""

from __future__ import annotations

import secrets
from base64 import b64decode
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from portal_gateway.sandbox.calls import CallRecorder
from portal_gateway.sandbox.clock import Clock
from portal_gateway.sandbox.control import control_routes
from portal_gateway.sandbox.emulator import Emulator
from portal_gateway.sandbox.faults import faulty_response
from portal_gateway.sandbox.pages import static_files
from portal_gateway.sandbox.planhat_portal import RedirectLinks, portal_routes
from portal_gateway.sandbox.switches import PlanhatSwitches
from portal_gateway.sandbox.world import PlanhatEndUser, PlanhatTenant, World

DEFAULT_PAGE = 100
EVIL_HOST = "http://evil.example"
REASONS = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    429: "Too many requests",
    503: "Unavailable",
}

Endpoint = Callable[[Request], Awaitable[Response]]


class PlanhatEmulator(Emulator[PlanhatTenant, PlanhatSwitches]):
    """State of the emulated tenant, and its API."""

    def __init__(self, tenant: PlanhatTenant, clock: Clock, api_token: str) -> None:
        super().__init__(tenant, PlanhatSwitches(), clock)
        self.api_token = api_token
        self.links = RedirectLinks(clock)

    def reset(self) -> None:
        super().reset()
        self.links.clear()

    def routes(self) -> list[Route]:
        # A blank id falls through to the list route, as public clients of the API have found.
        return [
            Route("/shareabletokens/access/", self.guarded(self.list_end_users)),
            Route("/shareabletokens/access/{reference}", self.guarded(self.access)),
            Route("/shareabletokens/", self.guarded(self.list_end_users)),
            Route("/shareabletokens/{reference}", self.guarded(self.mint)),
            Route("/endusers", self.guarded(self.list_end_users)),
            Route("/endusers/", self.guarded(self.list_end_users)),
            Route("/endusers/{reference}", self.guarded(self.end_user)),
        ]

    def guarded(self, endpoint: Endpoint) -> Endpoint:
        """`endpoint` behind faults, authentication and the quota."""

        async def guarded_endpoint(request: Request) -> Response:
            fault = await faulty_response(request, self.switches, _error)
            if fault is not None:
                return fault
            if not self._is_authenticated(request):
                return _error(401)
            if not self.limit.take(self.switches.rate_limit_per_minute):
                return _error(429)
            return await endpoint(request)

        return guarded_endpoint

    async def access(self, request: Request) -> Response:
        person = self._sharee(request)
        if person is None:
            return _error(404)
        if person.archived or not person.portal_access:
            return self._no_access()
        return self._answer_access(True)

    async def mint(self, request: Request) -> Response:
        person = self._sharee(request)
        if person is None:
            return _error(404)
        if person.archived or not person.portal_access:
            return _error(404 if self.switches.no_access == "404" else 403)
        path = f"/redirect/{self.links.mint(person.id, self.switches.link_ttl_s)}"
        url = EVIL_HOST + path if self.switches.evil_link else self.url(request, path)
        match self.switches.mint_form:
            case "text":
                return PlainTextResponse(url)
            case "json":
                return JSONResponse(url)
            case "object":
                return JSONResponse({"url": url})

    async def end_user(self, request: Request) -> Response:
        person = self.records.find(request.path_params["reference"])
        return _error(404) if person is None else JSONResponse(_end_user_json(person))

    async def list_end_users(self, request: Request) -> Response:
        """Archived end users are not listed; the answer is a bare array."""
        people = [person for person in self.records.end_users if not person.archived]
        query = request.query_params
        if "email" in query and not self.switches.email_filter_ignored:
            people = [person for person in people if person.email.casefold() == query["email"].casefold()]
        if "companyId" in query:
            people = [person for person in people if person.company_id == query["companyId"]]
        try:
            offset, limit = int(query.get("offset", 0)), int(query.get("limit", DEFAULT_PAGE))
        except ValueError:
            return _error(400)
        rows = [_end_user_json(person) for person in people[offset : offset + limit]]
        return JSONResponse([_select(row, query.get("select")) for row in rows])

    def _is_authenticated(self, request: Request) -> bool:
        """Bearer token, or basic authentication with the token as user name and an empty password."""
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                credentials = b64decode(credentials, validate=True).decode()
            except ValueError:
                return False
            return secrets.compare_digest(credentials.encode(), f"{self.api_token}:".encode())
        return scheme.lower() == "bearer" and secrets.compare_digest(credentials.encode(), self.api_token.encode())

    def _sharee(self, request: Request) -> PlanhatEndUser | None:
        reference = request.path_params["reference"]
        if reference.startswith(("extid-", "srcid-")) and not self.switches.extid_supported:
            return None
        return self.records.find(reference)

    def _no_access(self) -> Response:
        match self.switches.no_access:
            case "false":
                return self._answer_access(False)
            case status:
                return _error(int(status))

    def _answer_access(self, access: bool) -> Response:
        match self.switches.access_form:
            case "json":
                return JSONResponse(access)
            case "text":
                return PlainTextResponse("true" if access else "false")
            case "object":
                return JSONResponse({"access": access})
            case "unknown":
                return JSONResponse({"portals": []})


def create_planhat(world: World, clock: Clock, *, api_token: str) -> Starlette:
    """The emulated vendor; its state is `app.state.emulator`."""
    emulator = PlanhatEmulator(world.planhat, clock, api_token)
    app = Starlette(
        routes=[
            *emulator.routes(),
            *portal_routes(emulator, emulator.links),
            control_routes(emulator),
            static_files("planhat"),
        ],
        middleware=[Middleware(CallRecorder, calls=emulator.calls, clock=clock)],
    )
    app.router.redirect_slashes = False
    app.state.emulator = emulator
    return app


def _error(status: int) -> Response:
    return JSONResponse({"message": REASONS.get(status, "Error")}, status)


def _select(row: dict[str, Any], names: str | None) -> dict[str, Any]:
    return {name: row[name] for name in names.split(",") if name in row} if names else row


def _end_user_json(person: PlanhatEndUser) -> dict[str, Any]:
    record = {
        "_id": person.id,
        "email": person.email,
        "firstName": person.first_name,
        "lastName": person.last_name,
        "name": person.name,
        "companyId": person.company_id,
        "companyName": person.company_name,
        "externalId": person.external_id,
        "sourceId": person.source_id,
        "archived": person.archived,
    }
    return {name: value for name, value in record.items() if value is not None}
