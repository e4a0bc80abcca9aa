from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2
import pytest
from gateway_kit import IN_FRAME, http_scope, settings
from starlette.requests import Request
from starlette.responses import Response

from portal_gateway.observe.events import Events
from portal_gateway.portal.answers import Answers, page_policy
from portal_gateway.portal.assets import Assets
from portal_gateway.portal.texts import Text
from portal_gateway.settings.brand import BrandSettings

ASSETS = Assets(BrandSettings())
EVENTS = Events()
GERMAN = (b"accept-language", b"de-AT, de;q=0.9, en;q=0.5")
TEXT = Text("Title <b>", "Body & more")


def answers(**top: Any) -> Answers:
    config = settings(**top)
    return Answers(config, Assets(config.brand), EVENTS)


def request(*headers: tuple[bytes, bytes], root_path: str = "") -> Request:
    return Request(http_scope("/portal/", *headers, root_path=root_path))


ANSWERS = answers()
REQUEST = request()


def html(response: Response) -> str:
    return bytes(response.body).decode()


def message(text: Text = TEXT, *, on: Request = REQUEST, by: Answers = ANSWERS, **values: Any) -> Response:
    """The page of a message with any text at all."""
    values = {"kind": "away", "retry_url": None, "sign_in_url": None, **values}
    return by.page(on, "message.html", status=403, text=text, **values)


def test_a_page_is_not_stored_not_indexed_not_sniffed_and_has_a_policy() -> None:
    response = ANSWERS.message(REQUEST, "access_denied", 403)
    assert response.status_code == 403
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-robots-tag"] == "noindex, nofollow"
    assert response.headers["referrer-policy"] == "strict-origin"
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-security-policy"] == page_policy(None)


