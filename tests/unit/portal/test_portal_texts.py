from __future__ import annotations

import pytest

from portal_gateway import errors
from portal_gateway.portal.texts import text_for


@pytest.mark.parametrize(
    ("error", "title"),
    [
        (errors.NotSignedIn("x"), "Please sign in first"),
        (errors.IdentityError("x"), "We could not check who you are"),
        (errors.AccessDenied("x"), "You have no access to this portal"),
        (errors.AccessDenied("x", "vendor_no"), "You have no access to this portal"),
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
