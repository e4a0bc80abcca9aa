from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from codings_kit import pack, unpack
from gateway_kit import LINK, LOADER, PAGE, collected, http_scope, session_of

from portal_gateway.html.codings import CodingError
from portal_gateway.injection.outcomes import Outcome, Outcomes
from portal_gateway.injection.rewrite import Rewrite

REPLACE = {"at": "main", "position": "replace"}
SNIPPET = b"<i>in</i>"
NAV = {"at": "nav", "position": "append"}
JANE = http_scope(session=session_of("jane"))
ORIGIN = "https://app.acme.com"
GZIP = (b"content-encoding", b"gzip")
GIVEN = [Outcome(SNIPPET)]

Make = Callable[..., Any]


def rewrite_of(p: Any, *headers: tuple[bytes, bytes], outcomes: list[Outcome] | None = GIVEN) -> Rewrite:
    plan = p.plan(*headers)
    given = None if outcomes is None else Outcomes(plan.slots, outcomes)
    return Rewrite(JANE, plan, p.page, p.gateway.decider, p.gateway.events, given, lambda: ORIGIN)


async def run_through(rewrite: Rewrite, *pieces: bytes) -> bytes:
    out = []
    for number, piece in enumerate(pieces, start=1):
        out += await collected(rewrite.run(piece, last=number == len(pieces)))
    return b"".join(out)


EXPECTED = PAGE.replace(b"</nav>", SNIPPET + b"</nav>")


class TestBytes:
    @pytest.mark.parametrize("size", [1, 2, 7, len(PAGE)])
    async def test_cut_anywhere_the_page_is_the_same(self, parts: Make, size: int) -> None:
        pieces = [PAGE[i : i + size] for i in range(0, len(PAGE), size)]
        assert await run_through(rewrite_of(parts(NAV)), *pieces) == EXPECTED

    @pytest.mark.parametrize("size", [1, 7, 10_000])
    async def test_gzip(self, parts: Make, size: int) -> None:
        data = gzip.compress(PAGE)
        pieces = [data[i : i + size] for i in range(0, len(data), size)]
        assert gzip.decompress(await run_through(rewrite_of(parts(NAV), GZIP), *pieces)) == EXPECTED

    @pytest.mark.parametrize("window_bits", [zlib.MAX_WBITS, -zlib.MAX_WBITS])
    async def test_deflate_in_both_its_forms(self, parts: Make, window_bits: int) -> None:
        compressor = zlib.compressobj(wbits=window_bits)
        data = compressor.compress(PAGE) + compressor.flush()
        rewritten = await run_through(rewrite_of(parts(NAV), (b"content-encoding", b"deflate")), data)
        assert zlib.decompress(rewritten) == EXPECTED

    async def test_every_piece_can_be_read_as_soon_as_it_is_out(self, parts: Make) -> None:
        rewrite = rewrite_of(parts(NAV), GZIP)
        compressor, decompressor = zlib.compressobj(wbits=31), zlib.decompressobj(wbits=31)
        seen = b""
        for piece in (PAGE[:60], PAGE[60:100]):
            sent = compressor.compress(piece) + compressor.flush(zlib.Z_SYNC_FLUSH)
            seen += decompressor.decompress(b"".join(await collected(rewrite.run(sent, last=False))))
        assert b"Hello" in PAGE[:100]
        assert b"<nav>" in seen

    async def test_a_piece_that_unpacks_to_much_does_not_pile_up(
        self, parts: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rewrite = rewrite_of(parts(NAV), GZIP)
        encoded: list[int] = []
        encode = rewrite._encoder.encode
        monkeypatch.setattr(rewrite._encoder, "encode", lambda data: (encoded.append(len(data)), encode(data))[1])
        bomb = gzip.compress(PAGE[:-14] + b" " * 5_000_000)
        out = await run_through(rewrite, bomb)
        assert max(encoded) <= 200_000
        assert len(out) < 100_000

    @pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "gzip, br", "deflate, zstd"])
    async def test_a_small_piece_that_unpacks_to_much_leaves_others_their_turn(self, parts: Make, coding: str) -> None:
        rewrite = rewrite_of(parts(NAV), (b"content-encoding", coding.encode()))
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        others = asyncio.create_task(other())
        out = await run_through(rewrite, pack(coding, PAGE[:-14] + b" " * 20_000_000))
        others.cancel()
        assert turns >= 15
        assert len(out) < 100_000
        assert unpack(coding, out).startswith(EXPECTED[:-14])

    async def test_a_page_known_to_stay_is_not_even_decoded(self, parts: Make) -> None:
        rewrite = rewrite_of(parts(NAV), GZIP, outcomes=[Outcome(b"", "vendor_no")])
        assert await run_through(rewrite, b"no gzip", b"", b" at all") == b"no gzip at all"
        assert rewrite.empty_reason == "vendor_no"
        assert rewrite.misses() == [""], "no place was looked for"
        assert list(rewrite.results()) == [("success", "decided", "vendor_no")]


