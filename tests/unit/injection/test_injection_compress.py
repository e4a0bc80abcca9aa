from __future__ import annotations

from typing import Any

import pytest
from codings_kit import pack, unpack
from gateway_kit import (
    HTML,
    LINK,
    LOADER,
    PAGE,
    PageApp,
    Response,
    ScriptedProvider,
    ask,
    planhat,
    settings,
    wrapped,
)

from portal_gateway.html.codings import decoder
from portal_gateway.injection.compress import CompressedSend
from portal_gateway.middleware import PortalGatewayMiddleware
from portal_gateway.models import Access

BODY = PAGE.replace(b"Hello", b"Hello " * 300)
ALL = (b"accept-encoding", b"gzip, deflate, br, zstd")
GZIP = (b"accept-encoding", b"gzip")
ETAG = (b"etag", b'"a"')


def length(body: bytes) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % len(body)


class Exchange:
    def __init__(self, *request: tuple[bytes, bytes], method: str = "GET") -> None:
        self.response = Response()
        self.compressed = CompressedSend(self.response.send, method, list(request))

    async def run(self, *chunks: bytes, status: int = 200, headers: Any = (HTML,)) -> Response:
        await self.compressed({"type": "http.response.start", "status": status, "headers": list(headers)})
        for number, chunk in enumerate(chunks, start=1):
            more = number < len(chunks)
            await self.compressed({"type": "http.response.body", "body": chunk, "more_body": more})
        return self.response


class TestBody:
    @pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
    async def test_a_whole_page_has_its_exact_length(self, coding: str) -> None:
        response = await Exchange((b"accept-encoding", coding.encode())).run(BODY, headers=[HTML, length(BODY)])
        assert response.all("content-encoding") == [coding]
        assert response.all("content-length") == [str(len(response.body))]
        assert response.all("vary") == ["Accept-Encoding"]
        assert len(response.body) < len(BODY) / 2
        assert unpack(coding, response.body) == BODY

    @pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
    async def test_each_message_can_be_read_at_once(self, coding: str) -> None:
        exchange, stream = Exchange((b"accept-encoding", coding.encode())), decoder(coding.encode())
        await exchange.compressed({"type": "http.response.start", "status": 200, "headers": [HTML]})
        for piece in (b"<p>first", b"", b"<p>second"):
            before = len(exchange.response.chunks)
            await exchange.compressed({"type": "http.response.body", "body": piece, "more_body": True})
            assert b"".join(stream.decode(b"".join(exchange.response.chunks[before:]))) == piece
        await exchange.compressed({"type": "http.response.body"})
        assert [*stream.decode(exchange.response.chunks[-1]), *stream.finish()] == []
        assert exchange.response.header("content-length") is None
        assert exchange.response.complete

    @pytest.mark.parametrize(
        ("chunks", "headers"),
        [
            pytest.param([b"x" * 1023], [], id="whole"),
            pytest.param([b"x" * 500, b"x" * 523], [(b"content-length", b"1023")], id="announced"),
            pytest.param([b""], [], id="empty"),
        ],
    )
    async def test_a_small_body_stays_as_it_is(self, chunks: list[bytes], headers: Any) -> None:
        response = await Exchange(ALL).run(*chunks, headers=[HTML, *headers, ETAG])
        assert response.chunks == chunks
        assert response.header("content-encoding") is None
        assert response.headers == [HTML, *headers, ETAG], "whoever asks"

    @pytest.mark.parametrize(
        "request_headers", [[], [(b"accept-encoding", b"identity")], [(b"accept-encoding", b"dcb")]]
    )
    async def test_who_does_not_accept_it_gets_the_page_as_it_is(self, request_headers: Any) -> None:
        response = await Exchange(*request_headers).run(BODY, headers=[HTML, length(BODY), ETAG])
        assert response.body == BODY
        assert response.headers == [HTML, length(BODY), ETAG, (b"vary", b"Accept-Encoding")]


