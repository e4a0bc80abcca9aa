from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from codings_kit import pack
from gateway_kit import HTML, LINK, LOADER, PAGE, Response, http_scope, session_of, settle

from portal_gateway.injection.injector import Injector, announcing
from portal_gateway.injection.responder import PageResponder
from portal_gateway.models import Access

NAV = {"at": "nav", "position": "append"}
GZIP = (b"content-encoding", b"gzip")
PUBLIC = (b"cache-control", b"public")
LENGTH = (b"content-length", str(len(PAGE)).encode())

Make = Callable[..., Any]


class Exchange:
    """A responder between messages that a test sends and a server that notes them."""

    def __init__(
        self, p: Any, *, method: str = "GET", timing: bool = False, revalidates: bool = False, user: str = "jane"
    ) -> None:
        self.response = Response()
        gateway = p.gateway
        injector = Injector(gateway.decider, gateway.tags, gateway.events, lambda _: "https://app.acme.com", timing)
        scope = http_scope(method=method, session=session_of(user))
        self.responder = PageResponder(injector, scope, p.page, revalidates=revalidates)
        self.responder.through(self.response.send)

    async def start(self, *headers: tuple[bytes, bytes], status: int = 200, **others: Any) -> None:
        start = {"type": "http.response.start", "status": status, "headers": [HTML, *headers], **others}
        await self.responder(start)

    async def body(self, data: bytes, more: bool = False) -> None:
        await self.responder({"type": "http.response.body", "body": data, "more_body": more})

    @property
    def types(self) -> list[str]:
        return [message["type"].removeprefix("http.response.") for message in self.response.messages]


async def cached(p: Any) -> Any:
    """`p` with jane's decisions at hand."""
    await p.gateway.decider.ask(http_scope(session=session_of("jane")), p.plan())
    return p


