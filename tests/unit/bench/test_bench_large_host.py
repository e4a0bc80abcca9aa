"""The page of a gigabyte is a page, in both codings the same one."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from bench import large_host


async def fetch(app: Any, path: str) -> bytes:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app({"type": "http", "path": path}, None, send)
    assert sent[0]["status"] == 200
    return b"".join(message.get("body", b"") for message in sent)


async def test_the_page_is_the_same_in_both_codings() -> None:
    app = large_host.bare()
    page = await fetch(app, "/late/identity/2")
    assert gzip.decompress(await fetch(app, "/late/gzip/2")) == page
    assert 2 * 2**20 < len(page) < 2 * 2**20 + 1000
    assert page.startswith(b"<!doctype html>")
    assert page.endswith(b"</html>\n")


@pytest.mark.parametrize("coding", large_host.CODINGS)
async def test_what_has_been_made_is_counted(coding: str) -> None:
    app = large_host.bare()
    body = await fetch(app, f"/body/{coding}/1")
    page = gzip.decompress(body) if coding == "gzip" else body
    assert int(await fetch(app, "/made")) == len(page)
