"""What can be learned from a Planhat tenant by reading: do host, token and form of the ids fit, and how does it answer?

Planhat documents neither status nor body of an access answer, so each is read here as the provider reads it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from portal_gateway.errors import AccessDenied, IncompleteIdentity, VendorError
from portal_gateway.models import EndUser
from portal_gateway.probing.calls import Api, Told
from portal_gateway.probing.common import clock_finding, trouble
from portal_gateway.probing.findings import Finding
from portal_gateway.providers.mailbox import folded, mailbox_of
from portal_gateway.providers.planhat import MAX_NAMESAKES
from portal_gateway.providers.planhat_answers import AccessForm, access_verdict, end_user_id
from portal_gateway.settings.portals import PlanhatPortal
from portal_gateway.wire.urls import path_segment


def probe_planhat(settings: PlanhatPortal, user: EndUser | None) -> Iterator[Finding]:
    """The findings; with `user`, also about that end user."""
    token = settings.api_token
    api = Api(settings.api_base, {"authorization": f"Bearer {token.reveal()}"}, settings.timeout_s)
    remedy = f"check api_token ({token.source}) and the host, {settings.api_base} (cluster or api_url)"

    listed = api.get("/endusers", {"limit": "1", "select": "_id"})
    yield _listed(listed, settings, remedy)
    if not listed.status:
        return
    yield from clock_finding(listed, "time stamps in logs will not agree with Planhat's", decides=False)
    yield _unknown_id(api.get(f"/shareabletokens/access/{_made_up_id(settings)}"), settings, remedy)
    yield _wrong_token(
        api.get(f"/shareabletokens/access/{_made_up_id(settings)}", authorization="Bearer made-up-by-portal-gateway")
    )
    if user is not None:
        yield from _of_user(api, settings, user, remedy)
    else:
        yield Finding("note", "access of a real end user: not tried", meaning="name one with --user")
    portal = Api(settings.portal_base, {}, settings.timeout_s).get("/")
    yield Finding(
        "ok" if portal.status else "problem", f"the portal's own page, {settings.portal_base}", portal.framing()
    )


def _listed(told: Told, settings: PlanhatPortal, remedy: str) -> Finding:
    what = "list of end users"
    if told.status == 403 and settings.resolve == "direct":
        return Finding(
            "note", what, str(told), "the token may not read end users, which `resolve: direct` does not need"
        )
    return trouble(what, told, remedy) or Finding("ok", what, str(told))


def _unknown_id(told: Told, settings: PlanhatPortal, remedy: str) -> Finding:
    what = "access of an id that nobody has"
    verdict = _verdict(told, settings)
    if verdict is False:
        return Finding("ok", what, str(told), "read as no access")
    if verdict is True:
        return Finding(
            "problem", what, str(told), "read as access: everybody would be let in; check access_keys, access_yes"
        )
    return trouble(what, told, remedy) or Finding("problem", what, str(told), _UNREADABLE)


def _wrong_token(told: Told) -> Finding:
    what = "access asked with a wrong token"
    if told.status == 401:
        return Finding("ok", what, str(told), "read as trouble of our own, never as no access")
    meaning = "a token that is revoked would look like this, and be read as "
    if told.status in (403, 404):
        return Finding("note", what, str(told), f"{meaning}no access for everybody, not as trouble")
    return Finding("note", what, str(told), f"{meaning}trouble")


def _of_user(api: Api, settings: PlanhatPortal, user: EndUser, remedy: str) -> Iterator[Finding]:
    end_user: str | None
    try:
        if settings.resolve == "email":
            told = api.get("/endusers", _by_email(user))
            end_user, finding = _found_by_email(told, user, remedy)
        else:
            end_user = path_segment(settings.enduser_id.render(user))
            finding = _record(api.get(f"/endusers/{end_user}"), settings, remedy)
    except (IncompleteIdentity, ValueError) as error:
        yield Finding("problem", "id of the end user", meaning=f"{error}: name more of the user's fields with --user")
        return
    yield finding
    if end_user is None:
        return
    yield _access(api.get(f"/shareabletokens/access/{end_user}"), settings, remedy, known=finding.level == "ok")


def _access(told: Told, settings: PlanhatPortal, remedy: str, *, known: bool) -> Finding:
    """`known`: whether Planhat has a record by this id."""
    what = "access of the end user"
    verdict = _verdict(told, settings)
    if verdict is None:
        return trouble(what, told, remedy) or Finding("problem", what, str(told), _UNREADABLE)
    if told.status == 404 and known:
        return Finding("note", what, str(told), _KNOWN_ELSEWHERE)
    return Finding("ok", what, str(told), f"read as {'access' if verdict else 'no access'}")


def _record(told: Told, settings: PlanhatPortal, remedy: str) -> Finding:
    what = f"the end user's record, by enduser_id {settings.enduser_id.text!r}"
    if told.status == 404:
        return Finding(
            "problem",
            what,
            str(told),
            "Planhat does not know this id: does its end user have it as externalId, or another?",
        )
    if told.status == 403:
        return Finding("note", what, str(told), "the token may not read end users")
    return trouble(what, told, remedy) or Finding("ok", what, str(told))


def _by_email(user: EndUser) -> dict[str, str]:
    mailbox_of(user)
    return {"email": (user.email or "").strip(), "select": "_id,email,companyId,archived", "limit": str(MAX_NAMESAKES)}


def _found_by_email(told: Told, user: EndUser, remedy: str) -> tuple[str | None, Finding]:
    what = "the end user, by e-mail address"
    if finding := trouble(what, told, remedy):
        return None, finding
    rows = told.value if isinstance(told.value, list) else []
    if any(isinstance(row, dict) and folded(str(row.get("email"))) != mailbox_of(user) for row in rows):
        return None, Finding(
            "problem", what, told.brief(), "the list is not filtered by e-mail address; use resolve: direct"
        )
    try:
        found = path_segment(end_user_id(told.value, mailbox_of(user), user.company_id))
    except (AccessDenied, VendorError) as error:
        return None, Finding("problem", what, str(told), error.message)
    return found, Finding("ok", what, str(told))


def _verdict(told: Told, settings: PlanhatPortal) -> bool | None:
    """The answer as the provider reads it."""
    if told.status in (403, 404):
        return False
    form = AccessForm(settings.access_keys, settings.access_yes, settings.access_no)
    return access_verdict(told.body, form) if told.status == 200 else None


def _made_up_id(settings: PlanhatPortal) -> str:
    """An id of the configured form that nobody has."""
    nobody = f"portal-gateway-check-{secrets.token_hex(8)}"
    form = settings.enduser_id.text.partition("{")[0] if settings.resolve == "direct" else ""
    return path_segment(form + nobody)


_KNOWN_ELSEWHERE = (
    "read as no access; but there is a record by this id: if the portal is open to this user, ids of this form do not "
    "work here: try resolve: email"
)
_UNREADABLE = "cannot be read, so nobody is shown a link; tell its form with access_keys, access_yes, access_no"