class TestHead:
    @pytest.mark.parametrize(("etag", "sent"), [(b'"a"', 'W/"a"'), (b'W/"a"', 'W/"a"')])
    async def test_the_bytes_are_others_so_the_tag_is_weak(self, etag: bytes, sent: str) -> None:
        assert (await Exchange(ALL).run(BODY, headers=[HTML, (b"etag", etag)])).all("etag") == [sent]

    async def test_what_describes_the_bytes_is_dropped(self) -> None:
        facts = [(b"Digest", b"x"), (b"Content-Digest", b"x"), (b"Content-MD5", b"x"), (b"Accept-Ranges", b"bytes")]
        response = await Exchange(ALL).run(BODY, headers=[HTML, *facts])
        assert {name for name, _ in response.headers} == {
            b"content-type",
            b"content-encoding",
            b"content-length",
            b"vary",
        }

    async def test_vary_is_extended(self) -> None:
        response = await Exchange(ALL).run(BODY, headers=[HTML, (b"vary", b"Cookie")])
        assert response.all("vary") == ["Cookie, Accept-Encoding"]

    @pytest.mark.parametrize(
        ("status", "headers"),
        [
            (200, [HTML, (b"content-encoding", b"br")]),
            (200, [HTML, (b"cache-control", b"public, no-transform")]),
            (200, [HTML, (b"content-range", b"bytes 0-9/10")]),
            (206, [HTML]),
            (204, []),
            (200, []),
            (200, [(b"content-type", b"image/png")]),
            (200, [(b"content-type", b"text/event-stream")]),
            (200, [(b"content-type", b"application/zip")]),
        ],
    )
    async def test_what_is_left_alone_is_not_touched(self, status: int, headers: Any) -> None:
        response = await Exchange(ALL).run(BODY, b"more", status=status, headers=headers)
        assert (response.headers, response.chunks) == (headers, [BODY, b"more"])

    @pytest.mark.parametrize(
        "media_type",
        [b"text/plain; charset=utf-8", b"Text/CSS", b"application/json", b"application/problem+json", b"image/svg+xml"],
    )
    async def test_other_texts_asked_for_as_documents_do_not_get_bigger_through_us(self, media_type: bytes) -> None:
        response = await Exchange(ALL).run(BODY, status=404, headers=[(b"content-type", media_type)])
        assert response.header("content-encoding") == "zstd"

    async def test_identity_named_is_no_coding(self) -> None:
        response = await Exchange(ALL).run(BODY, headers=[HTML, (b"content-encoding", b"identity")])
        assert response.header("content-encoding") == "zstd"

    async def test_304_says_what_the_page_varies_by(self) -> None:
        response = await Exchange(ALL).run(b"", status=304, headers=[(b"etag", b'W/"a"')])
        assert response.headers == [(b"etag", b'W/"a"'), (b"vary", b"Accept-Encoding")]

    @pytest.mark.parametrize("announced", [[], [length(BODY)]])
    async def test_head_gets_the_head_of_the_page(self, announced: Any) -> None:
        page = await Exchange(ALL).run(BODY[:99], BODY[99:], headers=[HTML, *announced, ETAG])
        head = await Exchange(ALL, method="HEAD").run(b"", headers=[HTML, *announced, ETAG])
        assert head.headers == page.headers
        assert head.body == b""

    async def test_head_of_a_small_page(self) -> None:
        headers = [HTML, (b"content-length", b"10")]
        response = await Exchange(ALL, method="HEAD").run(b"", headers=headers)
        assert response.headers == headers


class TestMessages:
    async def test_a_head_without_a_body_goes_out_before_what_comes_instead(self) -> None:
        exchange = Exchange(ALL)
        response = await exchange.run()
        assert response.messages == []
        await exchange.compressed({"type": "http.response.pathsend", "path": "/srv/page.html"})
        assert [message["type"] for message in response.messages] == ["http.response.start", "http.response.pathsend"]
        assert response.header("content-encoding") is None

    async def test_other_messages_survive_in_order(self) -> None:
        exchange = Exchange(ALL)
        await exchange.compressed({"type": "http.response.early_hint", "links": []})
        await exchange.run(BODY)
        await exchange.compressed({"type": "http.response.trailers", "headers": []})
        types = [message["type"].rpartition(".")[2] for message in exchange.response.messages]
        assert types == ["early_hint", "start", "body", "trailers"]

    async def test_the_apps_own_list_of_headers_is_not_changed(self) -> None:
        headers = [HTML, length(BODY)]
        message = {"type": "http.response.start", "status": 200, "headers": headers}
        exchange = Exchange(ALL)
        await exchange.compressed(message)
        await exchange.compressed({"type": "http.response.body", "body": BODY})
        assert (headers, message["headers"]) == ([HTML, length(BODY)], headers)