def test_the_policy_allows_no_script_and_no_foreign_frame() -> None:
    assert page_policy(None) == (
        "default-src 'none'; style-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )
    assert "script-src" not in page_policy(None)
    assert "frame-src 'self' https://vendor.example; script-src 'self'; " in page_policy("https://vendor.example")


def test_pages_have_no_inline_script_or_style() -> None:
    page = html(message(on=request(root_path="/app"), retry_url="/app/portal/x/launch"))
    assert "<script" not in page
    assert "<style" not in page
    assert "style=" not in page
    assert f'href="/app/portal{ASSETS.css_path}"' in page


def test_texts_and_addresses_are_escaped() -> None:
    page = html(message(retry_url='/portal/"><script>'))
    assert "Title &lt;b&gt;" in page
    assert "Body &amp; more" in page
    assert "<script>" not in page


def test_there_is_a_way_to_try_again_only_if_there_is_an_address() -> None:
    assert "Try again" in html(ANSWERS.message(REQUEST, "vendor_away", 503, retry_url="/portal/x/"))
    assert "Try again" not in html(ANSWERS.message(REQUEST, "access_denied", 403))


@pytest.mark.parametrize(("status", "kind"), [(401, "M8 11V8"), (403, "M8 11V8"), (404, "m15.5"), (503, "M12 8v4")])
def test_the_picture_is_that_of_the_trouble(status: int, kind: str) -> None:
    assert kind in html(ANSWERS.message(REQUEST, "access_denied", status))


def test_labels_of_choices_come_from_the_vendor_and_are_escaped() -> None:
    class Portal:
        name, label = "onboarding", "On<b>"

    choices = [{"label": "<img src=x onerror=alert(1)>", "url": '?project="'}]
    page = html(ANSWERS.page(REQUEST, "chooser.html", portal=Portal, choices=choices))
    assert "<img" not in page
    assert "On&lt;b&gt;" in page
    assert 'href="?project=&#34;"' in page


def test_a_value_that_a_template_misses_is_a_fault_not_a_gap() -> None:
    with pytest.raises(jinja2.UndefinedError):
        ANSWERS.page(REQUEST, "picker.html")


class TestLanguage:
    def test_it_is_the_one_that_the_browser_asks_for(self) -> None:
        response = ANSWERS.message(request(GERMAN), "access_denied", 403)
        assert response.headers["content-language"] == "de"
        assert response.headers["vary"] == "Accept-Language"
        assert '<html lang="de">' in html(response)
        assert "Sie haben keinen Zugang zu diesem Portal" in html(response)

    def test_english_for_all_others(self) -> None:
        for asked in ((), ((b"accept-language", b"tlh"),), ((b"accept-language", b"\xff;;"),)):
            response = ANSWERS.message(request(*asked), "access_denied", 403)
            assert response.headers["content-language"] == "en"
            assert '<html lang="en">' in html(response)

    def test_several_headers_are_one_list(self) -> None:
        asked = ((b"accept-language", b"en;q=0.1"), (b"accept-language", b"ja"))
        assert ANSWERS.texts(request(*asked)).tag == "ja"

    def test_a_configured_language_is_everybodys(self) -> None:
        assert answers(language="fr").texts(request(GERMAN)).tag == "fr"


class TestBrand:
    def test_no_brand_no_head(self) -> None:
        page = html(message())
        assert 'class="brand"' not in page
        assert "brand." not in page
        assert "<title>Title &lt;b&gt;</title>" in page

    def test_name_and_logo_lead_home(self) -> None:
        by = answers(brand={"name": "Acme & Co", "logo": "/static/a.svg", "home": "/start"})
        page = html(message(by=by))
        assert '<a href="/start"><img src="/static/a.svg" alt="">Acme &amp; Co</a>' in page
        assert "<title>Title &lt;b&gt; · Acme &amp; Co</title>" in page
        assert '<a class="quiet" href="/start">Back to the app</a>' in page

    def test_a_logo_alone_says_where_it_leads(self) -> None:
        assert 'alt="Back to the app"' in html(message(by=answers(brand={"logo": "/a.svg"})))

    def test_paths_are_below_the_path_that_the_app_is_mounted_at(self) -> None:
        mounted = request(root_path="/app/")
        assert 'href="/app/">Back to the app' in html(message(on=mounted))
        page = html(message(on=mounted, by=answers(brand={"logo": "/a.svg", "home": "https://acme.example/x"})))
        assert 'src="/app/a.svg"' in page
        assert 'href="https://acme.example/x">Back to the app' in page

    def test_the_logo_is_the_tabs_icon(self) -> None:
        assert '<link rel="icon" href="/a.svg">' in html(message(by=answers(brand={"logo": "/a.svg"})))
        assert 'rel="icon"' not in html(message(by=answers(brand={"name": "Acme"})))

    def test_only_the_logos_origin_is_let_in(self) -> None:
        policy = message(by=answers(brand={"logo": "https://cdn.example/a.svg?x;y"})).headers["content-security-policy"]
        assert "img-src 'self' https://cdn.example; " in policy
        assert policy.replace(" https://cdn.example", "") == page_policy(None)

    def test_colours_are_a_style_sheet_of_their_own(self) -> None:
        by = answers(brand={"color": "#B00"})
        assert '<link rel="stylesheet" href="/portal/-/assets/brand.' in html(message(by=by))

    def test_a_frame_has_the_app_around_it(self) -> None:
        page = html(message(on=request(*IN_FRAME), by=answers(brand={"name": "Acme"})))
        assert 'class="brand"' not in page
        assert "Back to the app" not in page


class TestTemplatesOfYourOwn:
    def test_they_win_over_ours_and_can_extend_them(self, tmp_path: Path) -> None:
        own = "{% extends 'own/message.html' %}{% block main %}{{ super() }}<b>{{ t('page.home') }}</b>{% endblock %}"
        (tmp_path / "message.html").write_text(own)
        page = html(message(on=request(GERMAN), by=answers(templates=str(tmp_path))))
        assert "<h1>Title &lt;b&gt;</h1>" in page
        assert "<b>Zurück zur App</b>" in page

    def test_a_base_of_your_own_is_that_of_all_pages(self, tmp_path: Path) -> None:
        (tmp_path / "base.html").write_text("<html><body>Acme {% block main %}{% endblock %}</body></html>")
        assert html(message(by=answers(templates=str(tmp_path)))).startswith("<html><body>Acme")

    def test_one_that_fails_gives_way_to_ours_and_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "message.html").write_text("{{ text.nothing.of_the_kind }}")
        before = EVENTS.counts["internal_error", "", "page_template"]
        assert "<h1>Title &lt;b&gt;</h1>" in html(message(by=answers(templates=str(tmp_path))))
        assert EVENTS.counts["internal_error", "", "page_template"] == before + 1


def test_problems_are_rfc_9457_and_say_no_more_than_they_are_given() -> None:
    response = ANSWERS.problem(503, "vendor_busy", "Busy", {"retry-after": "7"})
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["retry-after"] == "7"
    assert json.loads(bytes(response.body)) == {
        "type": "about:blank",
        "title": "Busy",
        "status": 503,
        "code": "vendor_busy",
    }


def test_json_is_for_our_own_site() -> None:
    response = ANSWERS.json({"a": None})
    assert json.loads(bytes(response.body)) == {"a": None}
    assert response.headers["cross-origin-resource-policy"] == "same-origin"
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "url", ["https://v.example/r?a=%2f&b=[1]|{2}'&c=é".replace("é", "%C3%A9"), "https://v.example/x#a"]
)
def test_a_redirect_is_passed_on_byte_for_byte(url: str) -> None:
    response = ANSWERS.redirect(url, "no-referrer")
    assert response.status_code == 303
    assert response.headers["location"] == url
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.body == b""
