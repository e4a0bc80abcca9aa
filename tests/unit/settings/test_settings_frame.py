from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from portal_gateway.settings.frame import FrameSettings

VENDOR = "https://acme.rocketlane.com"


def attributes(**settings: Any) -> dict[str, str]:
    return FrameSettings(**settings).attributes("Onboarding", VENDOR, "strict-origin")


def test_a_portal_may_do_what_an_app_does_and_never_take_the_page_away() -> None:
    made = attributes()
    tokens = made["sandbox"].split()
    assert {"allow-scripts", "allow-same-origin", "allow-forms", "allow-popups", "allow-downloads"} <= set(tokens)
    assert not [token for token in tokens if token.startswith("allow-top-navigation")]
    assert (made["title"], made["loading"], made["referrerpolicy"]) == ("Onboarding", "lazy", "strict-origin")


def test_features_are_for_the_vendors_origin_alone() -> None:
    assert attributes(allow=["camera", "microphone"])["allow"] == f"camera {VENDOR}; microphone {VENDOR}"
    assert attributes(allow=[])["allow"] == ""


def test_no_sandbox_is_another_thing_than_one_that_allows_nothing() -> None:
    assert "sandbox" not in attributes(sandbox=None)
    assert attributes(sandbox=[])["sandbox"] == ""


def test_a_title_of_its_own() -> None:
    assert attributes(title="Your project")["title"] == "Your project"


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"sandbox": ["allow-top-navigation"]}, id="takes-the-page-away"),
        pytest.param({"sandbox": ["allow-everything"]}, id="no-such-token"),
        pytest.param({"allow": ["fullscreen *"]}, id="for-everybody"),
        pytest.param({"loading": "later"}, id="loading"),
        pytest.param({"timeout_s": 0}, id="no-time"),
        pytest.param({"renew_s": 0}, id="renewed-without-end"),
        pytest.param({"renew_s": 10**9}, id="longer-than-browsers-count"),
        pytest.param({"title": ""}, id="no-title"),
        pytest.param({"height": 3}, id="unknown-key"),
    ],
)
def test_what_cannot_be_meant_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FrameSettings(**settings)