class TestAroundTheGateway:
    def gateway(self, monkeypatch: pytest.MonkeyPatch, inner: Any, access: Any = None) -> PortalGatewayMiddleware:
        portals = {"success": planhat({"at": "nav"}, access={"budget_ms": 10_000})}
        providers = {"success": ScriptedProvider(access)}
        return wrapped(inner, settings(portals=portals), providers, monkeypatch, compress=True)

    @pytest.mark.parametrize(
        ("accepted", "coding"), [(b"gzip, br, zstd", "zstd"), (b"gzip, br", "gzip"), (b"br", "br")]
    )
    async def test_an_injected_page_is_compressed_once(
        self, monkeypatch: pytest.MonkeyPatch, accepted: bytes, coding: str
    ) -> None:
        inner = PageApp(BODY, headers=[HTML, length(BODY)])
        app = self.gateway(monkeypatch, inner)
        await ask(app, "/", user="jane")  # so that the decision is at hand
        response = await ask(app, "/", (b"accept-encoding", accepted), user="jane")
        assert dict(inner.scopes[-1]["headers"])[b"accept-encoding"] == b"identity"
        page = unpack(coding, response.body)
        assert page.replace(page[page.index(LINK) : page.index(b"</a>") + 4], b"") == BODY
        assert response.all("content-length") == [str(len(response.body))]
        assert response.header("vary") == "Cookie, Authorization, Accept-Encoding"

    async def test_so_is_a_page_that_gets_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        app = self.gateway(monkeypatch, PageApp(BODY), Access.deny("vendor_no"))
        response = await ask(app, "/", GZIP, user="jane")
        assert unpack("gzip", response.body) == BODY

    @pytest.mark.parametrize(
        "headers", [[(b"content-type", b"text/html; charset=utf-16le")], [HTML, (b"x-portal-gateway", b"1")]]
    )
    async def test_so_is_a_page_left_alone(self, monkeypatch: pytest.MonkeyPatch, headers: Any) -> None:
        response = await ask(self.gateway(monkeypatch, PageApp(BODY, headers=headers)), "/", GZIP, user="jane")
        assert unpack("gzip", response.body) == BODY

    async def test_the_tag_of_a_page_with_the_loader_still_brings_a_304(self, monkeypatch: pytest.MonkeyPatch) -> None:
        inner = PageApp(BODY, headers=[HTML, ETAG, (b"cache-control", b"public")])
        app = self.gateway(monkeypatch, inner)
        page = await ask(app, "/", GZIP)
        assert LOADER in unpack("gzip", page.body)
        (tag,) = page.all("etag")
        await ask(app, "/", GZIP, (b"if-none-match", tag.encode()))
        assert dict(inner.scopes[-1]["headers"])[b"if-none-match"] == b'"a"'

    async def test_what_the_app_encodes_all_the_same_passes_through_the_scanner_only(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        inner = PageApp(pack("br", BODY), headers=[HTML, (b"content-encoding", b"br")])
        response = await ask(self.gateway(monkeypatch, inner), "/", ALL, user="jane")
        assert response.all("content-encoding") == ["br"]
        assert LINK in unpack("br", response.body)

    async def test_requests_for_anything_else_are_the_apps_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        inner = PageApp(BODY)
        response = await ask(self.gateway(monkeypatch, inner), "/", ALL, user="jane", method="POST")
        assert dict(inner.scopes[0]["headers"])[b"accept-encoding"] == ALL[1]
        assert (response.headers, response.body) == ([HTML], BODY)
