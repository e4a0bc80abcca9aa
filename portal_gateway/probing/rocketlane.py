"""What can be learned from a Rocketlane workspace by reading: do host and key fit, are filters honoured?"""

from __future__ import annotations

from collections.abc import Iterator

from portal_gateway.errors import IncompleteIdentity, VendorError
from portal_gateway.models import EndUser
from portal_gateway.probing.calls import Api, Told
from portal_gateway.probing.common import clock_finding, trouble
from portal_gateway.probing.findings import Finding
from portal_gateway.providers.mailbox import mailbox_of
from portal_gateway.providers.rocketlane_shapes import Page, Project, page_of, project_of
from portal_gateway.settings.portals import RocketlanePortal

_SKEW = "tokens carry `exp` by this clock: they are refused as expired, or live longer than meant; run NTP"


def probe_rocketlane(settings: RocketlanePortal, user: EndUser | None) -> Iterator[Finding]:
    """The findings; with `user`, also about that end user."""
    key = settings.api_key
    api = Api(settings.api_url, {"api-key": key.reveal()}, settings.timeout_s)
    remedy = f"check api_key ({key.source}) and the host, {settings.api_url} (api_url)"

    listed = api.get("/projects", {"pageSize": "5"})
    page, finding = _read_page("list of projects", listed, remedy)
    yield finding
    if listed.status:
        yield from clock_finding(listed, _SKEW, decides=True)
        yield _wrong_key(api.get("/projects", {"pageSize": "1"}, **{"api-key": "made-up-by-portal-gateway"}))
    yield from _projects(api, settings, page, user, remedy)
    portal = Api(settings.portal_url, {}, settings.timeout_s).get("/cp/embed")
    yield Finding(
        "ok" if portal.status else "problem",
        f"the embedded page without a token, {settings.portal_url}",
        portal.framing(),
    )


def _projects(
    api: Api, settings: RocketlanePortal, page: Page | None, user: EndUser | None, remedy: str
) -> Iterator[Finding]:
    company_id = _any_company(page)
    if user is not None:
        try:
            mailbox_of(user)
            company_id = int(settings.project.company_id.render(user))
        except (IncompleteIdentity, ValueError) as error:
            yield Finding(
                "problem", "company of the user", meaning=f"{error}: it must be Rocketlane's number; see --user"
            )
            return
    if company_id is not None:
        yield from _of_company(api, company_id, user, remedy)
    project_id = settings.project.id or (page.projects[0].id if page is not None and page.projects else None)
    if project_id is not None:
        yield _project(api.get(f"/projects/{project_id}"), remedy)


def _of_company(api: Api, company_id: int, user: EndUser | None, remedy: str) -> Iterator[Finding]:
    what = "projects of one company, by companyId.eq"
    told = api.get("/projects", {"companyId.eq": str(company_id), "includeArchive.eq": "false", "pageSize": "100"})
    page, finding = _read_page(what, told, remedy)
    if page is None:
        yield finding
        return
    own = [project for project in page.projects if project.company_id == company_id]
    answered = f"{told.brief()}, {len(page.projects)} projects, {len(own)} of them of the company"
    if len(own) < len(page.projects):
        yield Finding(
            "problem", what, answered, "the filter is ignored: others are left out here, but their pages are read"
        )
    else:
        yield Finding("ok", what, answered)
    if user is not None:
        yield _membership(own, mailbox_of(user))
    bare = api.get("/projects", {"companyId": str(company_id), "pageSize": "100"})
    yield _bare_filter(bare, company_id)


def _membership(projects: list[Project], mailbox: str) -> Finding:
    if not projects:
        return Finding(
            "note", "projects of the user's company", "none", "no access; is the company id Rocketlane's own?"
        )
    if all(project.customers is None for project in projects):
        return Finding("note", "the user among their customers", "the list does not tell; each is read on its own")
    count = sum(project.customers is not None and mailbox in project.customers for project in projects)
    return Finding("ok", "the user among their customers", f"of {count} of {len(projects)} projects")


def _bare_filter(told: Told, company_id: int) -> Finding:
    """The help article's parameter, which the OpenAPI does not know. Nothing here depends on it."""
    what = "the same by the help article's bare companyId, which is not used"
    try:
        page = page_of(told.value) if told.status == 200 else None
    except VendorError:
        page = None
    if page is None:
        return Finding("note", what, str(told), "refused")
    ignored = any(project.company_id != company_id for project in page.projects)
    return Finding("note", what, told.brief(), "ignored" if ignored else "honoured, or only this company has projects")


def _project(told: Told, remedy: str) -> Finding:
    what = "one project"
    if finding := trouble(what, told, f"is project.id right? {remedy}"):
        return finding
    try:
        project = project_of(told.value)
    except VendorError as error:
        return Finding("problem", what, str(told), f"{error.message}: nothing can be signed")
    if project.customers is None:
        return Finding("problem", what, str(told), "it does not tell its customers: may this key see them?")
    return Finding("ok", what, str(told))


def _read_page(what: str, told: Told, remedy: str) -> tuple[Page | None, Finding]:
    if finding := trouble(what, told, remedy):
        return None, finding
    try:
        return page_of(told.value), Finding("ok", what, str(told))
    except VendorError as error:
        return None, Finding("problem", what, str(told), error.message)


def _wrong_key(told: Told) -> Finding:
    what = "the list asked for with a wrong key"
    if told.status == 401:
        return Finding("ok", what, str(told), "read as trouble of our own, never as no access")
    return Finding("note", what, str(told), "a key that is revoked would look like this")


def _any_company(page: Page | None) -> int | None:
    """Some company that has a project, to try filters with."""
    return next((p.company_id for p in page.projects if p.company_id is not None), None) if page is not None else None
