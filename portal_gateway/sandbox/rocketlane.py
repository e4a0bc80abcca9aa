"""An emulator of Rocketlane: the REST API 1.0 calls a customer portal needs, and the portal embed."""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from portal_gateway.sandbox.calls import CallRecorder
from portal_gateway.sandbox.clock import Clock
from portal_gateway.sandbox.control import control_routes
from portal_gateway.sandbox.emulator import Emulator
from portal_gateway.sandbox.faults import faulty_response
from portal_gateway.sandbox.pages import static_files
from portal_gateway.sandbox.rate_limit import RateLimit
from portal_gateway.sandbox.rocketlane_embed import embed_routes
from portal_gateway.sandbox.rocketlane_projects import (
    BadParameter,
    PageTokens,
    matching_projects,
    project_json,
)
from portal_gateway.sandbox.rocketlane_token import EmbedKeys
from portal_gateway.sandbox.switches import RocketlaneSwitches
from portal_gateway.sandbox.world import Project, RocketlaneUser, RocketlaneWorkspace, World

ERROR_CODES = {
    400: "BAD_REQUEST",
    401: "NOT_AUTHORIZED",
    404: "NOT_FOUND",
    429: "TOO_MANY_REQUEST",
}

Endpoint = Callable[[Request], Awaitable[Response]]


class RocketlaneEmulator(Emulator[RocketlaneWorkspace, RocketlaneSwitches]):
    """State of the emulated workspace, and its API."""

    def __init__(self, workspace: RocketlaneWorkspace, clock: Clock, api_key: str, embed_keys: EmbedKeys) -> None:
        super().__init__(workspace, RocketlaneSwitches(), clock)
        self.api_key = api_key
        self.embed_keys = embed_keys
        self.list_limit = RateLimit(clock)
        self.page_tokens = PageTokens(clock)
        self.used_tokens: set[bytes] = set()

    def reset(self) -> None:
        super().reset()
        self.list_limit = RateLimit(self.clock)
        self.page_tokens = PageTokens(self.clock)
        self.used_tokens.clear()

    def routes(self) -> Mount:
        return Mount(
            "/api/1.0",
            routes=[
                Route("/projects", self.guarded(self.list_projects, is_list=True)),
                Route("/projects/{project_id}", self.guarded(self.get_project)),
                Route("/projects/{project_id}/add-members", self.guarded(self.add_members), methods=["POST"]),
                Route("/users", self.guarded(self.list_users, is_list=True)),
            ],
        )

    def guarded(self, endpoint: Endpoint, *, is_list: bool = False) -> Endpoint:
        """`endpoint` behind faults, the API key and the limits; every answer carries X-Request-Id."""

        async def guarded_endpoint(request: Request) -> Response:
            response = await faulty_response(request, self.switches, self._error) or self._refusal(request, is_list)
            if response is None:
                try:
                    response = await endpoint(request)
                except BadParameter as error:
                    response = self._error(400, str(error), error.field)
            response.headers["X-Request-Id"] = secrets.token_hex(8)
            return response

        return guarded_endpoint

    async def list_projects(self, request: Request) -> Response:
        projects = matching_projects(self.records, request.query_params, self.switches)
        team_members = self.switches.team_members_in_lists
        rows = [project_json(self.records, project, team_members=team_members) for project in projects]
        return self._page(request, rows)

    async def get_project(self, request: Request) -> Response:
        project = self._project(request)
        return self._error(404) if project is None else JSONResponse(project_json(self.records, project))

    async def add_members(self, request: Request) -> Response:
        """Customers who are not known yet become invited users of the project's company."""
        project = self._project(request)
        if project is None:
            return self._error(404)
        for entry in _new_customers(await request.body()):
            email, names = entry["emailId"], (entry.get("firstName", ""), entry.get("lastName", ""))
            user = self.records.user_by_email(email) or self.records.new_customer(email, project, *names)
            self.records.invite(project, user, via="api", at=self.clock.now())
        return JSONResponse(project_json(self.records, project))

    async def list_users(self, request: Request) -> Response:
        query, users = request.query_params, self.records.users
        if "email.eq" in query:
            users = [user for user in users if user.email.casefold() == query["email.eq"].casefold()]
        if "type.eq" in query:
            users = [user for user in users if user.type == query["type.eq"]]
        with_company = "company" in query.get("includeFields", "").split(",")
        return self._page(request, [self._user_json(user, with_company) for user in users])

    def _project(self, request: Request) -> Project | None:
        try:
            return self.records.project(int(request.path_params["project_id"]))
        except ValueError as error:
            raise BadParameter("projectId", "projectId must be a number") from error

    def _page(self, request: Request, rows: list[Any]) -> Response:
        return JSONResponse(self.page_tokens.page(rows, request.query_params, self.url(request, request.url.path)))

    def _user_json(self, user: RocketlaneUser, with_company: bool) -> dict[str, Any]:
        body: dict[str, Any] = {
            "userId": user.id,
            "email": user.email,
            "firstName": user.first_name,
            "lastName": user.last_name,
            "type": user.type,
            "status": user.status,
        }
        if with_company and user.company_id is not None:
            company = self.records.company(user.company_id)
            body["company"] = {"companyId": company.id, "companyName": company.name}
        return body

    def _refusal(self, request: Request, is_list: bool) -> Response | None:
        if not secrets.compare_digest(request.headers.get("api-key", "").encode(), self.api_key.encode()):
            return self._error(401)
        within_limits = self.limit.take(self.switches.rate_limit_per_minute)
        if is_list:
            within_limits = self.list_limit.take(self.switches.list_rate_limit_per_minute) and within_limits
        return None if within_limits else self._error(429)

    def _error(self, status: int, message: str | None = None, field: str | None = None) -> Response:
        code = ERROR_CODES.get(status, "INTERNAL_SERVER_ERROR")
        error = {"errorCode": code, "errorMessage": message or code.replace("_", " ").capitalize()}
        if field is not None:
            error["field"] = field
        headers = {}
        if status == 429:
            headers["X-Retry-After"] = str(math.ceil(self.limit.resumes_at() * 1000))
        return JSONResponse({"errors": [error]}, status, headers)


def create_rocketlane(world: World, clock: Clock, *, api_key: str, embed_keys: EmbedKeys) -> Starlette:
    """The emulated vendor; its state is `app.state.emulator`."""
    emulator = RocketlaneEmulator(world.rocketlane, clock, api_key, embed_keys)
    app = Starlette(
        routes=[
            emulator.routes(),
            *embed_routes(emulator),
            control_routes(emulator),
            static_files("rocketlane"),
        ],
        middleware=[Middleware(CallRecorder, calls=emulator.calls, clock=clock)],
    )
    app.state.emulator = emulator
    return app


def _new_customers(body: bytes) -> list[dict[str, str]]:
    """The `customers` of an add-members body, each with an `emailId`."""
    try:
        customers = json.loads(body).get("customers", [])
        if all(isinstance(entry["emailId"], str) for entry in customers):
            return list(customers)
    except (ValueError, AttributeError, KeyError, TypeError):
        pass
    raise BadParameter("customers", "every customer needs an emailId")
