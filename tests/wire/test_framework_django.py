"""Django with its real admin: own sessions, own sign-in, no lifespan; the app is asked who is signed in."""

from __future__ import annotations

import asyncio
import gc
import re
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import django
import httpx
import pytest
from django.conf import settings
from django.contrib import admin
from django.core.asgi import get_asgi_application
from django.core.management import call_command
from django.db import connections
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from framework_contract import StreamedPageContract, UntouchedContract
from frameworks_support import (
    CSS,
    LINK,
    PAGE,
    PERSONS,
    WHOAMI,
    NewSite,
    Site,
    Stage,
    Vendors,
    follow,
    note_closing,
    sites,
    the_link,
    visitor,
)

from portal_gateway import PortalGatewayMiddleware
from portal_gateway.sandbox.server import running

pytestmark = pytest.mark.asyncio(loop_scope="module")

PASSWORD = "a password of this test only"
stages: list[Stage] = []  # Django's settings and URLs are those of the process: the stage in use is the last one


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(PAGE)


def me(request: HttpRequest) -> JsonResponse:
    if not request.user.is_authenticated:
        return JsonResponse({}, status=401)
    return JsonResponse({"user": PERSONS[request.user.get_username()]})


def data(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"a": request.GET.getlist("a"), "host": request.get_host()})


def style(request: HttpRequest, name: str) -> HttpResponse:
    return HttpResponse(CSS, content_type="text/css") if name == "app.css" else HttpResponse(status=404)


def old(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("/new?a=b", status=301)


@csrf_exempt
def upload(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"bytes": len(request.body)}, status=200 if request.method == "POST" else 405)


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("the app's own")


async def breaks_off(request: HttpRequest) -> StreamingHttpResponse:
    async def pieces() -> AsyncIterator[str]:
        yield PAGE[:100]
        raise RuntimeError("the app's own")

    return StreamingHttpResponse(pieces())


async def events(request: HttpRequest) -> StreamingHttpResponse:
    lines = (f"data: {item}\n\n" async for item in stages[-1].next_items())
    return StreamingHttpResponse(lines, content_type="text/event-stream")


