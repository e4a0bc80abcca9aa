from __future__ import annotations

import pytest

from portal_gateway.html.csp import Policies

OWN = "https://app.acme.com"
VENDOR = "https://acme.rocketlane.com"


def policies(*lines: str) -> Policies:
    return Policies.parse(headers(*lines))


def headers(*lines: str) -> list[tuple[bytes, bytes]]:
    return [(b"content-security-policy", line.encode()) for line in lines]


@pytest.mark.parametrize(
    ("policy", "blocked"),
    [
        pytest.param("", False, id="empty"),
        pytest.param("img-src 'none'", False, id="says-nothing-about-scripts"),
        pytest.param("script-src 'self'", False, id="self"),
        pytest.param("script-src 'SELF'", False, id="keyword-in-upper-case"),
        pytest.param("Script-Src 'self'", False, id="directive-in-any-case"),
        pytest.param("default-src 'self'", False, id="default-self"),
        pytest.param("script-src 'none'", True, id="none"),
        pytest.param("script-src", True, id="empty-list"),
        pytest.param("default-src 'none'", True, id="default-none"),
        pytest.param("default-src 'none'; script-src 'self'", False, id="script-src-before-default"),
        pytest.param("script-src 'none'; script-src-elem 'self'", False, id="elem-before-script-src"),
        pytest.param("script-src 'self'; script-src-elem 'none'", True, id="elem-blocks"),
        pytest.param("script-src 'self'; script-src 'none'", False, id="first-duplicate-counts"),
        pytest.param("script-src *", False, id="star"),
        pytest.param("script-src https:", False, id="scheme"),
        pytest.param("script-src http:", False, id="http-scheme-covers-https"),
        pytest.param("script-src data: blob:", True, id="other-schemes"),
        pytest.param("script-src https://app.acme.com", False, id="own-origin"),
        pytest.param("script-src app.acme.com", False, id="own-host"),
        pytest.param("script-src APP.acme.com:443", False, id="own-host-and-port"),
        pytest.param("script-src app.acme.com:*", False, id="any-port"),
        pytest.param("script-src app.acme.com:8443", True, id="other-port"),
        pytest.param("script-src *.acme.com", False, id="wildcard-host"),
        pytest.param("script-src *.app.acme.com", True, id="wildcard-needs-a-label"),
        pytest.param("script-src evilapp.acme.com", True, id="other-host"),
        pytest.param("script-src app.acme.com/static/", True, id="a-path-is-not-ours"),
        pytest.param("script-src app.acme.com/", False, id="root-path"),
        pytest.param("script-src 'unsafe-inline'", True, id="unsafe-inline-is-for-inline"),
        pytest.param("script-src 'nonce-abc'", True, id="nonce-only"),
        pytest.param("script-src 'self' 'nonce-abc'", False, id="self-beside-nonce"),
        pytest.param("script-src 'self' 'nonce-abc' 'strict-dynamic'", True, id="strict-dynamic-ignores-self"),
        pytest.param("script-src 'sha256-AAAA=' 'self'", False, id="hash-beside-self"),
        pytest.param("script-src 'sha256-AAAA='", True, id="hash-only"),
        pytest.param("sandbox", True, id="sandbox"),
        pytest.param("sandbox allow-forms allow-scripts", False, id="sandbox-with-scripts"),
        pytest.param("script-src 'self', script-src 'none'", True, id="second-policy-in-a-line-blocks"),
        pytest.param("script-src 'self', img-src *", False, id="second-policy-does-not"),
        pytest.param("script-src\t'self'\t;", False, id="tabs"),
        pytest.param(";;  ; script-src 'self' ;;", False, id="empty-directives"),
    ],
)
def test_blocks_script(policy: str, blocked: bool) -> None:
    assert policies(policy).blocks_script(OWN) is blocked


