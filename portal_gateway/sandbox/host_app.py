"""The demo's host app: Coldchain, an invented product that watches cold stores.

It stands for any company's own app. It knows nothing of portals: whatever portal appears in its pages was put
there from outside. Its session middleware is inside, where most apps have it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, quote

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from portal_gateway.sandbox import cold_stores
from portal_gateway.sandbox.cast import PEOPLE, Person
from portal_gateway.sandbox.pages import static_files, templates

SESSION_COOKIE = "coldchain_session"


class HostApp:
    """Pages and the sign-in of the demo app."""

    def __init__(self, people: Sequence[Person], mail_url: str | None) -> None:
        self._people = {person.id: person for person in people}
        self._mail_url = mail_url

    async def login_page(self, request: Request) -> Response:
        context = {
            "people": list(self._people.values()),
            "next": _local_path(request.query_params.get("next")),
            "mail_url": self._mail_url,
        }
        return templates.TemplateResponse(request, "coldchain/login.html", context)

    async def login(self, request: Request) -> Response:
        form = parse_qs((await request.body()).decode("utf-8", "replace"))
        person = self._people.get(form.get("user_id", [""])[0])
        if person is None:
            return RedirectResponse("/login", 303)
        request.session.clear()
        known = {key: getattr(person, key) for key in ("email", "name", "role", "company_id")}
        request.session.update(user_id=person.id, email_verified=True, **known)
        return RedirectResponse(_local_path(form.get("next", [""])[0]), 303)

    async def logout(self, request: Request) -> Response:
        request.session.clear()
        return RedirectResponse("/login", 303)

    async def dashboard(self, request: Request) -> Response:
        return self._page(request, "dashboard.html", rooms=cold_stores.ROOMS, alerts=cold_stores.ALERTS)

    async def onboarding(self, request: Request) -> Response:
        return self._page(request, "onboarding.html")

    async def reports(self, request: Request) -> Response:
        return self._page(request, "reports.html", reports=cold_stores.REPORTS)

    async def me(self, request: Request) -> Response:
        person = self._signed_in(request)
        if person is None:
            return JSONResponse({"error": "not signed in"}, 401)
        user = {
            "id": person.id,
            "email": person.email,
            "email_verified": True,
            "name": person.name,
            "company_id": person.company_id,
        }
        return JSONResponse({"user": user})

    async def rooms(self, request: Request) -> Response:
        if self._signed_in(request) is None:
            return JSONResponse({"error": "not signed in"}, 401)
        return JSONResponse({"rooms": [room.as_dict() for room in cold_stores.ROOMS]})

    def _signed_in(self, request: Request) -> Person | None:
        return self._people.get(request.session.get("user_id", ""))

    def _page(self, request: Request, name: str, **context: Any) -> Response:
        """A page for people who are signed in; the others are sent to sign in first."""
        person = self._signed_in(request)
        if person is None:
            return RedirectResponse(f"/login?next={quote(request.url.path)}", 303)
        context |= {"person": person, "mail_url": self._mail_url}
        return templates.TemplateResponse(request, f"coldchain/{name}", context)


def create_host_app(
    people: Sequence[Person] = PEOPLE, *, session_secret: str | None = None, mail_url: str | None = None
) -> Starlette:
    """The demo app; without `session_secret` a restart signs everybody out. `mail_url` is where mails are shown."""
    app = HostApp(people, mail_url)
    return Starlette(
        routes=[
            Route("/login", app.login_page),
            Route("/login", app.login, methods=["POST"]),
            Route("/logout", app.logout, methods=["POST"]),
            Route("/", app.dashboard),
            Route("/onboarding", app.onboarding),
            Route("/reports", app.reports),
            Route("/api/me", app.me),
            Route("/api/rooms", app.rooms),
            static_files("coldchain"),
        ],
        middleware=[
            Middleware(
                SessionMiddleware,
                secret_key=session_secret or secrets.token_hex(32),
                session_cookie=SESSION_COOKIE,
            )
        ],
    )


def _local_path(target: str | None) -> str:
    """`target` if it is a path of this app, else the dashboard; `//host` and `/\\host` would leave it."""
    is_local = target is not None and target.startswith("/") and not target.startswith("//")
    return target if target and is_local and target.isprintable() and "\\" not in target else "/"
