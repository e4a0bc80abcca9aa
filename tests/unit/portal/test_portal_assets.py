from __future__ import annotations

import gzip
import hashlib
from importlib.resources import files

import pytest
from starlette.responses import Response

from portal_gateway.portal.assets import Assets

ASSETS = Assets()
PATHS = [ASSETS.widget_path, ASSETS.css_path]


def answer(path: str, *headers: tuple[bytes, bytes]) -> Response:
    response = ASSETS.answer(path, headers)
    assert response is not None
    return response


@pytest.mark.parametrize("path", PATHS)
def test_a_hashed_asset_is_kept_for_good(path: str) -> None:
    response = answer(path)
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert hashlib.sha256(bytes(response.body)).hexdigest()[:12] in path
    assert response.headers["content-length"] == str(len(response.body))


def test_types() -> None:
    assert answer(ASSETS.widget_path).headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer(ASSETS.css_path).headers["content-type"] == "text/css; charset=utf-8"


def test_the_stable_name_is_revalidated() -> None:
    response = answer("/-/widget.js")
    assert response.headers["cache-control"] == "no-cache"
    assert response.body == answer(ASSETS.widget_path).body


@pytest.mark.parametrize("codings", [b"gzip", b"br, GZIP;q=0.5", b"gzip;q=1", b"deflate, gzip;q=0.001"])
def test_gzip_for_those_who_take_it(codings: bytes) -> None:
    plain, packed = answer(ASSETS.css_path), answer(ASSETS.css_path, (b"accept-encoding", codings))
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(bytes(packed.body)) == plain.body
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize("codings", [b"", b"br", b"gzip;q=0", b"gzip; q=0.000", b"x-gzip2", b"*"])
def test_plain_for_all_others(codings: bytes) -> None:
    assert "content-encoding" not in answer(ASSETS.css_path, (b"accept-encoding", codings)).headers


def test_both_forms_share_a_tag_so_it_is_weak() -> None:
    tag = answer(ASSETS.css_path).headers["etag"]
    assert tag.startswith('W/"')
    assert answer(ASSETS.css_path, (b"accept-encoding", b"gzip")).headers["etag"] == tag


@pytest.mark.parametrize("form", ["{0}", '"other", {0}', "{1}"])
def test_304_for_those_who_have_it(form: str) -> None:
    tag = answer("/-/widget.js").headers["etag"]
    response = answer("/-/widget.js", (b"if-none-match", form.format(tag, tag.removeprefix("W/")).encode()))
    assert response.status_code == 304
    assert response.body == b""
    assert response.headers["etag"] == tag
    assert "content-length" not in response.headers


def test_not_for_another_version() -> None:
    assert answer("/-/widget.js", (b"if-none-match", b'"000000000000"')).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/-/assets/",
        "/-/assets/widget.js",
        "/-/assets/widget.000000000000.js",
        "/-/assets/../../routes.py",
        "/-/assets/%2e%2e/routes.py",
        "/-/portal.css",
        "",
    ],
)
def test_nothing_else_is_an_asset(path: str) -> None:
    assert ASSETS.answer(path, []) is None


def test_the_widget_hides_what_its_element_replaces_whatever_the_pages_style_says() -> None:
    script = files("portal_gateway.portal").joinpath("static", "widget.js").read_text()
    assert 'nextElementSibling?.style.setProperty("display", "none", "important")' in script
    assert "innerHTML" not in script