def test_all_lines_count_and_report_only_does_not() -> None:
    assert policies("script-src 'self'", "script-src 'none'").blocks_script(OWN)
    raw = [(b"Content-Security-Policy-Report-Only", b"script-src 'none'; frame-src 'none'")]
    report_only = Policies.parse(raw)
    assert not report_only.blocks_script(OWN)
    assert not report_only.blocks_frame(VENDOR, OWN)
    assert report_only.extended_for_frame(raw, [VENDOR], OWN) == raw
    assert Policies.parse([(b"CONTENT-SECURITY-POLICY", b"script-src 'none'")]).blocks_script(OWN)


@pytest.mark.parametrize(
    ("lines", "nonce"),
    [
        pytest.param(["script-src 'nonce-abc'"], "abc", id="one"),
        pytest.param(["script-src 'nonce-a+/_-b=='"], "a+/_-b==", id="all-characters"),
        pytest.param(["script-src 'strict-dynamic' 'nonce-abc'"], "abc", id="strict-dynamic"),
        pytest.param(["default-src 'NONCE-abc'"], "abc", id="default-src"),
        pytest.param(["script-src 'self'"], None, id="no-nonce"),
        pytest.param(["style-src 'nonce-abc'"], None, id="nonce-for-styles"),
        pytest.param(["script-src 'nonce-abc'", "img-src *"], "abc", id="other-policy-is-silent"),
        pytest.param(["script-src 'nonce-abc'", "script-src 'self'"], "abc", id="other-policy-lets-self-in"),
        pytest.param(["script-src 'nonce-abc'", "script-src 'none'"], None, id="other-policy-blocks"),
        pytest.param(["script-src 'nonce-abc'", "script-src 'nonce-xyz'"], None, id="different-nonces"),
        pytest.param(["script-src 'nonce-abc'", "script-src 'nonce-xyz' 'nonce-abc'"], "abc", id="common-nonce"),
        pytest.param(["script-src 'nonce-x' 'nonce-abc'", "script-src 'nonce-abc'"], "abc", id="second-is-common"),
        pytest.param(["script-src 'nonce-abc'; script-src-elem 'none'"], None, id="elem-outranks"),
        pytest.param(["script-src 'nonce-abc'; sandbox"], None, id="sandbox"),
        pytest.param(["script-src 'nonce-a\"b'"], None, id="not-a-nonce"),
    ],
)
def test_nonce(lines: list[str], nonce: str | None) -> None:
    assert policies(*lines).nonce() == nonce


@pytest.mark.parametrize(
    ("policy", "blocked"),
    [
        pytest.param("script-src 'none'", False, id="says-nothing-about-frames"),
        pytest.param("frame-src 'none'", True, id="none"),
        pytest.param("frame-src", True, id="empty-list"),
        pytest.param("frame-src 'self'", True, id="self-is-not-the-vendor"),
        pytest.param("frame-src https://acme.rocketlane.com", False, id="origin"),
        pytest.param("frame-src http://acme.rocketlane.com", False, id="http-covers-https"),
        pytest.param("frame-src ACME.rocketlane.com", False, id="host-in-any-case"),
        pytest.param("frame-src *.rocketlane.com", False, id="wildcard"),
        pytest.param("frame-src https://*.rocketlane.com:443", False, id="wildcard-with-port"),
        pytest.param("frame-src *.rocketlane.com:444", True, id="other-port"),
        pytest.param("frame-src rocketlane.com", True, id="parent-host"),
        pytest.param("frame-src acme.rocketlane.com/only/here", False, id="path-does-not-count-after-a-redirect"),
        pytest.param("frame-src https:", False, id="scheme"),
        pytest.param("frame-src *", False, id="star"),
        pytest.param("child-src 'none'", True, id="child-src"),
        pytest.param("default-src 'none'", True, id="default-src"),
        pytest.param("default-src 'none'; child-src *", False, id="child-src-before-default"),
        pytest.param("child-src 'none'; frame-src *", False, id="frame-src-before-child-src"),
        pytest.param("frame-src 'none' *", False, id="none-beside-others-is-ignored"),
    ],
)
def test_blocks_frame(policy: str, blocked: bool) -> None:
    assert policies(policy).blocks_frame(VENDOR, OWN) is blocked


