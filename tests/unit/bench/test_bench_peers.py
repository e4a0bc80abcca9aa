"""Other proxies are set up to pass what they are there for, and one that is not there is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.peers import PEERS, nginx, node
from bench.peers.proxy import NotInstalled, program
from bench.peers.python_proxies import starlette_httpx
from bench.servers import ROOT
from portal_gateway.sandbox.server import running


@pytest.fixture
async def site() -> AsyncIterator[str]:
    async def page(request: Request) -> Response:
        assert request.headers["host"] == "app.test"
        return Response(request.headers["accept"], 203, {"x-path": request.url.path})

    async with running(Starlette(routes=[Route("/{path:path}", page)])) as url:
        yield url


async def test_the_recipe_with_httpx_is_a_proxy(site: str) -> None:
    async with running(starlette_httpx(site)) as url, httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{url}/a/b", headers={"accept": "text/x", "host": "app.test"})
    assert (answer.status_code, answer.text, answer.headers["x-path"]) == (203, "text/x", "/a/b")


def test_each_has_a_name_of_its_own() -> None:
    assert len({peer.name for peer in PEERS}) == len(PEERS)


@pytest.mark.parametrize("peer", [nginx.PLAIN, nginx.SUB_FILTER], ids=lambda peer: peer.name)
def test_two_of_a_kind_keep_out_of_each_others_way(peer: nginx.Proxy, tmp_path: Path) -> None:
    first, second = peer.command(tmp_path, 8001, 8000), peer.command(tmp_path, 8002, 8000)
    assert first != second
    assert "127.0.0.1:8001" in (tmp_path / "nginx-8001.conf").read_text()


def test_what_is_not_installed_is_said_with_its_package() -> None:
    with pytest.raises(NotInstalled, match="no-such-proxy is not installed; on Debian: apt-get install its-package"):
        program("no-such-proxy", "its-package")


def test_without_npm_there_is_no_proxy_in_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "node").symlink_to(shutil.which("node") or "/usr/bin/node")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(node, "_TARGET", tmp_path / "modules")
    with pytest.raises(NotInstalled, match="npm is not installed"):
        node.HTTP_PROXY_MIDDLEWARE.command(tmp_path, 8001, 8000)


def test_the_lock_file_names_no_registry_and_pins_every_hash() -> None:
    lock = json.loads((ROOT / "bench" / "peers" / "node" / "package-lock.json").read_text("utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert packages["node_modules/http-proxy-middleware"]["version"] == node.DEPENDENCIES["http-proxy-middleware"]
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [name for name, package in packages.items() if not package["integrity"].startswith("sha512-")] == []
