from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from gateway_kit import LINK, LOADER, VENDOR, http_scope, session_of

from portal_gateway.errors import AccessDenied, IdentityError, VendorUnavailable
from portal_gateway.injection.decide import MAX_REMEMBERED
from portal_gateway.injection.outcomes import Outcome
from portal_gateway.models import Access, EndUser

PUBLIC = (b"cache-control", b"public")
INLINE = {"at": "nav", "sign": "inline"}
JANE = http_scope(session=session_of("jane"))
OMAR = http_scope(session=session_of("omar"))
ANYONE = http_scope()


async def slow_identify(_scope: Any) -> EndUser | None:
    await asyncio.sleep(0)
    return EndUser("jane", "jane@vance.example", company_id="201")


class TestAtHand:
    async def test_loaders_need_neither_user_nor_vendor(self, parts: Callable[..., Any]) -> None:
        def nobody_asks(_scope: Any) -> EndUser | None:
            raise AssertionError("asked who is signed in")

        p = parts({"at": "nav"}, identify=nobody_asks)
        (outcome,) = p.gateway.decider.at_hand(JANE, p.plan(PUBLIC)).each
        assert outcome.is_loader
        assert LOADER in outcome.snippet
        assert p.success.asked == []

    async def test_an_anonymous_visitor_is_decided_at_once(self, parts: Callable[..., Any]) -> None:
        p = parts({"at": "nav"})
        assert p.gateway.decider.at_hand(ANYONE, p.plan()).each == (Outcome(b"", "anonymous"),)
        assert p.success.asked == []

    async def test_what_is_not_known_yet_is_not_at_hand(self, parts: Callable[..., Any]) -> None:
        p = parts({"at": "nav"})
        assert p.gateway.decider.at_hand(JANE, p.plan()) is None
        assert p.success.asked == []

    async def test_a_cached_decision_is(self, parts: Callable[..., Any]) -> None:
        p = parts({"at": "nav"})
        await p.gateway.decider.ask(JANE, p.plan())
        (outcome,) = p.gateway.decider.at_hand(JANE, p.plan()).each
        assert LINK in outcome.snippet
        assert p.success.asked == ["jane"]

    async def test_a_source_that_waits_is_never_at_hand(self, parts: Callable[..., Any]) -> None:
        p = parts({"at": "nav"}, identify=slow_identify)
        await p.gateway.decider.ask(JANE, p.plan())
        assert p.gateway.decider.at_hand(JANE, p.plan()) is None

    async def test_an_inline_link_is_never_at_hand(self, parts: Callable[..., Any]) -> None:
        p = parts(onboarding=(INLINE,))
        await p.gateway.decider.ask(JANE, p.plan())
        assert p.gateway.decider.at_hand(JANE, p.plan()) is None

    async def test_pages_that_get_the_same_share_it(self, parts: Callable[..., Any]) -> None:
        p = parts({"at": "nav"})
        plan = p.plan()
        await p.gateway.decider.ask(JANE, plan)
        await p.gateway.decider.ask(OMAR, plan)
        first, second = p.gateway.decider.at_hand(JANE, plan), p.gateway.decider.at_hand(OMAR, plan)
        assert first is second
        assert b"jane" not in first.snippets

    async def test_nobody_gets_what_was_found_for_somebody_else(self, parts: Callable[..., Any]) -> None:
        p = parts({"at": "nav"})
        plan = p.plan()
        await p.gateway.decider.ask(JANE, plan)
        p.success.access = Access.deny("vendor_no")
        await p.gateway.decider.ask(OMAR, plan)
        for _ in range(2):
            assert LINK in p.gateway.decider.at_hand(JANE, plan).snippets
            assert p.gateway.decider.at_hand(OMAR, plan).empty_reason == "vendor_no"
            assert p.gateway.decider.at_hand(ANYONE, plan).empty_reason == "anonymous"

    async def test_what_the_vendor_has_taken_back_is_gone(self, parts: Callable[..., Any]) -> None:
        p = parts({"at": "nav"})
        plan = p.plan()
        await p.gateway.decider.ask(JANE, plan)
        assert LINK in p.gateway.decider.at_hand(JANE, plan).snippets
        p.gateway.directory.forget(p.gateway.directory.find("success"), "jane")
        assert p.gateway.decider.at_hand(JANE, plan) is None
        p.success.access = Access.deny("vendor_no")
        await p.gateway.decider.ask(JANE, plan)
        assert p.gateway.decider.at_hand(JANE, plan).empty_reason == "vendor_no"

    async def test_a_reason_that_is_empty_is_no_yes(self, parts: Callable[..., Any]) -> None:
        p = parts({"at": "nav"})
        plan = p.plan()
        p.success.access = Access.deny("")
        await p.gateway.decider.ask(JANE, plan)
        assert p.gateway.decider.at_hand(JANE, plan).snippets == b""

    async def test_each_slot_has_its_own_decision(self, parts: Callable[..., Any]) -> None:
        p = parts({"at": "nav"}, onboarding=({"at": "main"},))
        plan = p.plan()
        for success, onboarding in ((True, False), (False, True), (True, True), (False, False)):
            for provider, yes in ((p.success, success), (p.onboarding, onboarding)):
                provider.access = Access.grant("vendor_yes") if yes else Access.deny("vendor_no")
            for name in ("success", "onboarding"):
                p.gateway.directory.forget(p.gateway.directory.find(name), "jane")
            await p.gateway.decider.ask(JANE, plan)
            outcomes = p.gateway.decider.at_hand(JANE, plan)
            assert [bool(outcome.snippet) for outcome in outcomes.each] == [success, onboarding]

    async def test_another_root_path_or_plan_has_other_snippets(self, parts: Callable[..., Any]) -> None:
        p = parts({"at": "nav"}, {"at": "main", "mode": "loader"})
        plan, other_plan = p.plan(), p.plan((b"content-security-policy", b"script-src 'nonce-n0nce'"))
        below = {**JANE, "root_path": "/app"}
        await p.gateway.decider.ask(JANE, plan)
        for _ in range(2):
            assert b'href="/portal/' in p.gateway.decider.at_hand(JANE, plan).snippets
            assert b'href="/app/portal/' in p.gateway.decider.at_hand(below, plan).snippets
            assert b"n0nce" not in p.gateway.decider.at_hand(JANE, plan).snippets
            assert b"n0nce" in p.gateway.decider.at_hand(JANE, other_plan).snippets

    @pytest.mark.interpreted
    async def test_a_template_that_fails_is_tried_again(
        self, parts: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        p = parts({"at": "nav"})
        plan = p.plan()
        await p.gateway.decider.ask(JANE, plan)
        with monkeypatch.context() as patch:
            patch.setattr(p.gateway.decider._snippets, "decided", lambda *_: 1 / 0)
            assert p.gateway.decider.at_hand(JANE, plan).empty_reason == "template_error"
        assert LINK in p.gateway.decider.at_hand(JANE, plan).snippets

    async def test_what_is_remembered_is_bounded(self, parts: Callable[..., Any]) -> None:
        p = parts({"at": "nav"})
        plan = p.plan()
        for number in range(MAX_REMEMBERED + 10):
            p.gateway.decider.at_hand({**ANYONE, "root_path": f"/{number}"}, plan)
        assert len(p.gateway.decider._remembered) <= MAX_REMEMBERED

    async def test_a_vendor_whose_answer_no_slot_needs_is_not_waited_for(self, parts: Callable[..., Any]) -> None:
        p = parts({"at": "nav", "mode": "decided"}, onboarding=({"at": "main", "mode": "loader"},))
        plan = p.plan()
        await p.gateway.decider.ask(JANE, plan)
        outcomes = p.gateway.decider.at_hand(JANE, plan)
        assert outcomes is not None
        assert [outcome.is_loader for outcome in outcomes.each] == [False, True]
        assert p.onboarding.asked == []


class TestAsk:
    @pytest.mark.parametrize(
        ("access", "reason"),
        [
            (Access.deny("vendor_no"), "vendor_no"),
            (Access.unknown("strange"), "strange"),
            (VendorUnavailable("away"), "vendor_unavailable"),
            (RuntimeError("a bug"), "internal_error"),
        ],
    )
    async def test_only_a_yes_shows_something(self, parts: Callable[..., Any], access: Any, reason: str) -> None:
        p = parts({"at": "nav"})
        p.success.access = access
        assert (await p.gateway.decider.ask(JANE, p.plan())).each == (Outcome(b"", reason),)

    async def test_the_slots_are_asked_for_at_the_same_time(self, parts: Callable[..., Any]) -> None:
        p = parts({"at": "nav"}, onboarding=({"at": "main"},))
        p.success.gate = p.onboarding.gate = asyncio.Event()
        asking = asyncio.create_task(p.gateway.decider.ask(JANE, p.plan()))
        async with asyncio.timeout(5):
            while not (p.success.asked and p.onboarding.asked):
                await asyncio.sleep(0)
        p.success.gate.set()
        first, second = (await asking).each
        assert b"/portal/success/launch" in first.snippet
        assert b"/portal/onboarding/launch" in second.snippet

    @pytest.mark.parametrize("error", [IdentityError("away"), RuntimeError("a bug")])
    async def test_an_identity_that_is_unclear_is_not_anonymous(
        self, parts: Callable[..., Any], error: Exception
    ) -> None:
        def failing(_scope: Any) -> EndUser | None:
            raise error

        p = parts({"at": "nav"}, identify=failing)
        assert (await p.gateway.decider.ask(JANE, p.plan())).each == (Outcome(b"", "identity_unavailable"),)
        assert p.success.asked == []

    async def test_a_fault_of_a_provider_costs_its_own_slot_only(
        self, parts: Callable[..., Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        def broken(_user: EndUser) -> str:
            raise ValueError("a bug")

        p = parts({"at": "nav"}, onboarding=({"at": "main"},))
        p.success.subject = broken
        first, second = (await p.gateway.decider.ask(JANE, p.plan())).each
        assert first == Outcome(b"", "internal_error")
        assert LINK in second.snippet
        assert "a bug" in caplog.text

    async def test_a_template_that_fails_is_left_out_and_counted(self, parts: Callable[..., Any]) -> None:
        p = parts({"at": "nav", "template": "{{ 1 / 0 }}"}, onboarding=({"at": "main"},))
        first, second = (await p.gateway.decider.ask(JANE, p.plan())).each
        assert first == Outcome(b"", "template_error")
        assert LINK in second.snippet
        assert p.counts["internal_error", "success", "template"] == 1

    async def test_snippets_point_below_the_root_path(self, parts: Callable[..., Any]) -> None:
        p = parts({"at": "nav"})
        (outcome,) = (await p.gateway.decider.ask({**JANE, "root_path": "/app/"}, p.plan())).each
        assert b'href="/app/portal/success/launch"' in outcome.snippet


class TestInline:
    async def test_the_signed_link_of_this_user_is_in_the_snippet(self, parts: Callable[..., Any]) -> None:
        p = parts(onboarding=(INLINE,))
        (outcome,) = (await p.gateway.decider.ask(JANE, p.plan())).each
        assert f'href="{VENDOR}/enter?token=SIGNED-jane-1"'.encode() in outcome.snippet
        assert p.onboarding.minted == [("jane", "link", None)]

    async def test_an_iframe_gets_an_embed_url(self, parts: Callable[..., Any]) -> None:
        p = parts(onboarding=({**INLINE, "as": "iframe"},))
        await p.gateway.decider.ask(JANE, p.plan())
        assert p.onboarding.minted == [("jane", "embed", None)]

    async def test_every_page_has_a_link_of_its_own(self, parts: Callable[..., Any]) -> None:
        p = parts(onboarding=(INLINE,))
        snippets = {(await p.gateway.decider.ask(JANE, p.plan())).each[0].snippet for _ in range(3)}
        assert len(snippets) == 3

    @pytest.mark.parametrize("access", [Access.deny("vendor_no"), VendorUnavailable("away")])
    async def test_without_a_yes_nothing_is_signed(self, parts: Callable[..., Any], access: Any) -> None:
        p = parts(onboarding=(INLINE,))
        p.onboarding.access = access
        (outcome,) = (await p.gateway.decider.ask(JANE, p.plan())).each
        assert outcome.snippet == b""
        assert p.onboarding.minted == []

    async def test_if_signing_fails_the_link_leads_to_our_launch_route(self, parts: Callable[..., Any]) -> None:
        p = parts(onboarding=(INLINE,))
        p.onboarding.link = AccessDenied("no", "no_project")
        (outcome,) = (await p.gateway.decider.ask(JANE, p.plan())).each
        assert b'href="/portal/onboarding/launch"' in outcome.snippet

    async def test_a_fault_while_signing_leaves_the_page_as_it_is(self, parts: Callable[..., Any]) -> None:
        p = parts(onboarding=(INLINE,))
        p.onboarding.link = RuntimeError("a bug")
        assert (await p.gateway.decider.ask(JANE, p.plan())).each == (Outcome(b"", "internal_error"),)

    async def test_the_fallback_is_signed_for_nobody(self, parts: Callable[..., Any]) -> None:
        p = parts(onboarding=(INLINE,))
        (outcome,) = p.gateway.decider.loaders(JANE, p.plan()).each
        assert outcome.is_loader
        assert VENDOR.encode() not in outcome.snippet


class TestLoaders:
    async def test_a_page_that_would_block_the_script_gets_none(self, parts: Callable[..., Any]) -> None:
        p = parts({"at": "nav"})
        plan = p.plan((b"content-security-policy", b"script-src 'none'"))
        assert p.gateway.decider.loaders(JANE, plan).each == (Outcome(b"", "csp_script"),)

    async def test_a_template_has_no_loader(self, parts: Callable[..., Any]) -> None:
        p = parts({"at": "nav", "template": "<b></b>"})
        assert p.gateway.decider.loaders(JANE, p.plan()).each == (Outcome(b"", "template_needs_decision"),)

    async def test_a_slot_that_is_empty_keeps_its_reason(self, parts: Callable[..., Any]) -> None:
        p = parts({"at": "nav", "as": "iframe"}, {"at": "nav"})
        plan = p.plan((b"content-security-policy", b"frame-src 'none'"))
        for outcomes in (p.gateway.decider.loaders(JANE, plan), await p.gateway.decider.ask(JANE, plan)):
            assert outcomes.each[0] == Outcome(b"", "csp_frame")
            assert outcomes.each[1].snippet

    async def test_the_nonce_of_the_page_is_in_the_loader(self, parts: Callable[..., Any]) -> None:
        p = parts({"at": "nav", "mode": "loader"})
        plan = p.plan((b"content-security-policy", b"script-src 'nonce-n0nce'"))
        (outcome,) = p.gateway.decider.loaders(JANE, plan).each
        assert b'nonce="n0nce"' in outcome.snippet
