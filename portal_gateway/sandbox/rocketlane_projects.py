"""`GET /projects`: filters, paging and the JSON of a project, as in Rocketlane's OpenAPI (REST 1.0)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from portal_gateway.sandbox.clock import Clock
from portal_gateway.sandbox.switches import RocketlaneSwitches
from portal_gateway.sandbox.world import Project, RocketlaneUser, RocketlaneWorkspace

MAX_PAGE = 100
PAGE_TOKEN_TTL_S = 15 * 60


class BadParameter(Exception):
    """A query parameter the API refuses; `field` is its name."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def matching_projects(
    workspace: RocketlaneWorkspace, query: Mapping[str, str], switches: RocketlaneSwitches
) -> list[Project]:
    """The projects a list call answers. Unknown parameters are ignored, and so is a bare `companyId`."""
    projects = list(workspace.projects)
    if query.get("includeArchive.eq", "false").lower() != "true":
        projects = [project for project in projects if not project.archived]
    for name in ("companyId", "customerId"):
        for operator in ("eq", "oneOf", "noneOf"):
            wanted = _company_ids(query, f"{name}.{operator}")
            if wanted is not None:
                projects = [p for p in projects if (p.company_id in wanted) is (operator != "noneOf")]
    bare = None if switches.bare_company_id_ignored else _company_ids(query, "companyId")
    return projects if bare is None else [project for project in projects if project.company_id in bare]


def _company_ids(query: Mapping[str, str], parameter: str) -> set[int] | None:
    if parameter not in query:
        return None
    try:
        return {int(value) for value in query[parameter].split(",")}
    except ValueError as error:
        raise BadParameter(parameter, f"{parameter} must be a company id") from error


@dataclass
class _Cursor:
    offset: int
    expires_at: float


class PageTokens:
    """Where the next page of a list begins; a token is good for 15 minutes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._cursors: dict[str, _Cursor] = {}

    def page(self, rows: list[Any], query: Mapping[str, str], list_url: str) -> dict[str, Any]:
        """The envelope with one page of `rows`. Raises BadParameter."""
        size, offset = _page_size(query), self._offset(query)
        token = self._new_token(offset + size) if offset + size < len(rows) else None
        pagination: dict[str, Any] = {
            "pageSize": size,
            "hasMore": token is not None,
            "totalRecordCount": len(rows),
        }
        if token is not None:
            pagination["nextPageToken"] = token
            pagination["nextPage"] = f"{list_url}?pageSize={size}&pageToken={token}"
        return {"data": rows[offset : offset + size], "pagination": pagination}

    def _offset(self, query: Mapping[str, str]) -> int:
        if "pageToken" not in query:
            return 0
        cursor = self._cursors.get(query["pageToken"])
        if cursor is None or cursor.expires_at <= self._clock.now():
            raise BadParameter("pageToken", "pageToken is not valid or has expired")
        return cursor.offset

    def _new_token(self, offset: int) -> str:
        now = self._clock.now()
        self._cursors = {token: cursor for token, cursor in self._cursors.items() if cursor.expires_at > now}
        token = secrets.token_urlsafe(12)
        self._cursors[token] = _Cursor(offset, now + PAGE_TOKEN_TTL_S)
        return token


def _page_size(query: Mapping[str, str]) -> int:
    try:
        size = int(query.get("pageSize", MAX_PAGE))
    except ValueError:
        size = 0
    if not 1 <= size <= MAX_PAGE:
        raise BadParameter("pageSize", f"pageSize must be between 1 and {MAX_PAGE}")
    return size


def project_json(workspace: RocketlaneWorkspace, project: Project, *, team_members: bool = True) -> dict[str, Any]:
    company = workspace.company(project.company_id)
    body: dict[str, Any] = {
        "projectId": project.id,
        "projectName": project.name,
        "archived": project.archived,
        "status": {"value": 2, "label": "In progress"},
        "customer": {
            "companyId": company.id,
            "companyName": company.name,
            "companyUrl": f"https://www.{company.domains[0]}" if company.domains else None,
        },
        "partnerCompanies": [],
        "owner": _member_json(workspace.user(project.owner_id)),
        "visibility": "EVERYONE",
        "dueDate": project.due.isoformat(),
    }
    if team_members:
        body["teamMembers"] = {
            "members": [_member_json(workspace.user(user_id)) for user_id in project.members],
            "customers": [_member_json(workspace.user(user_id)) for user_id in project.customers],
        }
    return body


def _member_json(user: RocketlaneUser) -> dict[str, Any]:
    # `emailId` here, `email` in the users API: the vendor's own difference.
    return {
        "emailId": user.email,
        "userId": user.id,
        "firstName": user.first_name,
        "lastName": user.last_name,
    }
