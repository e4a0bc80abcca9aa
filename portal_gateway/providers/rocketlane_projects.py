"""Reading projects: one afresh, or a company's, remembered a while since lists are limited to 60 a minute."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from cachetools import TTLCache

from portal_gateway.errors import VendorError
from portal_gateway.providers.alerts import Alerts
from portal_gateway.providers.answers import json_body
from portal_gateway.providers.client import VendorClient
from portal_gateway.providers.guard import Guard, Kind
from portal_gateway.providers.rocketlane_shapes import Page, Project, page_of, project_of
from portal_gateway.providers.urgency import Urgency, urgency

LIST_TTL_S = 120.0
MAX_COMPANIES = 10_000
PAGE_SIZE = 100
MAX_PAGES = 20
# Where lists do not tell a project's customers, each is read on its own; a company has few.
MAX_SINGLE_READS = 50

ProjectsTask: TypeAlias = "asyncio.Task[tuple[Project, ...]]"


@dataclass(frozen=True, slots=True)
class _Reading:
    """A list that was read, or is being read for somebody who is so urgent."""

    task: ProjectsTask
    urgency: Urgency

    def serves(self, asking: Urgency) -> bool:
        return self.task.done() or self.urgency <= asking


class ProjectReader:
    """Projects as the API tells them now (`read`) or told them lately (`of_company`)."""

    def __init__(
        self, client: VendorClient, guard: Guard, alerts: Alerts, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._guard = guard
        self._alerts = alerts
        # Whoever asks while a list is being read waits for that one, unless that one waits behind others for its turn;
        # the task is nobody's own, so that a waiter who leaves does not end it for the others.
        self._lists: TTLCache[int, _Reading] = TTLCache(MAX_COMPANIES, LIST_TTL_S, clock)
        self._reading: set[ProjectsTask] = set()

    async def read(self, project_id: int) -> Project | None:
        """The project, or None if there is none. Raises VendorError."""
        return await self._guard.run(lambda: self._read(project_id))

    async def of_company(self, company_id: int) -> tuple[Project, ...]:
        """The company's projects that are not archived, by name: all, or VendorError."""
        reading = self._lists.get(company_id)
        if reading is None or not reading.serves(urgency.get()):
            reading = self._lists[company_id] = self._begun(company_id)
        return await asyncio.shield(reading.task)

    def forget(self, company_id: int) -> None:
        """Read the company's list again next time."""
        self._lists.pop(company_id, None)

    def forget_all(self) -> None:
        """Read every list again next time."""
        self._lists.clear()

    async def aclose(self) -> None:
        """Cancel what is being read."""
        reading = list(self._reading)
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)

    def _begun(self, company_id: int) -> _Reading:
        task = asyncio.create_task(self._list(company_id))
        self._reading.add(task)
        task.add_done_callback(lambda done: self._settle(company_id, done))
        return _Reading(task, urgency.get())

    def _settle(self, company_id: int, task: ProjectsTask) -> None:
        self._reading.discard(task)
        failed = task.cancelled() or task.exception() is not None
        reading = self._lists.get(company_id)
        if failed and reading is not None and reading.task is task:
            self.forget(company_id)

    async def _read(self, project_id: int) -> Project | None:
        answer = await self._client.request("GET", f"/projects/{project_id}")
        if answer.status == 404:
            return None
        project = project_of(json_body(answer))
        if project.id != project_id:
            raise VendorError("the vendor answered with another project than was asked for")
        if project.customers is None:
            raise VendorError("the vendor does not tell who the project's customers are")
        return project

    async def _list(self, company_id: int) -> tuple[Project, ...]:
        own: dict[int, Project] = {}
        tokens: set[str] = set()
        token: str | None = None
        for _ in range(MAX_PAGES):
            page = await self._guard.run(partial(self._page, company_id, token), Kind.LIST)
            own |= {p.id: p for p in self._of_this_company(page, company_id) if not p.archived}
            token = page.next_token
            if token is None:
                projects = await self._with_customers(list(own.values()))
                return tuple(sorted(projects, key=lambda p: (p.name.casefold(), p.id)))
            if token in tokens:
                raise VendorError("the vendor's list of projects goes round in circles")
            tokens.add(token)
        raise VendorError(f"the vendor's list of projects has more than {MAX_PAGES} pages")

    async def _page(self, company_id: int, token: str | None) -> Page:
        # The help article's bare `companyId` is not in the OpenAPI: an unknown parameter may be ignored.
        params: Mapping[str, str] = {
            "companyId.eq": str(company_id),
            "includeArchive.eq": "false",
            "pageSize": str(PAGE_SIZE),
            **({"pageToken": token} if token is not None else {}),
        }
        return page_of(json_body(await self._client.request("GET", "/projects", params=params)))

    def _of_this_company(self, page: Page, company_id: int) -> list[Project]:
        own = [project for project in page.projects if project.company_id == company_id]
        if len(own) < len(page.projects):
            self._alerts.raised(
                "filter_ignored", "the list of projects holds other companies' projects, which were left out"
            )
        return own

    async def _with_customers(self, projects: list[Project]) -> list[Project]:
        untold = [project.id for project in projects if project.customers is None]
        if len(untold) > MAX_SINGLE_READS:
            raise VendorError("the vendor's list does not tell the customers of too many projects")
        read = {p.id: p for p in await asyncio.gather(*map(self.read, untold)) if p is not None}
        told = [read.get(project.id, project) for project in projects]
        return [project for project in told if project.customers is not None]
