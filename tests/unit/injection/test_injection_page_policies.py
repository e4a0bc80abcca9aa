"""Policies that the page brings in its own markup: seen in the stream, in force for what follows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from gateway_kit import (
    FRAME,
    HTML,
    LINK,
    LOADER,
    PageApp,
    ScriptedProvider,
    ask,
    planhat,
    rocketlane,
    settings,
    wrapped,
)

from portal_gateway.html.csp import Policies
from portal_gateway.injection.plan import under_page_policies

FRAMED = {"at": "main", "position": "append", "as": "iframe"}
LINKED = {"at": "main", "position": "append"}
LOADED = {**LINKED, "mode": "loader"}
VENDOR = "https://vendor.example"
ORIGIN = "https://app.acme.com"

Make = Callable[..., Any]


def page(policy: str) -> bytes:
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    return f"<!doctype html><html><head>{meta}</head><body><main></main></body></html>".encode()


def policies(text: str) -> Policies:
    return Policies.parse([(b"content-security-policy", text.encode())])


@pytest.mark.parametrize(
    ("rule", "policy", "expected"),
    [
        pytest.param(FRAMED, "img-src 'none'", FRAME, id="frame-nothing-said"),
        pytest.param(FRAMED, "frame-src 'self'", "csp_frame", id="frame-src"),
        pytest.param(FRAMED, "child-src 'self'", "csp_frame", id="child-src"),
        pytest.param(FRAMED, "default-src 'self'", "csp_frame", id="default-src"),
        pytest.param(FRAMED, f"frame-src 'self' {VENDOR}", FRAME, id="frame-allowed"),
        pytest.param(LINKED, "default-src 'none'", LINK, id="a-link-needs-nothing"),
        pytest.param(LOADED, "script-src 'self'", LOADER, id="loader-allowed"),
        pytest.param(LOADED, "script-src 'none'", "csp_script", id="script-src"),
        pytest.param(LOADED, "default-src 'none'; script-src 'self'", "csp_script", id="connect-by-default"),
        pytest.param(LOADED, "connect-src 'none'", "csp_script", id="connect-src"),
        pytest.param(LOADED, "script-src 'nonce-abc'", b'nonce="abc"', id="nonce"),
        pytest.param(LOADED, "script-src 'nonce-abc'; connect-src 'none'", "csp_script", id="nonce-but-no-connect"),
        pytest.param({**LOADED, "as": "iframe"}, "frame-src 'none'", "csp_frame", id="loaded-frame"),
    ],
)
@pytest.mark.parametrize("size", [40, 10_000])
async def test_what_is_left(
    rule: dict[str, Any], policy: str, expected: bytes | str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = page(policy)
    app = PageApp(*(text[i : i + size] for i in range(0, len(text), size)))
    portal = rocketlane(rule, access={"budget_ms": 10_000})
    gateway = wrapped(app, settings(portals={"p": portal}), {"p": ScriptedProvider()}, monkeypatch)
    response = await ask(gateway, user="jane")
    if isinstance(expected, bytes):
        assert expected in response.body
    else:
        assert response.body == text
        assert ("placement_empty", "p", expected) in gateway.gateway.events.counts
    await gateway.gateway.aclose()


async def test_a_policy_of_the_page_cannot_be_extended(monkeypatch: pytest.MonkeyPatch) -> None:
    text = page("frame-src 'self'")
    portal = rocketlane(FRAMED, csp="extend")
    gateway = wrapped(PageApp(text), settings(portals={"p": portal}), {"p": ScriptedProvider()}, monkeypatch)
    assert (await ask(gateway, user="jane")).body == text
    await gateway.gateway.aclose()


async def test_the_nonce_must_pass_the_policies_of_the_headers_too(monkeypatch: pytest.MonkeyPatch) -> None:
    text = page("script-src 'nonce-abc'")
    app = PageApp(text, headers=(HTML, (b"content-security-policy", b"script-src 'nonce-xyz'")))
    gateway = wrapped(app, settings(LOADED), {"success": ScriptedProvider()}, monkeypatch)
    assert (await ask(gateway)).body == text
    await gateway.gateway.aclose()


async def test_a_decision_that_comes_too_late_leaves_the_loader_under_the_same_policies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider = ScriptedProvider()
    provider.gate = asyncio.Event()
    text = page("script-src 'nonce-abc'")
    portal = planhat(LINKED, access={"budget_ms": 1})
    gateway = wrapped(PageApp(text), settings(portals={"success": portal}), {"success": provider}, monkeypatch)
    response = await ask(gateway, user="jane")
    assert b'nonce="abc"' in response.body
    provider.gate.set()
    await gateway.gateway.aclose()


class TestPlan:
    def test_without_policies_nothing_changes(self, parts: Make) -> None:
        plan = parts(LINKED).plan()
        assert under_page_policies(plan, Policies(), ORIGIN) is plan

    def test_an_empty_slot_keeps_its_reason(self, parts: Make) -> None:
        cached = (b"cache-control", b"public")
        made = parts({"at": "main", "template": "<i></i>"}, LOADED).plan(cached)
        restricted = under_page_policies(made, policies("script-src 'none'"), ORIGIN)
        assert [slot.reason for slot in restricted.slots] == ["shared_cacheable", "csp_script"]

    def test_the_head_stays(self, parts: Make) -> None:
        made = parts(LOADED).plan()
        restricted = under_page_policies(made, policies("script-src 'none'"), ORIGIN)
        assert (restricted.dropped, restricted.added) == (made.dropped, made.added)
