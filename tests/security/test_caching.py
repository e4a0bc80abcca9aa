"""Nobody gets a snippet that was made for somebody else, or at another time."""

from __future__ import annotations

from typing import Any

import pytest
from gateway_kit import (
    BROWSER,
    HTML,
    PAGE,
    PageApp,
    ScriptedProvider,
    ask,
    settings,
    wrapped,
)


class TestCaching:
    PUBLIC = (HTML, (b"cache-control", b"public, max-age=60"))

    async def test_a_shared_page_is_the_same_for_everybody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        provider = ScriptedProvider()
        app = wrapped(PageApp(headers=self.PUBLIC), settings({"at": "nav"}), {"success": provider}, monkeypatch)
        bodies = {(await ask(app, "/", *BROWSER, user=user)).body for user in ("jane", "noah", None)}
        assert len(bodies) == 1
        assert b"<portal-link" in bodies.pop()
        assert provider.asked == []

    async def test_its_tag_makes_the_round_trip_and_a_304_comes_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[bytes | None] = []

        async def tagged(scope: Any, receive: Any, send: Any) -> None:
            sent = dict(scope["headers"]).get(b"if-none-match")
            seen.append(sent)
            status, body = (304, b"") if sent == b'"v7"' else (200, PAGE)
            headers = [*self.PUBLIC, (b"etag", b'"v7"')]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})

        app = wrapped(tagged, settings({"at": "nav"}), {"success": ScriptedProvider()}, monkeypatch)
        first = await ask(app, "/", *BROWSER)
        tag = first.header("etag") or ""
        assert tag.startswith('W/"v7;pg=')
        again = await ask(app, "/", *BROWSER, (b"if-none-match", tag.encode()))
        assert (again.status, again.body, again.header("etag")) == (304, b"", tag)
        for foreign in (b'"v7"', b'W/"v7"', b'W/"v7;pg=000000000000s"'):
            assert (await ask(app, "/", *BROWSER, (b"if-none-match", foreign))).status == 200
        assert seen == [None, b'"v7"', None, None, None]

    async def test_a_tag_of_other_rules_is_not_ours(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tags = set()
        for rule in ({"at": "nav"}, {"at": "nav", "label": "Other"}, {"at": "main"}):
            inner = PageApp(headers=[*self.PUBLIC, (b"etag", b'"v7"')])
            app = wrapped(inner, settings(rule), {"success": ScriptedProvider()}, monkeypatch)
            tags.add((await ask(app, "/", *BROWSER)).header("etag"))
        assert len(tags) == 3

    async def test_a_decided_page_is_private_to_its_user(self, monkeypatch: pytest.MonkeyPatch) -> None:
        headers = [HTML, (b"etag", b'"v7"'), (b"last-modified", b"x"), (b"vary", b"Accept")]
        app = wrapped(PageApp(headers=headers), settings({"at": "nav"}), {"success": ScriptedProvider()}, monkeypatch)
        for user in ("jane", None):
            response = await ask(app, "/", *BROWSER, user=user)
            assert response.header("cache-control") == "private"
            assert response.header("vary") == "Accept, Cookie, Authorization"
            assert response.header("etag") is None
            assert response.header("last-modified") is None
