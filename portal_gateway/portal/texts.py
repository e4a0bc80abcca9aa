"""What a person is told when a portal does not open: what happened, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from portal_gateway.errors import AccessDenied, GatewayError


@dataclass(frozen=True, slots=True)
class Text:
    title: str
    body: str


_BY_REASON = {
    "email_not_verified": Text(
        "Please confirm your e-mail address",
        "This portal opens only for confirmed e-mail addresses. Confirm yours in your account settings, "
        "then try again.",
    ),
    "domain_not_allowed": Text(
        "This portal is not open to your e-mail address",
        "It accepts addresses of certain companies only. If you have another address with us, sign in with that one.",
    ),
    "no_project": Text(
        "There is no project for your company yet",
        "As soon as your contact person has set one up, it opens here.",
    ),
    "choice_not_open": Text(
        "This project is not open to you",
        "It does not exist, is archived, or you are not among its members. Ask your contact person to add you.",
    ),
}

_BY_CODE = {
    "not_signed_in": Text("Please sign in first", "Sign in to the app, then open this page again."),
    "identity_unavailable": Text(
        "We could not check who you are",
        "This is on our side and should pass soon. Please try again in a moment.",
    ),
    "access_denied": Text(
        "You have no access to this portal",
        "Your account has not been given access. If you think that it should, ask your contact person.",
    ),
    "unknown_portal": Text("This page does not exist", "There is no portal at this address."),
    "incomplete_identity": Text(
        "Your account lacks some details",
        "The portal needs details that your account does not have, such as an e-mail address or a company. "
        "Please ask the support team to complete it.",
    ),
}

_VENDOR_AWAY = Text(
    "The portal cannot be reached right now",
    "This is not about your account, and your access has not changed. Please try again in a moment.",
)


def text_for(error: GatewayError) -> Text:
    """The text for an error of a portal route."""
    if isinstance(error, AccessDenied) and error.reason in _BY_REASON:
        return _BY_REASON[error.reason]
    return _BY_CODE.get(error.code, _VENDOR_AWAY)
