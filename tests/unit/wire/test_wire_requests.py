from __future__ import annotations

import pytest

from portal_gateway.wire.asgi import RawHeaders
from portal_gateway.wire.requests import (
    is_navigation,
    is_partial,
    is_prefetch,
    mint_refusal,
    own_origin,
    route_path,
)

TAB = (b"document",)
FRAME = (b"iframe", b"frame", b"document")


def raw(**headers: str) -> RawHeaders:
    return [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param(raw(sec_purpose="prefetch"), True, id="chromium"),
        pytest.param(raw(sec_purpose="prefetch;prerender"), True, id="prerender"),
        pytest.param(raw(sec_purpose="prefetch;anonymous-client-ip"), True, id="through-a-private-proxy"),
        pytest.param(raw(purpose="prefetch"), True, id="older-chromium"),
        pytest.param(raw(x_purpose="preview"), True, id="safari-top-sites"),
        pytest.param(raw(X_Moz="Prefetch"), True, id="firefox-in-any-case"),
        pytest.param(raw(purpose="navigation"), False, id="another-purpose"),
        pytest.param(raw(purpose=""), False, id="empty"),
        pytest.param([], False, id="nothing-said"),
    ],
)
def test_prefetch(headers: RawHeaders, expected: bool) -> None:
    assert is_prefetch(headers) is expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param([], False, id="page"),
        pytest.param(raw(hx_request="true"), True, id="htmx"),
        pytest.param(raw(HX_Request="true", hx_target="list"), True, id="htmx-in-any-case"),
        pytest.param(raw(hx_request="true", hx_boosted="true"), False, id="htmx-boosted-link"),
        pytest.param(raw(hx_request="true", hx_boosted="false"), True, id="htmx-not-boosted"),
        pytest.param(raw(hx_request="true", hx_history_restore_request="true"), False, id="htmx-way-back"),
        pytest.param(raw(hx_boosted="true", x_requested_with="XMLHttpRequest"), True, id="boosted-and-xhr"),
        pytest.param(raw(turbo_frame="cart"), True, id="turbo-frame"),
        pytest.param(raw(x_turbo_request_id="1"), False, id="turbo-drive"),
        pytest.param(raw(x_pjax="true"), True, id="pjax"),
        pytest.param(raw(x_up_target=".list"), True, id="unpoly"),
        pytest.param(raw(x_up_version="3"), True, id="unpoly-without-target"),
        pytest.param(raw(x_requested_with="XMLHttpRequest"), True, id="xhr"),
    ],
)
def test_partial(headers: RawHeaders, expected: bool) -> None:
    assert is_partial(headers) is expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param(raw(sec_fetch_mode="navigate"), True, id="navigation"),
        pytest.param(raw(sec_fetch_mode="Navigate", accept="application/json"), True, id="mode-wins"),
        pytest.param(raw(sec_fetch_mode="cors", accept="text/html"), False, id="fetch-that-accepts-html"),
        pytest.param(raw(sec_fetch_mode="no-cors"), False, id="image"),
        pytest.param(raw(accept="text/html,application/xhtml+xml,*/*;q=0.8"), True, id="older-browser"),
        pytest.param(raw(accept="TEXT/HTML"), True, id="accept-in-any-case"),
        pytest.param(raw(accept="application/json"), False, id="api-client"),
        pytest.param(raw(accept="*/*"), False, id="curl"),
        pytest.param([], False, id="nothing-said"),
    ],
)
def test_navigation(headers: RawHeaders, expected: bool) -> None:
    assert is_navigation(headers) is expected


@pytest.mark.parametrize(
    ("method", "headers", "destinations", "refusal"),
    [
        pytest.param("GET", raw(sec_fetch_mode="navigate", sec_fetch_dest="document"), TAB, None, id="click"),
        pytest.param("GET", raw(sec_fetch_mode="navigate", sec_fetch_dest="iframe"), FRAME, None, id="frame"),
        pytest.param("GET", [], TAB, None, id="no-metadata"),
        pytest.param("GET", raw(sec_fetch_dest="document"), TAB, None, id="destination-alone"),
        pytest.param("HEAD", [], TAB, "method", id="link-preview"),
        pytest.param("POST", [], TAB, "method", id="post"),
        pytest.param(
            "GET",
            raw(sec_purpose="prefetch", sec_fetch_mode="navigate", sec_fetch_dest="document"),
            TAB,
            "prefetch",
            id="prefetch",
        ),
        pytest.param("GET", raw(sec_fetch_mode="cors", sec_fetch_dest="empty"), TAB, "not_a_navigation", id="fetch"),
        pytest.param("GET", raw(sec_fetch_mode="no-cors", sec_fetch_dest="image"), TAB, "not_a_navigation", id="img"),
        pytest.param(
            "GET",
            raw(sec_fetch_mode="navigate", sec_fetch_dest="iframe"),
            TAB,
            "not_a_navigation",
            id="launch-link-in-a-frame",
        ),
        pytest.param(
            "GET", raw(sec_fetch_mode="navigate", sec_fetch_dest="object"), FRAME, "not_a_navigation", id="object"
        ),
        pytest.param("GET", raw(sec_fetch_dest="image"), TAB, "not_a_navigation", id="destination-without-mode"),
    ],
)
def test_mint_refusal(method: str, headers: RawHeaders, destinations: tuple[bytes, ...], refusal: str | None) -> None:
    assert mint_refusal(method, headers, destinations) == refusal


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        pytest.param({"path": "/portal/a"}, "/portal/a", id="no-root"),
        pytest.param({"path": "/portal/a", "root_path": ""}, "/portal/a", id="empty-root"),
        pytest.param({"path": "/app/portal", "root_path": "/app"}, "/portal", id="root-included"),
        pytest.param({"path": "/app/portal", "root_path": "/app/"}, "/portal", id="root-with-slash"),
        pytest.param({"path": "/portal", "root_path": "/app"}, "/portal", id="root-left-out"),
        pytest.param({"path": "/app", "root_path": "/app"}, "", id="root-itself"),
        pytest.param({"path": "/apple/x", "root_path": "/app"}, "/apple/x", id="only-whole-segments"),
    ],
)
def test_route_path(scope: dict[str, str], path: str) -> None:
    assert route_path(scope) == path


@pytest.mark.parametrize(
    ("headers", "behind_proxy", "origin"),
    [
        pytest.param(raw(host="app.acme.com"), False, "http://app.acme.com", id="direct"),
        pytest.param(
            raw(host="app", x_forwarded_proto="https", x_forwarded_host="app.acme.com"),
            False,
            "http://app",
            id="not-believed",
        ),
        pytest.param(
            raw(host="app", x_forwarded_proto="https", x_forwarded_host="app.acme.com"),
            True,
            "https://app.acme.com",
            id="believed",
        ),
        pytest.param(raw(host="app", x_forwarded_proto="https"), True, "https://app", id="scheme-only"),
        pytest.param(
            raw(host="app", x_forwarded_proto="https, http", x_forwarded_host="a.com , b"),
            True,
            "https://a.com",
            id="the-first-proxy-saw-the-browser",
        ),
        pytest.param(raw(host="app"), True, "http://app", id="proxy-says-nothing"),
        pytest.param([], False, "http://", id="http-1.0"),
    ],
)
def test_own_origin(headers: RawHeaders, behind_proxy: bool, origin: str) -> None:
    assert own_origin({"scheme": "http", "headers": headers}, behind_proxy=behind_proxy) == origin