class TestWhole:
    async def test_a_whole_page_with_a_known_decision_has_its_exact_length(self, parts: Make) -> None:
        exchange = Exchange(await cached(parts(NAV)))
        await exchange.start(LENGTH, (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"))
        assert exchange.types == [], "the head waits for the body"
        await exchange.body(PAGE)
        response = exchange.response
        assert LINK in response.body
        assert response.all("content-length") == [str(len(response.body))]
        assert response.all("set-cookie") == ["a=1", "b=2"]
        assert exchange.types == ["start", "body"]

    @pytest.mark.parametrize("access", [Access.deny("vendor_no"), Access.unknown("strange")])
    async def test_denied_and_unknown_change_nothing_but_the_caching(self, parts: Make, access: Access) -> None:
        p = parts(NAV)
        p.success.access = access
        exchange = Exchange(await cached(p))
        await exchange.start(LENGTH, (b"etag", b'"a"'))
        await exchange.body(PAGE)
        assert exchange.response.body == PAGE
        assert exchange.response.header("content-length") == str(len(PAGE))
        assert exchange.response.header("cache-control") == "private"
        assert exchange.response.header("etag") is None
        assert p.counts["placement_empty", "success", access.reason] == 1

    async def test_so_does_an_anonymous_visitor_and_no_vendor_is_asked(self, parts: Make) -> None:
        p = parts(NAV)
        exchange = Exchange(p, user="stranger")
        await exchange.start()
        await exchange.body(PAGE)
        assert (exchange.response.body, exchange.response.header("cache-control")) == (PAGE, "private")
        assert p.success.asked == []

    async def test_a_page_without_the_place_is_the_apps_own(self, parts: Make) -> None:
        p = await cached(parts({"at": "aside"}))
        exchange = Exchange(p)
        own = [HTML, LENGTH, (b"etag", b'"a"'), (b"last-modified", b"x")]
        await exchange.start(*own[1:])
        await exchange.body(PAGE)
        assert exchange.response.headers == own
        assert exchange.response.body == PAGE
        assert p.counts["not_injected", "", "no_match"] == 1

    async def test_a_shared_page_needs_no_decision(self, parts: Make) -> None:
        p = parts(NAV)
        exchange = Exchange(p)
        await exchange.start(PUBLIC, (b"etag", b'"a"'))
        await exchange.body(PAGE)
        assert LOADER in exchange.response.body
        assert exchange.response.header("content-length") == str(len(exchange.response.body))
        assert (exchange.response.header("etag") or "").startswith('W/"a;pg=')
        assert p.counts["injected", "success", "loader"] == 1

    @pytest.mark.parametrize("coding", ["gzip", "deflate"])
    async def test_coded_pages(self, parts: Make, coding: str) -> None:
        pack, unpack = (gzip.compress, gzip.decompress) if coding == "gzip" else (zlib.compress, zlib.decompress)
        exchange = Exchange(await cached(parts(NAV)))
        await exchange.start((b"content-encoding", coding.encode()))
        await exchange.body(pack(PAGE))
        assert LINK in unpack(exchange.response.body)
        assert exchange.response.header("content-encoding") == coding
        assert exchange.response.header("content-length") == str(len(exchange.response.body))

    async def test_a_body_in_another_coding_than_it_says_arrives_as_it_is(self, parts: Make) -> None:
        p = await cached(parts(NAV))
        exchange = Exchange(p)
        await exchange.start(GZIP, (b"content-length", b"7"))
        await exchange.body(b"no gzip")
        assert exchange.response.headers == [HTML, GZIP, (b"content-length", b"7")]
        assert exchange.response.body == b"no gzip"
        assert exchange.response.complete
        assert p.counts["not_injected", "", "broken_coding"] == 1


class TestStreams:
    async def test_the_beginning_is_out_while_the_vendor_is_still_thinking(self, parts: Make) -> None:
        p = parts(NAV, access={"budget_ms": 10_000})
        p.success.gate = asyncio.Event()
        exchange = Exchange(p)
        await exchange.start(LENGTH)
        sending = asyncio.create_task(exchange.body(PAGE))
        await settle(lambda: len(exchange.response.chunks) == 1 and p.success.asked == ["jane"])
        assert exchange.response.body == PAGE[: PAGE.index(b"</nav>")]
        assert exchange.response.header("content-length") is None
        p.success.gate.set()
        await sending
        assert LINK in exchange.response.body
        assert exchange.response.complete

    async def test_a_vendor_slower_than_the_budget_costs_the_decision_not_the_page(self, parts: Make) -> None:
        p = parts(NAV, access={"budget_ms": 0})
        p.success.gate = asyncio.Event()
        exchange = Exchange(p)
        await exchange.start()
        await exchange.body(PAGE)
        assert LOADER in exchange.response.body
        assert LINK not in exchange.response.body
        assert exchange.response.header("cache-control") == "private"
        assert p.counts["injected", "success", "loader"] == 1

    @pytest.mark.parametrize("coding", [[], [GZIP]])
    async def test_each_message_of_the_app_is_passed_on_at_once(self, parts: Make, coding: Any) -> None:
        exchange = Exchange(await cached(parts({"at": "main"})))
        await exchange.start(*coding)
        pack, unpack = zlib.compressobj(wbits=31), zlib.decompressobj(wbits=31)
        received = b""
        for piece in (PAGE[:70], b"<nav>", PAGE[70:]):
            sent = pack.compress(piece) + pack.flush(zlib.Z_SYNC_FLUSH) if coding else piece
            before = len(exchange.response.chunks)
            await exchange.body(sent, more=True)
            new = b"".join(exchange.response.chunks[before:])
            received += unpack.decompress(new) if coding else new
            assert received.endswith(piece[-5:])
        await exchange.body(pack.flush() if coding else b"")
        assert exchange.response.complete

    async def test_a_page_that_ends_in_an_empty_message(self, parts: Make) -> None:
        exchange = Exchange(await cached(parts(NAV)))
        await exchange.start(LENGTH)
        await exchange.body(PAGE, more=True)
        await exchange.body(b"")
        assert LINK in exchange.response.body
        assert exchange.response.header("content-length") is None
        assert exchange.response.complete

    async def test_a_first_message_without_bytes_sends_the_head(self, parts: Make) -> None:
        exchange = Exchange(await cached(parts(NAV)))
        await exchange.start()
        await exchange.body(b"", more=True)
        assert exchange.types[0] == "start"
        await exchange.body(PAGE)
        assert LINK in exchange.response.body

    async def test_gzip_that_breaks_in_its_first_piece_passes_untouched(self, parts: Make) -> None:
        exchange = Exchange(await cached(parts(NAV)))
        await exchange.start(GZIP, (b"etag", b'"a"'))
        await exchange.body(b"no gzip", more=True)
        await exchange.body(b" at all")
        assert exchange.response.body == b"no gzip at all"
        assert exchange.response.header("etag") == '"a"'
        assert exchange.response.complete

    async def test_gzip_that_breaks_later_is_left_unfinished_and_does_not_fail_the_app(self, parts: Make) -> None:
        p = await cached(parts({"at": "aside"}))
        exchange = Exchange(p)
        await exchange.start(GZIP)
        pack = zlib.compressobj(wbits=31)
        await exchange.body(pack.compress(PAGE) + pack.flush(zlib.Z_SYNC_FLUSH), more=True)
        await exchange.body(b"\xff" * 20, more=True)
        await exchange.body(b"the rest")
        stream = zlib.decompressobj(wbits=31)
        assert stream.decompress(exchange.response.body) == PAGE
        assert not stream.eof
        assert not exchange.response.complete, "at which the server breaks the connection"
        assert p.counts["placement_empty", "success", "broken_coding"] == 1

    @pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "gzip, br"])
    async def test_a_body_that_ends_too_early_is_not_finished(self, parts: Make, coding: str) -> None:
        exchange = Exchange(await cached(parts(NAV)))
        await exchange.start((b"content-encoding", coding.encode()))
        page = pack(coding, PAGE)
        for end in range(1, len(page)):
            await exchange.body(page[end - 1 : end], more=True)
        await exchange.body(b"")
        assert not exchange.response.complete

    async def test_bytes_of_other_types_are_bytes(self, parts: Make) -> None:
        exchange = Exchange(await cached(parts(NAV)))
        await exchange.start()
        await exchange.body(bytearray(PAGE[:40]), more=True)
        await exchange.body(memoryview(PAGE)[40:])  # type: ignore[arg-type]
        assert LINK in exchange.response.body


