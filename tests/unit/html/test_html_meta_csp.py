from __future__ import annotations

import pytest

from portal_gateway.html.meta_csp import MAX_HEAD, PageHead, meta_policies

POLICY = "script-src 'none'"
META = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
OWN = "https://app.acme.com"
VENDOR = "https://acme.rocketlane.com"


def blocks_script(page: str) -> bool:
    return meta_policies(page.encode()).blocks_script(OWN)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(f"<!doctype html><html><head>{META}</head><body>", id="in-the-head"),
        pytest.param(f"{META}<p>", id="without-head-and-body-tags"),
        pytest.param(f"<head></head>{META}<body>", id="behind-the-head"),
        pytest.param(META.upper().replace("NONE", "none"), id="upper-case"),
        pytest.param(META.replace('"', "'", 2), id="single-quotes"),
        pytest.param("<meta http-equiv=content-security-policy content=script-src>", id="unquoted"),
        pytest.param("<meta content='script-src' http-equiv='Content-Security-Policy' />", id="any-order"),
        pytest.param(META.replace("'none'", "&#39;none&#39;"), id="character-references"),
        pytest.param(META.replace(" http", "\n\thttp"), id="white-space"),
        pytest.param(f"<!-- a --><title>b</title><style>c</style><script>d('<body>')</script>{META}", id="behind-all"),
        pytest.param(f"<!-->{META}-->", id="empty-comment"),
        pytest.param(f"<!--->{META}-->", id="empty-comment-with-a-dash"),
        pytest.param(f"<!-- --!>{META}-->", id="comment-ended-wrongly"),
        pytest.param(f'<link title="<!--">{META}', id="comment-in-an-attribute"),
        pytest.param(f'<link title="<body>">{META}', id="body-in-an-attribute"),
        pytest.param(f"<!-- <body> -->{META}", id="body-in-a-comment"),
        pytest.param(f"</body></ ><{META}", id="stray-ends"),
        pytest.param(f"<noscript>{META}</noscript>", id="noscript-counts-to-be-safe"),
        pytest.param(f"<template>{META}</template>", id="template-counts-to-be-safe"),
        pytest.param(f"{META}<meta http-equiv=content-security-policy content=\"script-src 'self'\">", id="one-of-two"),
        pytest.param(META.replace(POLICY, f"img-src *, {POLICY}"), id="split-at-the-comma"),
    ],
)
def test_a_policy_in_force(page: str) -> None:
    assert blocks_script(page)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param("", id="nothing"),
        pytest.param("<meta http-equiv=content-type content='text/html'>", id="another-header"),
        pytest.param("<meta name='Content-Security-Policy' content='script-src'>", id="a-name"),
        pytest.param(META.replace("Policy", "Policy-Report-Only"), id="report-only-means-nothing-here"),
        pytest.param("<meta http-equiv=Content-Security-Policy>", id="without-content"),
        pytest.param("<meta http-equiv=Content-Security-Policy content=''>", id="empty-content"),
        pytest.param(f"<!-- {META} -->", id="comment"),
        pytest.param(f"<script>'{META}'</script>", id="script"),
        pytest.param(f"<title>{META}</title>", id="title"),
        pytest.param(f"<style>{META}</style >", id="style"),
        pytest.param(f"<body>{META}", id="in-the-body"),
        pytest.param(f"<script>{META}", id="unfinished-script"),
        pytest.param(f"<!-- {META}", id="unfinished-comment"),
        pytest.param(META[:-1], id="unfinished-tag"),
        pytest.param("<p>&lt;meta http-equiv='Content-Security-Policy' content='script-src'>", id="text"),
        pytest.param(META.replace(POLICY, "sandbox"), id="sandbox-counts-in-headers-only"),
        pytest.param(META.replace("meta", "metal"), id="another-element"),
    ],
)
def test_no_policy_in_force(page: str) -> None:
    assert not blocks_script(page)


@pytest.mark.parametrize(
    ("policy", "blocked"),
    [
        pytest.param("frame-src 'self'", True, id="frame-src"),
        pytest.param("child-src 'none'", True, id="child-src"),
        pytest.param("default-src 'self'", True, id="default-src"),
        pytest.param(f"default-src 'self'; frame-src {VENDOR}", False, id="vendor-allowed"),
        pytest.param("frame-src https:", False, id="scheme-allowed"),
        pytest.param("frame-ancestors 'none'", False, id="frame-ancestors-counts-in-headers-only"),
    ],
)
def test_frames(policy: str, blocked: bool) -> None:
    page = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    assert meta_policies(page.encode()).blocks_frame(VENDOR, OWN) is blocked


def test_the_nonce_of_a_policy_in_the_page() -> None:
    page = META.replace(POLICY, "script-src 'nonce-abc' 'strict-dynamic'")
    assert meta_policies(page.encode()).nonce(OWN) == "abc"


@pytest.mark.parametrize("piece", [b"<a ", b"<xmp>", b"<!--", b"<!-->", b"<meta ", b"</x"])
def test_hostile_pages_take_linear_time(piece: bytes) -> None:
    page = META.encode() + piece * (300_000 // len(piece))
    assert meta_policies(page).policies


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_page_in_pieces(size: int) -> None:
    page = META.encode()
    head = PageHead()
    for start in range(0, len(page), size):
        head.add(page[start : start + size])
    assert head.policies().blocks_script(OWN)


def test_how_much_is_remembered() -> None:
    head = PageHead()
    head.add(b" " * (MAX_HEAD - len(META)))
    head.add(META.encode() + b"x" * MAX_HEAD)
    head.add(META.encode())
    assert len(head.policies().policies) == 1
    assert sum(map(len, head._kept)) == MAX_HEAD