class TestReplace:
    async def test_granted_replaces_the_element(self, parts: Make) -> None:
        page = await run_through(rewrite_of(parts(REPLACE)), PAGE)
        assert page == PAGE.replace(b"<main>Hello</main>", SNIPPET)

    async def test_denied_keeps_it(self, parts: Make) -> None:
        p = parts(REPLACE, NAV)
        outcomes = [Outcome(b"", "vendor_no"), Outcome(SNIPPET)]
        assert await run_through(rewrite_of(p, outcomes=outcomes), PAGE) == EXPECTED

    async def test_the_loader_keeps_it_and_hides_it_later(self, parts: Make) -> None:
        outcomes = [Outcome(SNIPPET, is_loader=True)]
        page = await run_through(rewrite_of(parts(REPLACE), outcomes=outcomes), PAGE)
        assert page == PAGE.replace(b"<main>", SNIPPET + b"<main>")


class TestMatches:
    LIST = b"<body><ul><li>a</li><li>b</li></ul></body>"

    async def test_the_first_match_only_unless_all_are_wanted(self, parts: Make) -> None:
        first = await run_through(rewrite_of(parts({"at": "li"})), self.LIST)
        every = await run_through(rewrite_of(parts({"at": "li", "all": True})), self.LIST)
        assert (first.count(SNIPPET), every.count(SNIPPET)) == (1, 2)

    async def test_a_page_without_the_place_says_so(self, parts: Make) -> None:
        p = parts({"at": "aside"}, {"at": "footer"})
        rewrite = rewrite_of(p, outcomes=[Outcome(SNIPPET), Outcome(SNIPPET)])
        assert await run_through(rewrite, PAGE) == PAGE
        assert rewrite.misses() == ["no_match", "no_match"]

    async def test_each_placement_has_its_result(self, parts: Make) -> None:
        p = parts(NAV, {"at": "aside"}, {"at": "main"}, {"at": "main"})
        outcomes = [Outcome(SNIPPET), Outcome(SNIPPET), Outcome(b"", "vendor_no"), Outcome(SNIPPET, is_loader=True)]
        rewrite = rewrite_of(p, outcomes=outcomes)
        await run_through(rewrite, PAGE)
        assert list(rewrite.results()) == [
            ("success", "decided", ""),
            ("success", "decided", "no_match"),
            ("success", "decided", "vendor_no"),
            ("success", "loader", ""),
        ]
        assert rewrite.misses() == ["", "no_match", "", ""]


