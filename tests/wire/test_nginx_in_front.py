"""deploy/nginx.conf with Debian's nginx: it serves the pages, and asks the gateway who sees which snippet."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from frameworks_support import CSS, FRAME, PAGE, WHOAMI, Vendors, follow, the_link, visitor
from processes import Sidecar, free_port, program, running_process, running_sidecar, until_listening, write_config

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECIPE = Path(__file__).parents[2] / "deploy" / "nginx.conf"
MAIN = """
daemon off; worker_processes 1; pid {prefix}/nginx.pid; error_log stderr warn; {user}
events {{ worker_connections 256; }}
http {{
  access_log off; proxy_cache_path {prefix}/cache keys_zone=pages:1m use_temp_path=off;
  types {{ text/html html; text/css css; }}
  client_body_temp_path {prefix}/body; proxy_temp_path {prefix}/p; fastcgi_temp_path {prefix}/f;
  uwsgi_temp_path {prefix}/u; scgi_temp_path {prefix}/s;
  map $cookie_sid $me {{
    sid-of-jane '{{"user": {{"id": "jane", "email": "jane@vance.example", "company_id": "201"}}}}';
    sid-of-noah '{{"user": {{"id": "noah", "email": "noah@vance.example", "company_id": 201}}}}';
    default '';
  }}
  # The app.
  server {{
    listen 127.0.0.1:{app}; root {prefix}/www; charset utf-8; gzip on; gzip_min_length 1; gzip_types text/css;
    location /login/ {{ add_header Set-Cookie "sid=sid-of-$arg_user; Path=/"; return 303 /; }}
    location = /api/me {{ default_type application/json; if ($me = '') {{ return 401 '{{}}'; }} return 200 $me; }}
    location = /onboarding {{ try_files /index.html =404; }}
    location = /public {{ add_header Cache-Control "public, max-age=60"; try_files /index.html =404; }}
    location = /broken {{ default_type text/html; return 503 '<nav></nav>'; }}
    location = /seen {{
      default_type text/html; return 200 '$http_accept_encoding|$http_if_none_match|$http_x_forwarded_for';
    }}
  }}
  include {prefix}/portal.conf;
}}
"""
# The one asked for by the browser's address bar, and a style sheet of the page.
DOCUMENT = {"accept": "text/html,*/*;q=0.8", "sec-fetch-dest": "document"}
STYLE = {"accept": "text/css,*/*;q=0.1", "sec-fetch-dest": "style"}


@asynccontextmanager
async def running_nginx(directory: Path, gateway_port: int, pages: str = "") -> AsyncIterator[tuple[str, str]]:
    """The app and the recipe in one nginx; the URL for browsers, and the app's own. `pages` are more directives for the
    location of the pages."""
    app, port, www = free_port(), free_port(), directory / "www"
    recipe = RECIPE.read_text()
    for original, ours in (
        ("server 127.0.0.1:8000;", f"server 127.0.0.1:{app};"),
        ("server 127.0.0.1:8080;", f"server 127.0.0.1:{gateway_port};"),
        ("listen 80;", f"listen 127.0.0.1:{port};"),
        ("sub_filter_once on;", f"sub_filter_once on; {pages}"),
    ):
        assert recipe.count(original) == 1
        recipe = recipe.replace(original, ours)
    (directory / "portal.conf").write_text(recipe)
    www.mkdir()
    (www / "index.html").write_text(PAGE, encoding="utf-8")
    (www / "app.css").write_bytes(CSS)
    user = "user root;" if os.geteuid() == 0 else ""
    (directory / "nginx.conf").write_text(MAIN.format(prefix=directory, app=app, user=user))
    conf = str(directory / "nginx.conf")
    nginx = (program("nginx", "/usr/sbin/nginx"), "-e", "stderr", "-p", str(directory), "-c", conf)
    async with running_process(*nginx) as process:
        await until_listening(port, process)
        yield f"http://127.0.0.1:{port}", f"http://127.0.0.1:{app}"


@dataclass
class Shop:
    """nginx at `url`, with the gateway beside it."""

    url: str
    gateway: Sidecar
    vendors: Vendors


@asynccontextmanager
async def running_shop(vendors: Vendors, directory: Path) -> AsyncIterator[Shop]:
    gateway_port = free_port()
    async with AsyncExitStack() as stack:
        url, app = await stack.enter_async_context(running_nginx(directory, gateway_port))
        config = {**vendors.config(WHOAMI), "trusted_proxies": ["127.0.0.1/32"], "upstream": app, "server_timing": True}
        file = write_config(directory / "gateway.yaml", config)
        serving = running_sidecar(file, "--port", str(gateway_port), environ=vendors.environ)
        yield Shop(url, await stack.enter_async_context(serving), vendors)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    async with running_shop(vendors, tmp_path_factory.mktemp("nginx")) as shop:
        yield shop
    assert "Traceback" not in shop.gateway.log


@asynccontextmanager
async def signed_in(url: str, user_id: str) -> AsyncIterator[httpx.AsyncClient]:
    async with visitor(url) as client:
        assert (await client.get(f"/login/?user={user_id}")).status_code == 303
        yield client


async def decided_page(client: httpx.AsyncClient, path: str = "/") -> httpx.Response:
    """The page once the gateway knows who sees what; nginx waits one second for that."""
    async with asyncio.timeout(20):
        while "<portal-" in (page := await client.get(path)).text or page.headers.get("server-timing") is None:
            pass
    return page


async def test_nginx_puts_the_link_in_and_it_leads_its_reader_into_the_portal(shop: Shop) -> None:
    async with signed_in(shop.url, "jane") as client:
        page = await decided_page(client)
        portal = await follow(client, the_link(page))
    assert re.sub('<a class="portal-link".*?</a>', "", page.text) == PAGE
    assert page.text.index("portal-link") < page.text.index("</nav>")
    assert page.headers["cache-control"] == "private, no-cache"
    assert page.headers["server-timing"] == 'portal;desc="snippets"'
    assert "Logged in as <strong>Jane Moreau</strong>" in portal.text


async def test_the_iframe_is_in_the_pages_of_its_rule_only(shop: Shop) -> None:
    async with signed_in(shop.url, "jane") as client:
        page = await decided_page(client, "/onboarding?tab=2")
        (source,) = FRAME.findall(page.text)
        project = await follow(client, source)
        other = await decided_page(client)
    assert FRAME.findall(other.text) == []
    assert "Logged in as <strong>Jane Moreau</strong>" in project.text


async def test_who_has_no_access_gets_the_page_as_it_is(shop: Shop) -> None:
    async with signed_in(shop.url, "noah") as client:
        page, launch = await decided_page(client), await client.get("/portal/success/launch")
    assert page.text == PAGE
    assert "cache-control" not in page.headers
    assert page.headers["server-timing"] == 'portal;desc="vendor_not_found"'
    assert launch.status_code == 403


async def test_an_anonymous_visitor_is_sent_to_sign_in(shop: Shop) -> None:
    async with visitor(shop.url) as client:
        page, launch = await client.get("/"), await client.get("/portal/success/launch")
    assert page.text == PAGE
    assert launch.headers["location"].startswith("/login?next=")


async def test_nobody_gets_the_answer_for_another(shop: Shop) -> None:
    """Connections to the gateway are kept alive and shared."""
    async with AsyncExitStack() as stack:
        people = {name: await stack.enter_async_context(signed_in(shop.url, name)) for name in ("jane", "noah")}
        for client in people.values():
            await decided_page(client)
        visits = [(name, client) for _ in range(40) for name, client in people.items()]
        pages = await asyncio.gather(*(client.get("/") for _, client in visits))
    assert [("portal-link" in page.text) for page in pages] == [name == "jane" for name, _ in visits]


async def test_a_page_for_shared_caches_is_private_when_something_is_put_in(shop: Shop) -> None:
    async with signed_in(shop.url, "jane") as jane, visitor(shop.url) as anonymous:
        pages = [await decided_page(jane, "/public"), await anonymous.get("/public")]
    controls = [page.headers.get_list("cache-control") for page in pages]
    assert controls == [["public, max-age=60", "private, no-cache"], ["public, max-age=60"]]


async def test_a_page_is_never_confirmed_by_an_old_validator(shop: Shop) -> None:
    async with signed_in(shop.url, "jane") as client:
        page = await decided_page(client)
        assert not {"etag", "last-modified"} & page.headers.keys()
        seen = await client.get("/seen", headers={"if-none-match": '"old"', "x-forwarded-for": "192.0.2.1"})
    assert seen.text == "||127.0.0.1"


async def test_the_question_is_not_for_browsers(shop: Shop) -> None:
    async with signed_in(shop.url, "jane") as client:
        answer = await client.get("/portal/-/snippets", headers={"x-original-uri": "/"})
    assert answer.status_code == 204
    assert [name for name in answer.headers if name.startswith("portal-")] == []


async def test_the_apps_error_pages_keep_their_status_and_have_the_link_too(shop: Shop) -> None:
    async with signed_in(shop.url, "jane") as client:
        await decided_page(client)
        missing, broken = [await client.get(path) for path in ("/missing", "/broken")]
    assert (missing.status_code, broken.status_code) == (404, 503)
    the_link(broken)
    assert broken.headers["cache-control"] == "private, no-cache"


async def test_a_cache_of_nginxs_keeps_the_page_as_the_app_made_it(shop: Shop, tmp_path: Path) -> None:
    caching = "proxy_cache pages; add_header X-Cache $upstream_cache_status;"
    gateway_port = httpx.URL(shop.gateway.url).port or 0
    async with running_nginx(tmp_path, gateway_port, caching) as (url, _), signed_in(url, "jane") as jane:
        the_link(await decided_page(jane, "/public"))
        async with visitor(url) as anonymous:
            theirs, hers = await anonymous.get("/public"), await jane.get("/public")
    assert theirs.headers["x-cache"] == hers.headers["x-cache"] == "HIT"
    assert theirs.text == PAGE
    the_link(hers)


async def test_a_page_is_compressed_by_nginx_and_a_style_sheet_by_the_app(shop: Shop) -> None:
    async with signed_in(shop.url, "jane") as client:
        page = await client.get("/", headers={**DOCUMENT, "accept-encoding": "gzip"})
        style = await client.get("/app.css", headers={**STYLE, "accept-encoding": "gzip"})
        again = await client.get("/app.css", headers={**STYLE, "if-none-match": style.headers["etag"]})
    assert page.headers["content-encoding"] == style.headers["content-encoding"] == "gzip"
    the_link(page)
    assert style.content == CSS
    assert again.status_code == 304


async def test_the_gateway_stops_and_pages_go_on(vendors: Vendors, tmp_path: Path) -> None:
    async with running_shop(vendors, tmp_path) as shop, signed_in(shop.url, "jane") as client:
        the_link(await decided_page(client))
        await shop.gateway.process.stop()
        page = await client.get("/")
        assert (page.status_code, page.text) == (200, PAGE)
        assert (await client.get("/portal/success/launch")).status_code == 502


@dataclass
class Impostor:
    """Answers like no gateway does: with `status` and `headers`, or not at all."""

    status: int | None = 204
    headers: str = ""
    asked: list[str] = field(default_factory=list)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode("latin-1"):
                self.asked.append(head)
                if self.status is not None:
                    framing = "" if self.status in (204, 304) else "Content-Length: 0\r\n"
                    writer.write(f"HTTP/1.1 {self.status} X\r\n{framing}{self.headers}\r\n".encode("latin-1"))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def impostors(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[str, Impostor]]:
    impostor = Impostor()
    async with await asyncio.start_server(impostor.answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with running_nginx(tmp_path_factory.mktemp("impostor"), port) as (url, _):
            yield url, impostor


@pytest.fixture
def impostor(impostors: tuple[str, Impostor]) -> tuple[str, Impostor]:
    """A polite one for each test."""
    url, impostor = impostors
    impostor.status, impostor.headers, impostor.asked = 204, "", []
    return url, impostor


@pytest.mark.parametrize(
    "status", [200, 206, 301, 302, 304, 307, 400, 401, 403, 404, 405, 413, 429, 431, 500, 502, 503]
)
async def test_no_answer_of_the_gateway_makes_an_error_of_a_page(impostor: tuple[str, Impostor], status: int) -> None:
    url, gateway = impostor
    gateway.status = status
    async with visitor(url) as client:
        page = await client.get("/")
    assert (page.status_code, page.text) == (200, PAGE)
    assert len(gateway.asked) == 1


async def test_a_head_that_is_too_long_makes_no_error_of_a_page(impostor: tuple[str, Impostor]) -> None:
    url, gateway = impostor
    gateway.headers = f"Portal-Snippet-success-0: {'x' * 20_000}\r\n"
    async with visitor(url) as client:
        page = await client.get("/")
    assert (page.status_code, page.text) == (200, PAGE)


async def test_a_gateway_that_hangs_is_not_waited_for_long(impostor: tuple[str, Impostor]) -> None:
    url, gateway = impostor
    gateway.status = None
    async with visitor(url) as client:
        page = await client.get("/")
    assert (page.status_code, page.text) == (200, PAGE)


async def test_a_snippet_goes_in_byte_for_byte(impostor: tuple[str, Impostor]) -> None:
    """nginx reads no variables in the value of one."""
    url, gateway = impostor
    snippet = '<a title="$host &#252; \\1 ${uri} {{x}}">it\'s</a>'
    gateway.headers = f"Portal-Snippet-success-0: {snippet}\r\n"
    async with visitor(url) as client:
        page = await client.get("/")
    assert page.text == PAGE.replace("</nav>", f"{snippet}</nav>")


@pytest.mark.parametrize(
    ("method", "headers", "asks"),
    [
        pytest.param("GET", DOCUMENT, True, id="document"),
        pytest.param("GET", {**DOCUMENT, "sec-fetch-dest": "iframe"}, True, id="frame"),
        pytest.param("GET", {"accept": "text/html"}, True, id="old-browser"),
        pytest.param("GET", {"accept": "*/*", "sec-fetch-dest": "empty", "hx-boosted": "true"}, True, id="htmx"),
        pytest.param("GET", {"accept": "text/html", "sec-fetch-dest": "empty"}, True, id="turbo"),
        pytest.param("GET", STYLE, False, id="style"),
        pytest.param("GET", {"accept": "*/*", "sec-fetch-dest": "empty"}, False, id="fetch"),
        pytest.param("GET", {"accept": "image/avif,*/*", "sec-fetch-dest": "image"}, False, id="image"),
        pytest.param("POST", DOCUMENT, False, id="form"),
        pytest.param("HEAD", DOCUMENT, False, id="head"),
    ],
)
async def test_only_pages_ask(impostor: tuple[str, Impostor], method: str, headers: dict[str, str], asks: bool) -> None:
    url, gateway = impostor
    async with visitor(url) as client:
        await client.request(method, "/app.css?v=1", headers=headers)
    assert len(gateway.asked) == asks


async def test_what_the_gateway_is_told_is_nginxs_word(impostor: tuple[str, Impostor]) -> None:
    url, gateway = impostor
    forged = {"x-original-uri": "/onboarding", "x-forwarded-for": "192.0.2.1", "x-forwarded-proto": "gopher"}
    async with visitor(url) as client:
        await client.request("GET", "/a%20b?c=d", headers={**forged, "cookie": "sid=1"}, content=b"a body")
    [asked] = gateway.asked
    lines = [line.lower() for line in asked.splitlines()]
    assert lines[0] == "get /portal/-/snippets http/1.1"
    assert "x-original-uri: /a%20b?c=d" in lines
    assert "x-forwarded-for: 127.0.0.1" in lines
    assert "x-forwarded-proto: http" in lines
    assert "cookie: sid=1" in lines
    assert [line for line in lines if line.startswith(("content-length", "transfer-encoding", "connection"))] == []
    assert len([line for line in lines if line.startswith("x-original-uri")]) == 1
