from __future__ import annotations

import json

import jinja2
import pytest

from portal_gateway.models import Choice
from portal_gateway.portal.answers import Answers, page_policy
from portal_gateway.portal.assets import Assets
from portal_gateway.portal.texts import Text

ASSETS = Assets()
ANSWERS = Answers(ASSETS)
TEXT = Text("Title <b>", "Body & more")


def test_a_page_is_not_stored_not_indexed_not_sniffed_and_has_a_policy() -> None:
    response = ANSWERS.message(TEXT, "/portal", 403)
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
    html = bytes(ANSWERS.message(TEXT, "/app/portal", 403, retry_url="/app/portal/x/launch").body).decode()
    assert "<script" not in html
    assert "<style" not in html
    assert "style=" not in html
    assert f'href="/app/portal{ASSETS.css_path}"' in html


def test_texts_and_addresses_are_escaped() -> None:
    html = bytes(ANSWERS.message(TEXT, "/portal", 503, retry_url='/portal/"><script>').body).decode()
    assert "Title &lt;b&gt;" in html
    assert "Body &amp; more" in html
    assert "<script>" not in html


def test_there_is_a_way_to_try_again_only_if_there_is_an_address() -> None:
    assert b"Try again" in bytes(ANSWERS.message(TEXT, "/portal", 503, retry_url="/portal/x/").body)
    assert b"Try again" not in bytes(ANSWERS.message(TEXT, "/portal", 403).body)


def test_labels_of_choices_come_from_the_vendor_and_are_escaped() -> None:
    class Portal:
        name, label = "onboarding", "On<b>"

    choices = (Choice("5 0/1", "<img src=x onerror=alert(1)>"),)
    html = bytes(ANSWERS.page("chooser.html", "/portal", portal=Portal, choices=choices).body).decode()
    assert "<img" not in html
    assert "On&lt;b&gt;" in html
    assert 'href="?project=5%200' in html


def test_a_value_that_a_template_misses_is_a_fault_not_a_gap() -> None:
    with pytest.raises(jinja2.UndefinedError):
        ANSWERS.page("picker.html", "/portal")


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