async def slow_page(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(stages[-1].next_items())


urlpatterns = [
    path("", page),
    path("onboarding", page),
    path("api/me", me),
    path("api/data", data),
    path("static/<name>", style),
    path("old", old),
    path("upload", upload),
    path("broken", broken),
    path("breaks-off", breaks_off),
    path("events", events),
    path("slow-page", slow_page),
]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Django set up, migrated, with a superuser for each person."""
    app_names = ("admin", "auth", "contenttypes", "sessions", "messages")
    middleware = (
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    )
    processors = ("django.template.context_processors.request", "django.contrib.auth.context_processors.auth")
    processors += ("django.contrib.messages.context_processors.messages",)
    template_engine = {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": processors},
    }
    file = tmp_path_factory.mktemp("django") / "db.sqlite3"
    settings.configure(
        SECRET_KEY="a secret of this test only",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        STATIC_URL="/static/",
        INSTALLED_APPS=[f"django.contrib.{name}" for name in app_names],
        MIDDLEWARE=middleware,
        TEMPLATES=[template_engine],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": file}},
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],  # fast
        DATA_UPLOAD_MAX_MEMORY_SIZE=None,
        LOGGING_CONFIG=None,
    )
    django.setup()
    sys.modules[__name__].urlpatterns.append(path("admin/", admin.site.urls))
    call_command("migrate", verbosity=0)
    from django.contrib.auth.models import User

    for user_id, person in PERSONS.items():
        User.objects.create_superuser(user_id, person["email"], PASSWORD)
    connections.close_all()
    yield
    connections.close_all()


def gateway_config(vendors: Vendors) -> dict[str, Any]:
    config = vendors.config(WHOAMI)
    rule = config["portals"]["success"]["inject"][0]
    in_admin = {"at": "#user-tools", "position": "append", "as": "link", "paths": ["/admin/**"]}
    config["portals"]["success"]["inject"] = [in_admin, {**rule, "paths": ["/", "/onboarding", "/slow-page"]}]
    return config


@pytest.fixture(scope="module")
def new_site(database: None, vendors: Vendors) -> NewSite:
    def create_wrapped(stage: Stage) -> PortalGatewayMiddleware:
        stages.append(stage)
        return PortalGatewayMiddleware(get_asgi_application(), config=gateway_config(vendors))

    return sites(vendors, lambda stage: get_asgi_application(), create_wrapped)


async def sign_in_to_admin(client: httpx.AsyncClient, user_id: str) -> httpx.Response:
    await client.get("/admin/login/")
    token = client.cookies["csrftoken"]
    form = {"username": user_id, "password": PASSWORD, "csrfmiddlewaretoken": token, "next": "/admin/"}
    response = await client.post("/admin/login/", data=form)
    assert response.status_code == 302
    return await client.get(response.headers["location"])


class TestDjango(StreamedPageContract, UntouchedContract):
    async def sign_in(self, client: httpx.AsyncClient, user_id: str) -> None:
        await sign_in_to_admin(client, user_id)

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    async def test_a_page_that_breaks_off_breaks_off(self, site: Site) -> None:
        await super().test_a_page_that_breaks_off_breaks_off(site)
        gc.collect()  # Django leaves the file with the request's body open then; let it be complained of here

    async def test_the_link_stands_in_the_admin_and_leads_into_the_portal(self, site: Site) -> None:
        async with visitor(site.url) as client:
            index = await sign_in_to_admin(client, "jane")
            assert "Site administration" in index.text
            tools = index.text[index.text.index('<div id="user-tools">') :]
            assert LINK.search(tools[: tools.index("</div>")])
            changes = await client.get("/admin/auth/user/")
            portal = await follow(client, the_link(changes))
        assert "Logged in as <strong>Jane Moreau</strong>" in portal.text

    async def test_an_admin_without_access_gets_the_admin_as_it_is(self, site: Site) -> None:
        async with visitor(site.bare) as bare, visitor(site.url) as client:
            await sign_in_to_admin(client, "noah")
            bare.cookies = client.cookies  # one database, so one session
            target = "/admin/auth/user/"
            straight, through = await bare.get(target), await client.get(target)
        assert straight.status_code == through.status_code == 200
        assert without_token(through.text) == without_token(straight.text)
        assert "portal-link" not in through.text

    async def test_signing_out_of_the_admin_signs_out_of_the_gateway(self, site: Site) -> None:
        async with visitor(site.url) as client:
            await sign_in_to_admin(client, "jane")
            token = client.cookies["csrftoken"]
            assert (await client.post("/admin/logout/", data={"csrfmiddlewaretoken": token})).status_code == 200
            assert (await client.get("/portal/success/launch")).headers["location"].startswith("/login")

    async def test_the_admins_forms_still_save(self, site: Site) -> None:
        async with visitor(site.url) as client:
            await sign_in_to_admin(client, "jane")
            await client.get("/admin/auth/group/add/")
            form = {"name": "Reviewers", "csrfmiddlewaretoken": client.cookies["csrftoken"]}
            assert (await client.post("/admin/auth/group/add/", data=form)).status_code == 302
            assert "Reviewers" in (await client.get("/admin/auth/group/")).text

    async def test_the_sign_in_page_of_the_admin_has_no_link(self, site: Site) -> None:
        async with visitor(site.url) as client:
            login = await client.get("/admin/login/")
        assert login.status_code == 200
        assert "portal-link" not in login.text

    async def test_many_people_at_once_stay_apart(self, site: Site) -> None:
        async def email_at_vendor(user_id: str) -> bool:
            async with visitor(site.url) as client:
                await sign_in_to_admin(client, user_id)
                portal = await follow(client, the_link(await client.get("/admin/")))
                return PERSONS[user_id]["email"] in portal.text

        people = ["jane", "omar", "lena"] * 2
        assert await asyncio.gather(*(email_at_vendor(user_id) for user_id in people)) == [True] * 6


async def test_an_app_without_lifespan_serves_and_the_gateway_closes(
    database: None, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal: list[str] = []
    note_closing(monkeypatch, journal)
    app = PortalGatewayMiddleware(get_asgi_application(), config=gateway_config(vendors))
    async with running(app) as url, visitor(url) as client:
        assert (await client.get("/api/data")).status_code == 200
        assert journal == []
    assert journal == ["gateway closed"]


def without_token(text: str) -> str:
    """The page without what Django masks anew for each response."""
    return re.sub(r'(name="csrfmiddlewaretoken" value)="\w+"', r"\1", text)
