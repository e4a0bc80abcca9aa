from __future__ import annotations

import gzip
import hashlib
import sys

import brotli
import pytest
from starlette.responses import Response

from portal_gateway.portal.assets import Assets
from portal_gateway.settings.brand import BrandSettings

ASSETS = Assets(BrandSettings())
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


@pytest.mark.parametrize(
    ("codings", "coding"),
    [
        (b"gzip", "gzip"),
        (b"GZIP;q=0.5, br;q=0", "gzip"),
        (b"deflate, gzip;q=0.001", "gzip"),
        (b"gzip, deflate, br, zstd", "br"),
    ],
)
def test_the_smallest_form_that_is_taken(codings: bytes, coding: str) -> None:
    plain, packed = answer(ASSETS.css_path), answer(ASSETS.css_path, (b"accept-encoding", codings))
    assert packed.headers["content-encoding"] == coding
    unpack = {"gzip": gzip.decompress, "br": brotli.decompress}[coding]
    assert unpack(bytes(packed.body)) == plain.body
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize("codings", [b"", b"zstd", b"gzip;q=0", b"gzip; q=0.000", b"x-gzip2", b"*"])
def test_plain_for_all_others(codings: bytes) -> None:
    assert "content-encoding" not in answer(ASSETS.css_path, (b"accept-encoding", codings)).headers


def test_without_the_extra_there_is_gzip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "brotli", None)
    response = Assets(BrandSettings()).answer("/-/widget.js", [(b"accept-encoding", b"br, gzip")])
    assert response is not None
    assert response.headers["content-encoding"] == "gzip"


def test_a_file_is_compressed_once() -> None:
    first, second = (answer("/-/widget.js", (b"accept-encoding", b"br")) for _ in range(2))
    assert first.body is second.body


def test_the_widget_is_small() -> None:
    assert len(answer("/-/widget.js", (b"accept-encoding", b"gzip")).body) < 6 * 1024


def test_all_forms_share_a_tag_so_it_is_weak() -> None:
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


def test_the_declarations_are_text_that_is_revalidated() -> None:
    response = answer("/-/widget.d.ts")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"


def test_the_brands_colours_are_kept_for_good_too() -> None:
    assets = Assets(BrandSettings(color="#b00000"))
    assert assets.brand_css_path is not None
    response = assets.answer(assets.brand_css_path, [])
    assert response is not None
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["content-type"] == "text/css; charset=utf-8"
    assert b"--accent: #b00000" in bytes(response.body)


def test_without_colours_there_is_no_such_file() -> None:
    assert ASSETS.brand_css_path is None


def test_the_style_of_snippets_has_the_brands_colour_and_is_revalidated() -> None:
    for color, end in (
        (None, b""),
        ("#b00000", b":where(:root) { --portal-color: #b00000; --portal-on-color: #ffffff; }\n"),
    ):
        response = Assets(BrandSettings(color=color)).answer("/-/snippets.css", [])
        assert response is not None
        assert response.headers["cache-control"] == "no-cache"
        assert bytes(response.body).endswith(b"}\n" + end)