class TestWaiting:
    async def test_what_stands_before_the_place_is_out_before_the_vendor_answers(self, parts: Make) -> None:
        p = parts(NAV, access={"budget_ms": 10_000})
        p.success.gate = asyncio.Event()
        rewrite = rewrite_of(p, outcomes=None)
        chunks = rewrite.run(PAGE, last=True)
        assert await anext(chunks) == PAGE[: PAGE.index(b"</nav>")]
        assert rewrite.outcomes is None
        p.success.gate.set()
        rest = b"".join(await collected(chunks))
        assert rest.startswith(LINK)
        assert rest.endswith(PAGE[PAGE.index(b"</nav>") :])

    async def test_when_the_budget_is_spent_the_loader_goes_in(self, parts: Make) -> None:
        p = parts(NAV, access={"budget_ms": 0})
        p.success.gate = asyncio.Event()
        rewrite = rewrite_of(p, outcomes=None)
        page = await run_through(rewrite, PAGE)
        assert LOADER in page
        assert list(rewrite.results()) == [("success", "loader", "")]
        rewrite.cancel()

    async def test_the_budget_runs_from_the_head_on_and_not_anew_at_each_place(
        self, parts: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waited: list[float] = []

        async def wait(tasks: Any, timeout: float) -> Any:
            waited.append(timeout)
            return set(), tasks

        p = parts(NAV, access={"budget_ms": 300})
        p.success.gate = asyncio.Event()
        loop = asyncio.get_running_loop()
        for spent_s in (0.1, 5.0):
            rewrite = rewrite_of(p, outcomes=None)
            with monkeypatch.context() as patch:
                now = loop.time()
                patch.setattr(loop, "time", lambda now=now, spent_s=spent_s: now + spent_s)
                patch.setattr(asyncio, "wait", wait)
                assert LOADER in await run_through(rewrite, PAGE)
            rewrite.cancel()
        assert 0.0 < waited[0] <= 0.2
        assert waited[1:] == [0.0]

    async def test_a_page_without_the_place_waits_for_nobody(self, parts: Make) -> None:
        p = parts({"at": "aside"}, access={"budget_ms": 10_000})
        p.success.gate = asyncio.Event()
        rewrite = rewrite_of(p, outcomes=None)
        async with asyncio.timeout(5):
            assert await run_through(rewrite, PAGE) == PAGE
        assert list(rewrite.results()) == [("success", "decided", "no_match")]
        rewrite.cancel()

    async def test_cancelling_does_not_end_a_look_up_that_others_wait_for(self, parts: Make) -> None:
        p = parts(NAV, access={"budget_ms": 10_000})
        p.success.gate = asyncio.Event()
        leaving, staying = rewrite_of(p, outcomes=None), rewrite_of(p, outcomes=None)
        async with asyncio.timeout(5):
            while not p.success.asked:
                await asyncio.sleep(0)
        leaving.cancel()
        p.success.gate.set()
        assert LINK in await run_through(staying, PAGE)
        assert p.success.asked == ["jane"]


class TestTrouble:
    async def test_before_the_head_is_out_trouble_raises(self, parts: Make) -> None:
        with pytest.raises(CodingError):
            await run_through(rewrite_of(parts(NAV), GZIP), b"this is no gzip")
        with pytest.raises(CodingError):
            await run_through(rewrite_of(parts(NAV), GZIP), gzip.compress(PAGE)[:-9])

    async def test_later_a_broken_body_arrives_as_far_as_it_could_be_read_and_broken(self, parts: Make) -> None:
        data = gzip.compress(PAGE * 50)
        rewrite = rewrite_of(parts(NAV), GZIP)
        out = await collected(rewrite.run(data[:-12], last=False))
        rewrite.commit()
        out += await collected(rewrite.run(b"\xff" * 40, last=False))
        out += await collected(rewrite.run(b"more", last=True))
        stream = zlib.decompressobj(wbits=31)
        page = stream.decompress(b"".join(out))
        assert page.startswith(EXPECTED)
        assert not stream.eof, "a reader can see that the end is missing"
        assert [reason for *_, reason in rewrite.results()] == [""]

    async def test_a_scanner_that_fails_later_loses_no_byte(self, parts: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        p = parts({"at": "main"})
        rewrite = rewrite_of(p)
        out = await collected(rewrite.run(PAGE[:80] + b"<na", last=False))
        rewrite.commit()

        def broken(_data: bytes = b"") -> list[Any]:
            raise RuntimeError("a bug")

        monkeypatch.setattr(rewrite._scanner, "feed", broken)
        monkeypatch.setattr(rewrite._scanner, "close", broken)
        out += await collected(rewrite.run(b"v>", last=False))
        out += await collected(rewrite.run(PAGE[80:], last=True))
        assert b"".join(out) == PAGE[:80] + b"<nav>" + PAGE[80:]
        assert p.counts["internal_error", "", "scanner"] == 1
        assert list(rewrite.results()) == [("success", "decided", "internal_error")]

    async def test_a_scanner_that_fails_at_the_end_loses_no_byte(
        self, parts: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rewrite = rewrite_of(parts({"at": "main"}))
        out = await collected(rewrite.run(PAGE[:70] + b"<ma", last=False))
        rewrite.commit()
        monkeypatch.setattr(rewrite._scanner, "close", lambda: 1 / 0)
        out += await collected(rewrite.run(b"in", last=True))
        assert b"".join(out) == PAGE[:70] + b"<main"

    async def test_an_empty_body_is_a_body(self, parts: Make) -> None:
        assert await run_through(rewrite_of(parts(NAV)), b"") == b""
        assert gzip.decompress(await run_through(rewrite_of(parts(NAV), GZIP), gzip.compress(b""))) == b""
