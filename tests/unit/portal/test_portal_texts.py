from __future__ import annotations

import pytest

from portal_gateway import errors
from portal_gateway.languages.catalogue import LANGUAGES, language
from portal_gateway.portal.texts import error_key, outcome_text, text, text_for


@pytest.mark.parametrize(
    ("error", "title"),
    [
        (errors.NotSignedIn("x"), "Please sign in first"),
        (errors.IdentityError("x"), "We could not check who you are"),
        (errors.AccessDenied("x"), "You have no access to this portal"),
        (errors.AccessDenied("x", "vendor_no"), "You have no access to this portal"),
        (errors.AccessDenied("x", "no_portal"), "No portal is open to you yet"),
        (errors.AccessDenied("x", "email_not_verified"), "Please confirm your e-mail address"),
        (errors.AccessDenied("x", "domain_not_allowed"), "This portal is not open to your e-mail address"),
        (errors.AccessDenied("x", "no_project"), "There is no project for your company yet"),
        (errors.AccessDenied("x", "choice_not_open"), "This project is not open to you"),
        (errors.UnknownPortal("x"), "This page does not exist"),
        (errors.IncompleteIdentity("email"), "Your account lacks some details"),
        (errors.VendorError("x"), "The portal cannot be reached right now"),
        (errors.VendorRefusedUs("x"), "The portal cannot be reached right now"),
        (errors.VendorBusy("x", 3), "The portal cannot be reached right now"),
        (errors.VendorUnavailable("x"), "The portal cannot be reached right now"),
        (errors.GatewayError("x"), "The portal cannot be reached right now"),
    ],
)
def test_every_error_of_a_route_has_a_text_for_a_person(error: errors.GatewayError, title: str) -> None:
    text = text_for(error)
    assert text.title == title
    assert text.body.endswith(".")


def test_no_text_says_more_than_it_was_written_to() -> None:
    secretive = errors.VendorError("status 500 from https://api.vendor.example?token=T")
    assert "token" not in text_for(secretive).title + text_for(secretive).body


@pytest.mark.parametrize("tag", LANGUAGES)
def test_the_same_error_has_a_text_in_every_language(tag: str) -> None:
    titles = {text(error_key(errors.NotSignedIn("x")), language(other)).title for other in LANGUAGES}
    assert len(titles) == len(LANGUAGES)
    assert text("vendor_away", language(tag)).body  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("sent", "a link is on its way"),
        ("domain_denied", "not invited: addresses of this domain may not join"),
        ("project_archived", "not invited: This project is closed"),
        ("never_heard_of", "not invited: The portal cannot be reached right now"),
    ],
)
def test_what_became_of_an_invitation(outcome: str, expected: str) -> None:
    assert outcome_text(outcome, language("en")) == expected


def test_errors_that_mean_the_same_to_a_person() -> None:
    for code in ("not_json", "too_large", "method_not_allowed", "bad_request"):
        assert error_key(errors.RequestRefused(400, code, "x")) == "bad_request"