@pytest.mark.parametrize(
    ("origin", "own", "policy", "blocked"),
    [
        pytest.param(OWN, OWN, "frame-src 'self'", False, id="self"),
        pytest.param(OWN, OWN, "frame-src app.acme.com/x", True, id="own-path"),
        pytest.param("http://localhost:9000", "http://localhost:8000", "frame-src localhost:9000", False, id="port"),
        pytest.param("http://localhost:9000", "http://localhost:8000", "frame-src localhost", True, id="no-port"),
        pytest.param("http://[::1]:9000", "http://[::1]:8000", "frame-src http://[::1]:9000", False, id="ipv6"),
        pytest.param("http://a.com", "https://b.com", "frame-src a.com", True, id="no-downgrade"),
    ],
)
def test_blocks_frame_of_other_origins(origin: str, own: str, policy: str, blocked: bool) -> None:
    assert policies(policy).blocks_frame(origin, own) is blocked


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("img-src *", "img-src *", id="nothing-blocked"),
        pytest.param(
            "frame-src 'self'; img-src *",
            "frame-src 'self' https://acme.rocketlane.com; img-src *",
            id="added",
        ),
        pytest.param(
            "img-src *;frame-src 'none' ;x-y",
            "img-src *; frame-src 'self' https://acme.rocketlane.com;x-y",
            id="none-replaced",
        ),
        pytest.param("frame-src", "frame-src 'self' https://acme.rocketlane.com", id="empty-list"),
        pytest.param(
            "frame-src https://acme.rocketlane.com",
            "frame-src https://acme.rocketlane.com 'self'",
            id="own-embed-route",
        ),
        pytest.param(
            "default-src 'self' https://x.com 'unsafe-inline' 'nonce-abc' data:;",
            "default-src 'self' https://x.com 'unsafe-inline' 'nonce-abc' data:; "
            "frame-src 'self' https://x.com data: https://acme.rocketlane.com",
            id="copied-from-default-src",
        ),
        pytest.param(
            "default-src 'none'; child-src a.com",
            "default-src 'none'; child-src a.com; frame-src a.com 'self' https://acme.rocketlane.com",
            id="copied-from-child-src",
        ),
        pytest.param(
            "default-src 'none'",
            "default-src 'none'; frame-src 'self' https://acme.rocketlane.com",
            id="default-none",
        ),
        pytest.param(
            "img-src *,  frame-src b.com 'self' ,default-src *",
            "img-src *,  frame-src b.com 'self' https://acme.rocketlane.com,default-src *",
            id="one-policy-of-a-line",
        ),
        pytest.param(
            "FRAME-SRC 'self'; frame-src *",
            "FRAME-SRC 'self' https://acme.rocketlane.com; frame-src *",
            id="first-counts",
        ),
    ],
)
def test_extended_for_frame(before: str, after: str) -> None:
    raw = headers(before)
    extended = policies(before).extended_for_frame(raw, [VENDOR], OWN)
    assert extended == headers(after)
    assert not Policies.parse(extended).blocks_frame(VENDOR, OWN)
    assert not Policies.parse(extended).blocks_frame(OWN, OWN)
    assert raw == headers(before)


def test_extending_leaves_everything_else_alone() -> None:
    raw = [
        (b"X-Other", b"frame-src 'none'"),
        (b"Content-Security-Policy-Report-Only", b"frame-src 'none'"),
        (b"content-security-policy", b"frame-src 'self' \xe9"),
        (b"Content-Security-Policy", b"frame-src *"),
    ]
    extended = Policies.parse(raw).extended_for_frame(raw, [VENDOR, VENDOR, "https://b.com"], OWN)
    assert extended[2] == (b"content-security-policy", b"frame-src 'self' \xe9 " + VENDOR.encode() + b" https://b.com")
    assert [extended[0], extended[1], extended[3]] == [raw[0], raw[1], raw[3]]
    assert Policies.parse(raw).extended_for_frame(raw, [], OWN) == raw
