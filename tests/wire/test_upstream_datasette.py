"""`portal-gateway serve` in front of Datasette."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from frameworks_support import Vendors
from upstreams_kit import JANE, Site, assert_linked, assert_same, behind_the_sidecar, running_app, visitors

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROWS = 20_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    directory = tmp_path_factory.mktemp("datasette")
    database = directory / "shop.db"
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("create table items (id integer primary key, name text)")
        connection.executemany("insert into items (name) values (?)", [(f"Grün {row}",) for row in range(ROWS)])
    async with running_app("datasette", str(database), "--port", "0") as datasette:
        bare = (await datasette.printed(r"running on (http://127\.0\.0\.1:\d+)"))[1]
        async with behind_the_sidecar(bare, vendors, directory) as site:
            yield site


@pytest.mark.parametrize("path", ["/", "/shop", "/shop/items?_size=max", "/-/settings"])
async def test_a_page_gets_the_link_and_nothing_else(site: Site, path: str) -> None:
    async with visitors(site) as (straight, through):
        await assert_linked(straight, through, path, moving=rb"Queries took [\d.]+ms")


@pytest.mark.parametrize(
    "path",
    ["/-/versions.json", "/shop/items.json?_shape=array", "/shop/items.csv?_size=5", "/none.json", "/-/static/app.css"],
)
async def test_other_answers_are_the_apps(site: Site, path: str) -> None:
    async with visitors(site, **JANE) as (straight, through):
        assert_same(await straight.get(path), await through.get(path))


async def test_a_table_streams_as_csv(site: Site) -> None:
    async with visitors(site, **JANE) as clients:
        straight, through = [await client.get("/shop/items.csv?_stream=on") for client in clients]
    assert straight.headers["transfer-encoding"] == through.headers["transfer-encoding"] == "chunked"
    assert through.text.count("\r\n") == ROWS + 1
    assert_same(straight, through)
