"""Content codings through `portal-gateway serve`, as a client sees them on the wire, in front of Debian's nginx: one
that would compress everything it is asked to, and files that it serves encoded to whoever asks."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from codings_kit import pack, unpack
from frameworks_support import PAGE, WHOAMI, Vendors, visitor
from processes import free_port, program, running_process, running_sidecar, until_listening, write_config

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = PAGE.replace("</body>", "<p>A line of text that is there many times.</p>\n" * 4000 + "</body>")
NGINX_CONF = """
daemon off; worker_processes 1; pid {prefix}/nginx.pid; error_log {prefix}/error.log; {user}
events {{ worker_connections 64; }}
http {{
  types {{ text/html html; }} charset utf-8; gzip on; gzip_min_length 1;
  log_format asked '$uri $http_accept_encoding'; access_log {prefix}/asked.log asked;
  client_body_temp_path {prefix}/b; proxy_temp_path {prefix}/p; fastcgi_temp_path {prefix}/f;
  uwsgi_temp_path {prefix}/u; scgi_temp_path {prefix}/s;
  server {{
    listen 127.0.0.1:{port}; root {prefix}/www;
    location /api/me {{ default_type application/json;
      return 200 '{{"user": {{"id": "jane", "email": "jane@vance.example", "company_id": "201"}}}}'; }}
    location ~ ^/packed/(.+)$ {{ default_type text/html; gzip off; add_header Content-Encoding $1; }}
    location = /public.html {{ add_header Cache-Control "public, max-age=60"; }}
    location = /broken {{ default_type text/html; gzip off; add_header Content-Encoding br; }}
  }}
}}
"""


@dataclass
class Shop:
    """nginx at `bare`, the sidecar before it at `url`; one that leaves compression to nginx at `plain_url`."""

    bare: str
    url: str
    plain_url: str
    asked: Path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    directory, port = tmp_path_factory.mktemp("codings"), free_port()
    www = directory / "www"
    (www / "packed").mkdir(parents=True)
    for name in ("index.html", "public.html"):
        (www / name).write_text(LONG, encoding="utf-8")
    for coding in ("gzip", "br", "zstd"):
        (www / "packed" / coding).write_bytes(pack(coding, LONG.encode()))
    (www / "broken").write_bytes(pack("br", os.urandom(3_000_000))[:-1_000_000])
    user = "user root;" if os.geteuid() == 0 else ""
    (directory / "nginx.conf").write_text(NGINX_CONF.format(prefix=directory, port=port, user=user))
    nginx = (program("nginx", "/usr/sbin/nginx"), "-e", "stderr", "-p", str(directory), "-c", f"{directory}/nginx.conf")
    bare = f"http://127.0.0.1:{port}"
    config: Mapping[str, Any] = {**vendors.config(WHOAMI), "upstream": bare}
    ours, plain = (
        write_config(directory / f"{name}.yaml", {**config, "compress": compress})
        for name, compress in (("ours", True), ("plain", False))
    )
    async with running_process(*nginx) as process:
        await until_listening(port, process)
        async with (
            running_sidecar(ours, environ=vendors.environ) as sidecar,
            running_sidecar(plain, environ=vendors.environ) as other,
        ):
            yield Shop(bare, sidecar.url, other.url, directory / "asked.log")
            assert "Traceback" not in sidecar.log + other.log


async def raw(url: str, path: str, method: str = "GET", **headers: str) -> tuple[httpx.Response, bytes]:
    """The response and its body as it was on the wire."""
    async with visitor(url, cookie="sid=jane") as client, client.stream(method, path, headers=headers) as response:
        return response, b"".join([chunk async for chunk in response.aiter_raw()])


def encoding(coding: str) -> dict[str, str]:
    return {"accept-encoding": coding}


def last_asked(shop: Shop) -> str:
    """The Accept-Encoding of the last request for the page."""
    lines = shop.asked.read_text().splitlines()
    return [line for line in lines if line.startswith("/index.html ")][-1].partition(" ")[2]


def without_link(page: bytes) -> str:
    return re.sub('<a class="portal-link".*?</a>', "", page.decode())


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [("gzip, deflate, br, zstd", "zstd"), ("gzip, deflate, br", "gzip"), ("br", "br"), ("deflate", "identity")],
)
async def test_a_page_is_compressed_once_for_who_accepts_it(shop: Shop, accepted: str, coding: str) -> None:
    response, body = await raw(shop.url, "/", **encoding(accepted))
    assert response.headers.get("content-encoding", "identity") == coding
    assert "Accept-Encoding" in response.headers["vary"]
    assert b"portal-link" in unpack(coding, body)
    assert without_link(unpack(coding, body)) == LONG
    if coding != "identity":
        assert len(body) < len(LONG) / 20
    assert last_asked(shop) == "identity"


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
async def test_an_upstream_that_encodes_unasked_is_read_and_written(shop: Shop, coding: str) -> None:
    for url in (shop.url, shop.plain_url):
        response, body = await raw(url, f"/packed/{coding}", **encoding("gzip, br, zstd"))
        assert response.headers.get_list("content-encoding") == [coding]
        assert b"portal-link" in unpack(coding, body)
        assert without_link(unpack(coding, body)) == LONG


async def test_compression_can_be_left_to_the_app(shop: Shop) -> None:
    response, body = await raw(shop.plain_url, "/", **encoding("gzip, br;q=0.5, compress"))
    assert response.headers["content-encoding"] == "gzip"
    assert without_link(unpack("gzip", body)) == LONG
    assert last_asked(shop) == "gzip, br;q=0.5"


async def test_what_is_no_page_is_nginxs_own_bytes(shop: Shop) -> None:
    headers = {"sec-fetch-dest": "empty", **encoding("gzip")}
    assert (await raw(shop.url, "/", **headers))[1] == (await raw(shop.bare, "/", **headers))[1]


async def test_head_and_revalidation(shop: Shop) -> None:
    page, _ = await raw(shop.url, "/public.html", **encoding("gzip"))
    head, nothing = await raw(shop.url, "/public.html", "HEAD", **encoding("gzip"))
    assert nothing == b""
    for name in ("content-encoding", "vary", "etag", "cache-control"):
        assert head.headers[name] == page.headers[name]
    assert page.headers["etag"].startswith('W/"')
    again, nothing = await raw(shop.url, "/public.html", **encoding("gzip"), **{"if-none-match": page.headers["etag"]})
    assert (again.status_code, nothing) == (304, b"")
    assert again.headers["etag"] == page.headers["etag"]


async def test_a_body_that_breaks_on_its_way_breaks_the_connection(shop: Shop) -> None:
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        await raw(shop.url, "/broken", **encoding("br"))
