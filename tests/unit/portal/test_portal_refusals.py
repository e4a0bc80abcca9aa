"""What people and programs are told when a portal route cannot do as it was asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from gateway_kit import BROWSER, FETCH, IN_FRAME, PageApp, ScriptedProvider, ask, rocketlane, settings, wrapped

from portal_gateway import PortalGatewayMiddleware
from portal_gateway.errors import VendorBusy

FRENCH = (b"accept-language", b"fr-CH, fr;q=0.9, en;q=0.8")


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> PortalGatewayMiddleware:
    config = settings(portals={"onboarding": rocketlane()}, login_url="/login?next={next}", brand={"name": "Acme"})
    provider = ScriptedProvider()
    provider.by_user["omar"] = VendorBusy("busy", 2.2)
    return wrapped(PageApp(), config, {"onboarding": provider}, monkeypatch)


async def test_a_page_is_in_the_visitors_language(app: Any) -> None:
    answer = await ask(app, "/portal/nowhere/", *BROWSER, FRENCH, user="jane")
    assert answer.status == 404
    assert "<h1>Cette page n’existe pas</h1>" in answer.body.decode()
    assert answer.header("content-language") == "fr"
    assert answer.header("vary") == "Accept-Language"


async def test_what_programs_get_is_english(app: Any) -> None:
    answer = await ask(app, "/portal/nowhere/", *FETCH, FRENCH, user="jane")
    assert json.loads(answer.body)["title"] == "This page does not exist"


async def test_in_a_frame_there_is_a_link_to_sign_in_and_no_way_out_of_the_page_around(app: Any) -> None:
    answer = await ask(app, "/portal/onboarding/embed", *IN_FRAME, FRENCH)
    html = answer.body.decode()
    assert answer.status == 401
    back = "/login?next=%2Fportal%2Fonboarding%2Fembed"
    assert f'<a class="button" href="{back}" target="_blank" rel="noopener">Se connecter</a>' in html
    assert "Acme</a>" not in html
    assert "Retour" not in html


async def test_a_vendor_that_is_away_can_be_tried_again(app: Any) -> None:
    answer = await ask(app, "/portal/onboarding/launch?project=5&x=%22", *BROWSER, FRENCH, user="omar")
    assert (answer.status, answer.header("retry-after")) == (503, "3")
    assert (
        '<a class="button" href="/portal/onboarding/launch?project=5&amp;x=%22">Réessayer</a>' in answer.body.decode()
    )


async def test_the_way_back_leads_to_the_app_wherever_it_is_mounted(app: Any) -> None:
    answer = await ask(app, "/portal/nowhere/", *BROWSER, user="jane", root_path="/crm")
    assert '<a class="quiet" href="/crm/">Back to the app</a>' in answer.body.decode()
