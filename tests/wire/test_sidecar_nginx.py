"""`portal-gateway serve` in front of Debian's nginx: static pages, and a session that nginx looks up in a map."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from frameworks_support import CSS, FRAME, WHOAMI, Vendors, follow, the_link, visitor
from frameworks_support import PAGE as SHORT_PAGE
from processes import (
    Process,
    Sidecar,
    free_port,
    program,
    running_process,
    running_sidecar,
    until_listening,
    write_config,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Long enough to be worth compressing.
PAGE = SHORT_PAGE.replace("</main>", "<p>Nothing new.</p>" * 100 + "</main>")

NGINX_CONF = """
daemon off; worker_processes 1; pid {prefix}/nginx.pid; error_log {prefix}/error.log; {user}
events {{ worker_connections 256; }}
http {{
  access_log off; types {{ text/html html; text/css css; }} charset utf-8;
  client_body_temp_path {prefix}/body; proxy_temp_path {prefix}/p; fastcgi_temp_path {prefix}/f;
  uwsgi_temp_path {prefix}/u; scgi_temp_path {prefix}/s;
  gzip on; gzip_min_length 1; gzip_types text/css;
  map $cookie_sid $me {{
    sid-of-jane '{{"user": {{"id": "jane", "email": "jane@vance.example", "company_id": "201"}}}}';
    sid-of-noah '{{"user": {{"id": "noah", "email": "noah@vance.example", "company_id": 201}}}}';
    default '';
  }}
  server {{
    listen 127.0.0.1:{port}; root {prefix}/www;
    location /login/ {{ add_header Set-Cookie "sid=sid-of-$arg_user; Path=/"; return 303 /; }}
    location = /api/me {{ default_type application/json; if ($me = '') {{ return 401 '{{}}'; }} return 200 $me; }}
    location = /old {{ return 301 /new?a=b; }}
    location = /onboarding {{ try_files /index.html =404; }}
    location = /public.html {{ add_header Cache-Control "public, max-age=60"; }}
  }}
}}
"""


@dataclass
class Shop:
    """nginx at `bare`, the sidecar before it at `url`."""

    bare: str
    url: str
    nginx: Process
    sidecar: Sidecar
    vendors: Vendors


@asynccontextmanager
async def running_nginx(directory: Path) -> AsyncIterator[tuple[Process, str]]:
    port, conf, www = free_port(), directory / "nginx.conf", directory / "www"
    www.mkdir()
    for name in ("index.html", "public.html"):
        (www / name).write_text(PAGE, encoding="utf-8")
    (www / "app.css").write_bytes(CSS)
    user = "user root;" if os.geteuid() == 0 else ""
    conf.write_text(NGINX_CONF.format(prefix=directory, port=port, user=user))
    command = (program("nginx", "/usr/sbin/nginx"), "-e", "stderr", "-p", str(directory), "-c", str(conf))
    async with running_process(*command) as process:
        await until_listening(port, process)
        yield process, f"http://127.0.0.1:{port}"


@asynccontextmanager
async def running_shop(vendors: Vendors, directory: Path) -> AsyncIterator[Shop]:
    async with running_nginx(directory) as (nginx, bare):
        file = write_config(directory / "gateway.yaml", {**vendors.config(WHOAMI), "upstream": bare})
        async with running_sidecar(file, environ=vendors.environ) as sidecar:
            yield Shop(bare, sidecar.url, nginx, sidecar, vendors)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    async with running_shop(vendors, tmp_path_factory.mktemp("nginx")) as shop:
        yield shop
    assert "Traceback" not in shop.sidecar.log
    assert shop.sidecar.process.process.returncode == 0


@asynccontextmanager
async def signed_in(shop: Shop, user_id: str) -> AsyncIterator[httpx.AsyncClient]:
    async with visitor(shop.url) as client:
        assert (await client.get(f"/login/?user={user_id}")).status_code == 303
        yield client


@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_the_link_leads_its_reader_into_the_portal(shop: Shop, coding: str) -> None:
    async with signed_in(shop, "jane") as client:
        page = await client.get("/", headers={"accept-encoding": coding})
        portal = await follow(client, the_link(page))
    assert page.headers.get("content-encoding", "identity") == coding
    assert re.sub('<a class="portal-link".*?</a>', "", page.text) == PAGE
    assert page.headers["cache-control"] == "private"
    assert "Logged in as <strong>Jane Moreau</strong>" in portal.text


async def test_the_iframe_shows_the_project_of_the_reader(shop: Shop) -> None:
    async with signed_in(shop, "jane") as client:
        (source,) = FRAME.findall((await client.get("/onboarding")).text)
        project = await follow(client, source)
    assert "Logged in as <strong>Jane Moreau</strong>" in project.text


async def test_a_person_without_access_gets_the_page_as_it_is_and_a_clear_refusal(shop: Shop) -> None:
    async with signed_in(shop, "noah") as client:
        page, launch = await client.get("/"), await client.get("/portal/success/launch")
    assert page.text == PAGE
    assert launch.status_code == 403
    assert "You have no access to this portal" in launch.text


async def test_an_anonymous_visitor_is_sent_to_sign_in(shop: Shop) -> None:
    async with visitor(shop.url) as client:
        assert (await client.get("/")).text == PAGE
        launch = await client.get("/portal/success/launch")
    assert launch.headers["location"].startswith("/login?next=")


async def test_a_page_that_was_injected_is_never_confirmed_by_its_old_validator(shop: Shop) -> None:
    """nginx would answer 304 to the validators of the file, which say nothing of the snippet."""
    async with visitor(shop.bare) as bare:
        validators = (await bare.get("/")).headers
    conditions = {"if-none-match": validators["etag"], "if-modified-since": validators["last-modified"]}
    async with signed_in(shop, "jane") as client:
        page = await client.get("/")
        assert "etag" not in page.headers
        assert "last-modified" not in page.headers
        again = await client.get("/", headers=conditions)
    assert again.status_code == 200
    the_link(again)


async def test_a_page_for_shared_caches_is_the_same_for_everybody(shop: Shop) -> None:
    async with signed_in(shop, "jane") as jane, visitor(shop.url) as anonymous:
        pages = [await client.get("/public.html") for client in (jane, anonymous)]
    assert pages[0].content == pages[1].content
    assert "<portal-link" in pages[0].text
    assert "public" in pages[0].headers["cache-control"]


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/app.css", {"sec-fetch-dest": "style"}),
        ("GET", "/app.css", {"accept-encoding": "gzip", "sec-fetch-dest": "style"}),
        ("GET", "/app.css", {"range": "bytes=10-19", "sec-fetch-dest": "style"}),
        ("HEAD", "/app.css", {"sec-fetch-dest": "style"}),
        ("GET", "/old", {"host": "acme.example"}),
        ("GET", "/missing", {}),
        ("POST", "/app.css", {}),
        ("GET", "/api/me", {"cookie": "sid=sid-of-jane"}),
    ],
)
async def test_nginxs_own_answers_are_the_same(shop: Shop, method: str, path: str, headers: dict[str, str]) -> None:
    headers = {"accept-encoding": "identity", **headers}
    ignored = ("date", "connection", "transfer-encoding", "content-length", "x-request-id")
    answers = []
    for url in (shop.bare, shop.url):
        async with visitor(url) as client, client.stream(method, path, headers=headers) as response:
            body = b"".join([chunk async for chunk in response.aiter_raw()])
            kept = sorted((name, value) for name, value in response.headers.multi_items() if name not in ignored)
            answers.append((response.status_code, kept, body))
    assert answers[1] == answers[0]


async def test_nginx_going_away_and_coming_back(vendors: Vendors, tmp_path: Path) -> None:
    async with running_shop(vendors, tmp_path) as shop, signed_in(shop, "jane") as client:
        the_link(await client.get("/"))
        await shop.nginx.stop()
        page = await client.get("/", headers={"sec-fetch-mode": "navigate"})
        problem = await client.get("/app.css", headers={"sec-fetch-mode": "no-cors"})
        widget = await client.get("/portal/-/widget.js")
        conf = tmp_path / "nginx.conf"
        again = (program("nginx", "/usr/sbin/nginx"), "-e", "stderr", "-p", str(tmp_path), "-c", str(conf))
        async with running_process(*again) as nginx:
            await until_listening(httpx.URL(shop.bare).port or 0, nginx)
            the_link(await client.get("/"))
    assert page.status_code == problem.status_code == 502
    assert "The app cannot be reached right now" in page.text
    assert problem.headers["content-type"] == "application/problem+json"
    assert widget.status_code == 200
    assert "Traceback" not in shop.sidecar.log