class TestFaults:
    """Whatever fails in here, the page arrives with the app's own head and bytes."""

    async def check(self, p: Any, exchange: Exchange) -> None:
        await exchange.start(LENGTH, (b"etag", b'"a"'))
        await exchange.body(PAGE)
        assert exchange.response.headers == [HTML, LENGTH, (b"etag", b'"a"')]
        assert exchange.response.body == PAGE
        assert p.counts["not_injected", "", "internal_error"] == 1

    @pytest.mark.interpreted
    @pytest.mark.parametrize("step", ["type_refusal", "status_refusal", "plan_page"])
    async def test_in_the_plan(self, parts: Make, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
        p = parts(NAV)
        monkeypatch.setattr(f"portal_gateway.injection.responder.{step}", lambda *_: 1 / 0)
        await self.check(p, Exchange(p))

    async def test_headers_that_asgi_forbids_are_for_the_server_to_refuse(self, parts: Make) -> None:
        p = parts(NAV)
        exchange = Exchange(p)
        start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", "text/html")]}
        await exchange.responder(start)
        assert exchange.response.messages == [start]
        assert p.counts["not_injected", "", "internal_error"] == 1

    @pytest.mark.interpreted
    async def test_in_the_decision(self, parts: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        p = parts(NAV)
        monkeypatch.setattr(p.gateway.decider, "at_hand", lambda *_: 1 / 0)
        await self.check(p, Exchange(p))

    @pytest.mark.interpreted
    async def test_in_the_scanner(self, parts: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        p = await cached(parts(NAV))
        monkeypatch.setattr("portal_gateway.injection.whole.Scanner", _BrokenScanner)
        await self.check(p, Exchange(p))

    async def test_in_the_scanner_of_a_stream(self, parts: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        p = await cached(parts(NAV))
        monkeypatch.setattr("portal_gateway.injection.rewrite.Scanner", _BrokenScanner)
        exchange = Exchange(p)
        await exchange.start()
        await exchange.body(PAGE[:50], more=True)
        await exchange.body(PAGE[50:])
        assert exchange.response.body == PAGE
        assert exchange.response.headers == [HTML]

    async def test_a_client_that_has_left_is_the_apps_to_know(self, parts: Make) -> None:
        exchange = Exchange(await cached(parts(NAV)))

        async def gone(_message: Any) -> None:
            raise OSError("client disconnected")

        exchange.responder._send = gone
        await exchange.start()
        with pytest.raises(OSError, match="disconnected"):
            await exchange.body(PAGE)


class _BrokenScanner:
    def __init__(self, _targets: Any) -> None:
        pass

    def feed(self, _data: bytes) -> list[Any]:
        raise RuntimeError("a bug")


class TestMessages:
    async def test_head_gets_the_same_head_and_asks_nobody(self, parts: Make) -> None:
        p = parts(NAV)
        exchange = Exchange(p, method="HEAD")
        await exchange.start(LENGTH, (b"etag", b'"a"'))
        await exchange.body(b"")
        assert exchange.response.header("cache-control") == "private"
        assert exchange.response.header("etag") is None
        assert exchange.response.header("content-length") is None
        assert exchange.types == ["start", "body"]
        assert p.success.asked == []
        assert p.counts["not_injected", "", "head"] == 1

    async def test_other_messages_and_keys_survive(self, parts: Make) -> None:
        exchange = Exchange(await cached(parts(NAV)))
        await exchange.responder({"type": "http.response.early_hint", "links": [b"<x>"]})
        await exchange.start(trailers=True)
        await exchange.body(PAGE)
        await exchange.responder({"type": "http.response.trailers", "headers": [(b"a", b"b")]})
        assert exchange.types == ["early_hint", "start", "body", "trailers"]
        assert exchange.response.messages[1]["trailers"] is True
        assert exchange.response.messages[-1] == {"type": "http.response.trailers", "headers": [(b"a", b"b")]}

    async def test_a_body_we_cannot_look_into_comes_after_the_apps_own_head(self, parts: Make) -> None:
        p = parts(NAV)
        exchange = Exchange(p)
        await exchange.start(LENGTH)
        await exchange.responder({"type": "http.response.pathsend", "path": "/srv/page.html"})
        assert exchange.types == ["start", "pathsend"]
        assert exchange.response.headers == [HTML, LENGTH]
        assert p.counts["not_injected", "", "opaque_body"] == 1

    async def test_what_comes_after_the_end_is_between_the_app_and_the_server(self, parts: Make) -> None:
        exchange = Exchange(await cached(parts(NAV)))
        await exchange.start()
        await exchange.body(PAGE)
        await exchange.body(b"too late")
        assert exchange.response.messages[-1]["body"] == b"too late"

    async def test_headers_may_be_missing_or_come_from_a_generator(self, parts: Make) -> None:
        exchange = Exchange(await cached(parts(NAV)))
        await exchange.responder({"type": "http.response.start", "status": 200, "headers": (pair for pair in [HTML])})
        await exchange.body(PAGE)
        assert LINK in exchange.response.body
        bare = Exchange(parts(NAV))
        await bare.responder({"type": "http.response.start", "status": 204})
        await bare.body(b"")
        assert bare.response.headers == []

    async def test_the_apps_own_list_of_headers_is_not_changed(self, parts: Make) -> None:
        exchange = Exchange(await cached(parts(NAV)))
        headers = [HTML, LENGTH]
        await exchange.responder({"type": "http.response.start", "status": 200, "headers": headers})
        await exchange.body(PAGE)
        assert headers == [HTML, LENGTH]


class TestRevalidation:
    async def test_the_304_to_a_tag_of_ours_carries_our_tag(self, parts: Make) -> None:
        p = parts(NAV)
        exchange = Exchange(p, revalidates=True)
        await exchange.start((b"etag", b'"a"'), (b"last-modified", b"x"), status=304)
        await exchange.body(b"")
        assert exchange.response.header("etag") == p.gateway.tags.add(b'"a"').decode()
        assert exchange.response.header("last-modified") is None

    async def test_any_other_304_is_the_apps_own(self, parts: Make) -> None:
        exchange = Exchange(parts(NAV))
        await exchange.start((b"etag", b'"a"'), status=304)
        await exchange.body(b"")
        assert exchange.response.headers == [HTML, (b"etag", b'"a"')]


class TestServerTiming:
    async def summary(
        self, p: Any, *headers: tuple[bytes, bytes], chunks: tuple[bytes, ...] = (PAGE,), **others: Any
    ) -> str | None:
        exchange = Exchange(p, timing=True)
        await exchange.start(*headers, **others)
        for number, chunk in enumerate(chunks, start=1):
            await exchange.body(chunk, more=number < len(chunks))
        return exchange.response.header("server-timing")

    async def test_it_names_how_or_why_not(self, parts: Make) -> None:
        p = await cached(parts(NAV))
        assert await self.summary(p) == 'portal;desc="whole"'
        assert await self.summary(p, chunks=(PAGE, b"")) == 'portal;desc="streamed"'
        assert await self.summary(p, status=404) == 'portal;desc="status"'
        assert await self.summary(p, (b"cache-control", b"no-transform")) == 'portal;desc="no_transform"'

    async def test_it_names_the_reason_of_a_page_that_stays_without(self, parts: Make) -> None:
        p = parts(NAV)
        p.success.access = Access.deny("vendor_no")
        assert await self.summary(await cached(p)) == 'portal;desc="vendor_no"'
        assert await self.summary(await cached(parts({"at": "aside"}))) == 'portal;desc="no_match"'

    async def test_it_stands_beside_the_apps_own(self, parts: Make) -> None:
        exchange = Exchange(await cached(parts(NAV)), timing=True)
        await exchange.start((b"server-timing", b"db;dur=3"))
        await exchange.body(PAGE)
        assert exchange.response.all("server-timing") == ["db;dur=3", 'portal;desc="whole"']

    async def test_announcing_adds_it_to_any_head(self) -> None:
        response = Response()
        send = announcing(response.send, "no_rule")
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"x"})
        assert response.headers == [(b"server-timing", b'portal;desc="no_rule"')]
        assert response.body == b"x"
