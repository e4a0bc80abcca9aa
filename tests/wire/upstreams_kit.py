"""Apps that people put the sidecar in front of, from an environment that `make test` installs beside its own."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from frameworks_support import LINK, Vendors, visitor
from processes import Process, running_process, running_sidecar, write_config
from site_kit import NAVIGATION, SNIPPET

TESTS = Path(__file__).parents[1]
SOURCES = TESTS / "upstreams"
_ENVIRONMENT = TESTS.parent / ".venv-upstreams"

SAYS_WHO = {"source": "headers", "id": "X-User-Id", "email": "X-User-Email", "company_id": "X-Company-Id"}
JANE = {**NAVIGATION, "x-user-id": "jane", "x-user-email": "jane@vance.example", "x-company-id": "201"}
AT_THE_END = [{"at": "body", "position": "append", "as": "link", "paths": ["/**"]}]

# Of a connection, a moment or a request.
_NOT_COMPARED = {"connection", "date", "keep-alive", "transfer-encoding", "x-request-id"}
# Of a page that has the link for some: no cache may keep it for others, and it may be longer.
_OF_A_PAGE = {"accept-ranges", "cache-control", "content-length", "etag", "last-modified", "vary", "x-portal-gateway"}


def python() -> str:
    """The interpreter of that environment."""
    assert (_ENVIRONMENT / ".ready").exists(), "the apps of these tests are not installed: run `make test`"
    return str(_ENVIRONMENT / "bin" / "python")


@asynccontextmanager
async def running_app(module: str, *arguments: str, environ: Mapping[str, str] = {}) -> AsyncIterator[Process]:
    async with running_process(python(), "-m", module, *arguments, environ=environ) as process:
        yield process


@dataclass
class Site:
    """An app at `bare`, and the sidecar before it at `url`. Requests with the headers `JANE` are hers."""

    bare: str
    url: str

    def websocket(self, target: str) -> str:
        return self.url.replace("http:", "ws:") + target


@asynccontextmanager
async def behind_the_sidecar(bare: str, vendors: Vendors, directory: Path) -> AsyncIterator[Site]:
    config = vendors.config(SAYS_WHO)
    portals = {"success": {**config["portals"]["success"], "inject": AT_THE_END}}
    file = write_config(
        directory / "gateway.yaml",
        {**config, "portals": portals, "upstream": bare, "compress": False, "trusted_proxies": ["127.0.0.1/32"]},
    )
    async with running_sidecar(file, environ=vendors.environ) as sidecar:
        yield Site(bare, sidecar.url)
    assert "Traceback" not in sidecar.log


@asynccontextmanager
async def visitors(site: Site, **headers: str) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """The same browser straight at the app, and before the sidecar. Nothing is compressed: bytes are compared."""
    headers = {"accept-encoding": "identity", "host": "localhost:8000", **headers}
    async with visitor(site.bare, **headers) as straight, visitor(site.url, **headers) as through:
        yield straight, through


def assert_same(
    straight: httpx.Response, through: httpx.Response, *, but: Iterable[str] = (), moving: bytes = rb"(?!)"
) -> None:
    """To the byte, and in each header. `but` are headers that may differ, `moving` is what does so in each answer."""
    ignored = _NOT_COMPARED.union(but)

    def parts(response: httpx.Response) -> tuple[int, list[tuple[str, str]], bytes]:
        headers = [(name, value) for name, value in response.headers.multi_items() if name not in ignored]
        return response.status_code, headers, re.sub(moving, b"", response.content)

    seen, expected = parts(through), parts(straight)
    assert seen == expected, f"{seen}\n{expected}"


async def assert_linked(
    straight: httpx.AsyncClient,
    through: httpx.AsyncClient,
    path: str,
    *,
    but: Iterable[str] = (),
    moving: bytes = rb"(?!)",
) -> None:
    """The page at `path` is the app's for strangers; for Jane it has one link more, which opens her portal."""
    but = _OF_A_PAGE.union(but)
    page = await straight.get(path)
    assert page.status_code == 200
    assert_same(page, await through.get(path), but=but, moving=moving)
    hers = await through.get(path, headers=JANE)
    (link,) = SNIPPET.findall(hers.content)
    assert "private" in hers.headers["cache-control"]
    assert_same(page, hers, but=but, moving=b"%b|%b" % (moving, re.escape(link)))
    (target,) = LINK.findall(hers.text)
    launch = await through.get(target, headers=JANE)
    assert (launch.status_code, "/redirect/" in launch.headers["location"]) == (303, True)
