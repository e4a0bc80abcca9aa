"""The rules that never break, continued: 8 (memory) and 9 (reasons)."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from gateway_kit import (
    BROWSER,
    FETCH,
    HTML,
    PAGE,
    PageApp,
    Response,
    ScriptedProvider,
    ask,
    fill_session,
    http_scope,
    settings,
    wrapped,
)

from portal_gateway import EndUser
from portal_gateway.models import Access


class TestRule8MemoryIsBounded:
    PIECE = b"<p>" + b"x" * 65_530 + b"</p>"

    @pytest.mark.parametrize("coding", ["identity", "gzip"])
    @pytest.mark.parametrize("at", ["aside.never", "body"])
    async def test_a_page_of_any_size_streams(self, monkeypatch: pytest.MonkeyPatch, coding: str, at: str) -> None:
        response, lags = Response(), []
        unpack = zlib.decompressobj(wbits=31) if coding == "gzip" else None
        pack = zlib.compressobj(wbits=31)

        async def endless(scope: Any, receive: Any, send: Any) -> None:
            fill_session(scope)
            headers = [HTML, (b"content-encoding", coding.encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            received = 0
            for number in range(200):
                piece = self.PIECE if number else PAGE[: PAGE.index(b"</body>")]
                sent = piece if unpack is None else pack.compress(piece) + pack.flush(zlib.Z_SYNC_FLUSH)
                await send({"type": "http.response.body", "body": sent, "more_body": True})
                new = b"".join(response.chunks)
                response.messages[1:] = []
                received += len(new if unpack is None else unpack.decompress(new)) - len(piece)
                lags.append(-received)
            end = b"</body></html>" if unpack is None else pack.compress(b"</body></html>") + pack.flush()
            await send({"type": "http.response.body", "body": end})

        app = wrapped(endless, settings({"at": at}), {"success": ScriptedProvider()}, monkeypatch)
        await app(http_scope(user="jane"), None, response.send)
        assert max(lags) <= 64 * 1024, "no more than this is ever held back"
        assert response.complete

    async def test_a_small_response_that_unpacks_to_much_does_not_pile_up(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bomb = gzip.compress(PAGE[: PAGE.index(b"</body>")] + b" " * 50_000_000 + b"</body></html>")
        inner = PageApp(bomb, headers=[HTML, (b"content-encoding", b"gzip")])
        app = wrapped(inner, settings({"at": "nav"}), {"success": ScriptedProvider()}, monkeypatch)
        response = await ask(app, "/", user="jane")
        assert max(map(len, response.chunks)) < 1_000_000
        unpacked = sum(map(len, _unpacked(response.body)))
        assert unpacked > 50_000_000

    async def test_decisions_and_paths_are_kept_in_bounded_numbers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def anybody(scope: Any) -> EndUser:
            return EndUser(scope["path"].rpartition("/")[2], "a@b.example")

        app = wrapped(
            PageApp(), settings({"at": "nav"}, max_decisions=10), {"success": ScriptedProvider()}, monkeypatch, anybody
        )
        for number in range(50):
            await ask(app, f"/{number}")
        assert len(app.gateway._access._memory) == 10
        await ask(app, "/" + "x" * 60_000)
        assert len(app.gateway.rules.pages) == 50

    async def test_the_body_of_a_request_of_ours_is_read_to_its_limit_only(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = settings(forget={"secret": {"env": "FORGET"}})
        app = wrapped(PageApp(), config, {"success": ScriptedProvider()}, monkeypatch)
        response = await ask(app, "/portal/-/forget", method="POST", body=b"x" * 10_000)
        assert response.status == 401, "without the secret it is not read at all"


def _unpacked(data: bytes) -> Iterator[bytes]:
    stream = zlib.decompressobj(wbits=31)
    while not stream.eof:
        yield stream.decompress(data, 1 << 20)
        data = stream.unconsumed_tail


NOT_INJECTED = [
    ("no_rule", "/other", BROWSER, {}, {}),
    ("method", "/page", BROWSER, {"method": "POST"}, {}),
    ("not_a_document", "/page", FETCH, {}, {}),
    ("prefetch", "/page", [(b"purpose", b"prefetch")], {}, {}),
    ("partial", "/page", [(b"hx-request", b"true")], {}, {}),
    ("head", "/page", BROWSER, {"method": "HEAD"}, {}),
    ("not_modified", "/page", BROWSER, {}, {"status": 304}),
    ("status", "/page", BROWSER, {}, {"status": 500}),
    ("content_type", "/page", BROWSER, {}, {"headers": [(b"content-type", b"text/plain")]}),
    ("content_range", "/page", BROWSER, {}, {"headers": [HTML, (b"content-range", b"bytes 0-1/2")]}),
    ("attachment", "/page", BROWSER, {}, {"headers": [HTML, (b"content-disposition", b"attachment")]}),
    ("no_transform", "/page", BROWSER, {}, {"headers": [HTML, (b"cache-control", b"no-transform")]}),
    ("already_injected", "/page", BROWSER, {}, {"headers": [HTML, (b"x-portal-gateway", b"loader")]}),
    ("coding", "/page", BROWSER, {}, {"headers": [HTML, (b"content-encoding", b"compress")]}),
    ("broken_coding", "/page", BROWSER, {}, {"headers": [HTML, (b"content-encoding", b"gzip")]}),
    ("charset", "/page", BROWSER, {}, {"headers": [(b"content-type", b"text/html; charset=utf-16le")]}),
    ("csp_script", "/loader", BROWSER, {}, {"headers": [HTML, (b"content-security-policy", b"script-src 'none'")]}),
    ("csp_frame", "/frame", BROWSER, {}, {"headers": [HTML, (b"content-security-policy", b"frame-src 'none'")]}),
    ("shared_cacheable", "/template", BROWSER, {}, {"headers": [HTML, (b"cache-control", b"public")]}),
    ("no_match", "/nomatch", BROWSER, {}, {}),
]


class TestRule9WhatIsNotInjectedHasAReason:
    RULES = (
        {"at": "nav", "paths": ["/page"]},
        {"at": "nav", "paths": ["/loader"], "mode": "loader"},
        {"at": "nav", "paths": ["/frame"], "as": "iframe"},
        {"at": "nav", "paths": ["/template"], "template": "<b></b>"},
        {"at": "aside", "paths": ["/nomatch"], "mode": "loader"},
    )

    @pytest.mark.parametrize(("reason", "path", "headers", "request_", "response"), NOT_INJECTED)
    async def test_it_is_counted_and_seen(
        self, monkeypatch: pytest.MonkeyPatch, reason: str, path: str, headers: Any, request_: Any, response: Any
    ) -> None:
        app = wrapped(
            PageApp(**response),
            settings(*self.RULES, server_timing=True),
            {"success": ScriptedProvider()},
            monkeypatch,
        )
        answer = await ask(app, path, *headers, user="jane", **request_)
        assert answer.body == PAGE
        assert answer.header("server-timing") == f'portal;desc="{reason}"'
        assert app.gateway.events.counts["not_injected", "", reason] == 1

    @pytest.mark.parametrize(
        ("access", "reason"), [(Access.deny("vendor_no"), "vendor_no"), (RuntimeError("a bug"), "internal_error")]
    )
    async def test_so_has_a_placement_that_stays_empty(
        self, monkeypatch: pytest.MonkeyPatch, access: Any, reason: str
    ) -> None:
        app = wrapped(
            PageApp(),
            settings(*self.RULES, server_timing=True),
            {"success": ScriptedProvider(access)},
            monkeypatch,
        )
        await ask(app, "/page", *BROWSER, user="jane")
        again = await ask(app, "/page", *BROWSER, user="jane")
        assert again.header("server-timing") == f'portal;desc="{reason}"'
        assert app.gateway.events.counts["placement_empty", "success", reason] == 2
