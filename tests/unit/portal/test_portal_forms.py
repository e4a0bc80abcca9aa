from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response

from portal_gateway.errors import RequestRefused
from portal_gateway.joining.keyring import Keyring
from portal_gateway.portal.forms import COOKIE, MAX_BYTES, Forms

ORIGIN = "https://app.test"
FORMS = Forms(Keyring({"k1": b"k" * 32}), ORIGIN)
FORM = "application/x-www-form-urlencoded"
SAME = {"sec-fetch-site": "same-origin"}


def request(body: bytes = b"", *, cookie: str | None = None, **headers: str) -> Request:
    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    if cookie is not None:
        lines.append((b"cookie", f"{COOKIE}={cookie}".encode()))

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({"type": "http", "method": "POST", "path": "/", "headers": lines}, receive)


def page(purpose: str = "join") -> tuple[str, str]:
    """The token of a form and the cookie that fits it."""
    shown = request()
    token = FORMS.token(shown, purpose)
    set_cookie = FORMS.protect(shown, Response(), "/portal").headers["set-cookie"]
    return token, set_cookie.partition("=")[2].partition(";")[0]


async def refusal(sent: Request, purpose: str = "join") -> tuple[int, str]:
    with pytest.raises(RequestRefused) as caught:
        await FORMS.read(sent, purpose)
    return caught.value.status, caught.value.code


async def test_a_form_of_ours_is_read() -> None:
    token, cookie = page()
    sent = request(f"form={token}&email=a%40b.io&email=c&x=%C3%BC".encode(), cookie=cookie)
    assert await FORMS.read(sent, "join") == {"form": token, "email": "a@b.io", "x": "ü"}


async def test_one_cookie_for_all_forms_of_a_browser() -> None:
    _, cookie = page()
    shown = request(cookie=cookie)
    token = FORMS.token(shown, "accept")
    assert "set-cookie" not in FORMS.protect(shown, Response(), "/portal").headers
    await FORMS.read(request(f"form={token}".encode(), cookie=cookie), "accept")


@pytest.mark.parametrize("cookie", [None, "", "x" * 22, "ü" * 22, "x" * 21, "x" * 4000])
async def test_without_the_cookie_it_is_none(cookie: str | None) -> None:
    token, _ = page()
    assert await refusal(request(f"form={token}".encode(), cookie=cookie)) == (403, "form_expired")


@given(st.text(max_size=80))
async def test_no_other_token_is_one(token: str) -> None:
    _, cookie = page()
    body = urlencode({"form": token}, errors="replace").encode()
    assert await refusal(request(body, cookie=cookie)) == (403, "form_expired")


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        pytest.param({"sec-fetch-site": "same-origin"}, True, id="same-origin"),
        pytest.param({"sec-fetch-site": "same-site"}, False, id="same-site"),
        pytest.param({"sec-fetch-site": "cross-site"}, False, id="cross-site"),
        pytest.param({"sec-fetch-site": "none"}, False, id="typed-in"),
        pytest.param({"sec-fetch-site": "cross-site", "origin": ORIGIN}, False, id="cross-site-whatever-the-origin"),
        pytest.param({"origin": ORIGIN}, True, id="origin"),
        pytest.param({"origin": "https://app.test.evil.com"}, False, id="other-origin"),
        pytest.param({"origin": "http://app.test"}, False, id="other-scheme"),
        pytest.param({"origin": "null"}, True, id="no-referrer"),
        pytest.param({}, True, id="an-old-browser"),
    ],
)
async def test_forms_of_other_sites_are_not_taken(headers: dict[str, str], taken: bool) -> None:
    token, cookie = page()
    sent = request(f"form={token}".encode(), cookie=cookie, **headers)
    if taken:
        await FORMS.read(sent, "join")
    else:
        assert await refusal(sent) == (403, "cross_site")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"x" * (MAX_BYTES + 1), (413, "too_large"), id="too-large"),
        pytest.param(b"a=1&" * 30, (400, "bad_request"), id="too-many-fields"),
        pytest.param(b"a=\xff", (400, "bad_request"), id="not-ascii"),
        pytest.param(b"a=%ff", (400, "bad_request"), id="not-utf-8"),
        pytest.param(b"", (403, "form_expired"), id="empty"),
    ],
)
async def test_what_is_no_form(body: bytes, expected: tuple[int, str]) -> None:
    _, cookie = page()
    assert await refusal(request(body, cookie=cookie)) == expected


async def test_json_has_a_type_that_no_form_has() -> None:
    assert await FORMS.read_json(request(b'{"a": 1}', content_type="application/json; charset=utf-8")) == {"a": 1}
    for kind in ("text/plain", FORM, "multipart/form-data", "application/jsonx"):
        with pytest.raises(RequestRefused) as caught:
            await FORMS.read_json(request(b"{}", content_type=kind))
        assert caught.value.status == 415
    with pytest.raises(RequestRefused):
        await FORMS.read_json(request(b"{}", content_type="application/json", sec_fetch_site="cross-site"))
