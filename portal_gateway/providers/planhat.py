"""Planhat: access and the signed link are both asked of its API.

help.planhat.com/en/articles/12918981 documents the two calls and the 30 seconds a link lives, but neither the
form of the answers nor what a refusal looks like; what counts as which is decided in `planhat_answers`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from cachetools import TTLCache

from portal_gateway.errors import AccessDenied, IncompleteIdentity, VendorError, VendorUnreadable
from portal_gateway.models import Access, EndUser
from portal_gateway.observe.events import Events
from portal_gateway.providers.alerts import Alerts
from portal_gateway.providers.answers import json_body
from portal_gateway.providers.base import Purpose
from portal_gateway.providers.client import VendorAnswer, VendorClient
from portal_gateway.providers.guard import Guard, Kind
from portal_gateway.providers.mailbox import mailbox_of
from portal_gateway.providers.planhat_answers import AccessForm, access_verdict, end_user_id, redirect_link
from portal_gateway.settings.portals import PlanhatPortal
from portal_gateway.store.base import Store
from portal_gateway.wire.urls import origin_of, path_segment

MAX_ANSWER_BYTES = 256 * 1024
# An address with more end users than this is none: the filter is being ignored.
MAX_NAMESAKES = 100
ID_TTL_S = 3600.0
MAX_IDS = 50_000

_REFUSALS = {403: "vendor_forbidden", 404: "vendor_not_found"}


class PlanhatProvider:
    """A Planhat portal. It is linked to, not framed: nothing says that its pages may be."""

    embeds = False

    def __init__(
        self,
        name: str,
        settings: PlanhatPortal,
        clock: Callable[[], float] = time.monotonic,
        *,
        store: Store | None = None,
        events: Events | None = None,
    ) -> None:
        self._alerts = Alerts(name, events or Events())
        self.frame_origin = origin_of(settings.portal_base) or ""
        self._settings = settings
        self._form = AccessForm(settings.access_keys, settings.access_yes, settings.access_no)
        self._client = VendorClient(
            settings.api_base,
            {"Authorization": f"Bearer {settings.api_token.reveal()}"},
            self._alerts,
            timeout_s=settings.timeout_s,
            max_bytes=MAX_ANSWER_BYTES,
        )
        self._guard = Guard(
            name,
            self._alerts,
            timeout_s=settings.timeout_s,
            per_minute=settings.limits.per_minute,
            store=store,
        )
        self._ids: TTLCache[str, str] = TTLCache(MAX_IDS, ID_TTL_S, clock)

    def subject(self, user: EndUser) -> str:
        if self._settings.resolve == "email":
            return f"{mailbox_of(user)}|{user.company_id or ''}"
        return self._rendered_id(user)

    async def check_access(self, user: EndUser) -> Access:
        try:
            end_user = await self._path_id(user)
        except AccessDenied as denied:
            return Access.deny(denied.reason)
        return await self._guard.run(lambda: self._access(end_user, user))

    async def mint(self, user: EndUser, purpose: Purpose, choice: str | None = None) -> str:
        if choice is not None:
            raise AccessDenied("this portal has nothing to choose from", "choice_not_open")
        end_user = await self._path_id(user)
        return await self._guard.run(lambda: self._link(end_user, user), Kind.MINT)

    def forget(self) -> None:
        self._ids.clear()

    async def aclose(self) -> None:
        await self._guard.aclose()
        await self._client.aclose()

    async def _access(self, end_user: str, user: EndUser) -> Access:
        answer = await self._client.request("GET", f"/shareabletokens/access/{end_user}")
        if refusal := self._refusal(answer, user):
            return Access.deny(refusal)
        verdict = access_verdict(answer.body, self._form) if answer.status == 200 else None
        if verdict is None:
            raise self._unknown(answer, "access_answer_unknown")
        self._alerts.cleared("access_answer_unknown")
        return Access.grant("vendor_yes") if verdict else Access.deny("vendor_no")

    async def _link(self, end_user: str, user: EndUser) -> str:
        answer = await self._client.request("GET", f"/shareabletokens/{end_user}")
        if refusal := self._refusal(answer, user):
            raise AccessDenied("the portal is not open to this user", refusal)
        link = redirect_link(answer.body, self._settings.portal_base) if answer.status == 200 else None
        if link is None:
            raise self._unknown(answer, "link_answer_unknown")
        self._alerts.cleared("link_answer_unknown")
        return link

    async def _path_id(self, user: EndUser) -> str:
        """The user's Planhat id as one path segment. Raises AccessDenied if it cannot be told."""
        if self._settings.resolve == "direct":
            return path_segment(self._rendered_id(user))
        subject = self.subject(user)
        known = self._ids.get(subject)
        if known is None:
            known = self._ids[subject] = await self._guard.run(lambda: self._looked_up_id(user), Kind.LIST)
        return known

    def _rendered_id(self, user: EndUser) -> str:
        rendered = self._settings.enduser_id.render(user)
        try:
            path_segment(rendered)
        except ValueError:
            raise IncompleteIdentity("usable end user id") from None
        return rendered

    async def _looked_up_id(self, user: EndUser) -> str:
        params = {
            "email": (user.email or "").strip(),
            "select": "_id,email,companyId,archived",
            "limit": str(MAX_NAMESAKES),
        }
        rows = json_body(await self._client.request("GET", "/endusers", params=params))
        if isinstance(rows, list) and len(rows) >= MAX_NAMESAKES:
            self._alerts.raised("filter_ignored", "the list of end users is not filtered by e-mail address")
            raise VendorError("the vendor lists more end users than can have one e-mail address")
        try:
            return path_segment(end_user_id(rows, mailbox_of(user), user.company_id))
        except ValueError:
            raise VendorError("an end user in the vendor's answer has an unusable id") from None

    def _refusal(self, answer: VendorAnswer, user: EndUser) -> str | None:
        """The slug of a no by status. Whoever is not found may have got another id, so that is forgotten."""
        if answer.status == 404:
            self._ids.pop(self.subject(user), None)
        return _REFUSALS.get(answer.status)

    def _unknown(self, answer: VendorAnswer, slug: str) -> VendorError:
        form = f"status {answer.status}, {len(answer.body)} bytes"
        self._alerts.raised(slug, f"an answer of Planhat could not be understood ({form})")
        error = VendorUnreadable if answer.status == 200 else VendorError
        return error(f"the vendor's answer could not be understood ({form})")
