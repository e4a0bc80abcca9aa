"""What a person is told when a portal does not open: what happened, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from portal_gateway.errors import AccessDenied, GatewayError


@dataclass(frozen=True, slots=True)
class Text:
    title: str
    body: str


_BAD_REQUEST = Text("This request cannot be taken", "Go back, reload the page and try once more.")

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
    "domain_denied": Text(
        "This portal is not open to your e-mail address",
        "Addresses of this kind are not let in. If you have another one, use that.",
    ),
    "free_mail": Text(
        "This portal is not open to private addresses",
        "Please use the e-mail address that you have at your company.",
    ),
    "may_not_invite": Text(
        "You cannot invite others",
        "Your account has not been given permission to. If you think that it should, ask your contact person.",
    ),
    "project_archived": Text(
        "This project is closed",
        "It has been archived. If you expected to get in, ask your contact person.",
    ),
    "other_company": Text(
        "This link leads nowhere any more",
        "What it was made for has changed since. Please ask for a new one.",
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
    "link_invalid": Text(
        "This link does not work",
        "Perhaps a part of it is missing. Copy the whole of it from the mail, or ask the person who has sent it.",
    ),
    "link_gone": Text(
        "This link does not work any more",
        "Please ask the person who has sent it to you for a new one.",
    ),
    "link_expired": Text("This link has expired", "Links work for a short time only. You can have a new one."),
    "link_used": Text("This link has been used", "Each link works once. You can have a new one."),
    "link_superseded": Text(
        "There is a newer link", "A later mail to you has another link, which works in place of this one."
    ),
    "link_revoked": Text(
        "This invitation has been taken back",
        "If you expected to get in, ask the person who has invited you.",
    ),
    "cross_site": Text("This form works on its own page only", "Open the page anew and send the form from there."),
    "form_expired": Text(
        "This form is out of date",
        "Go back, reload the page and send the form once more. Your browser has to accept cookies for that.",
    ),
    "too_many_requests": Text("That was a lot at once", "Please wait a while, then try again."),
    "message_with_link": Text("A message cannot have links", "Please take out what leads to other sites."),
    "message_too_long": Text("The message is too long", "Please shorten it."),
    "addresses": Text("Please check the addresses", "Name at least one, and no more than the page says."),
    "project_not_open": Text("This project is not open to you", "Choose one of those that the page offers."),
    "too_many_invitations": Text(
        "Too many invitations are open", "Take some back, or wait until those that you have sent are accepted."
    ),
    "no_invitation": Text("There is no such invitation", "It may have been long ago. Look at the list of invitations."),
    "invitation_joined": Text("This invitation is closed", "The person has joined already."),
    "invitation_revoked": Text("This invitation is closed", "It has been taken back."),
    "invitation_added": Text("This invitation is closed", "The person has been added already."),
    "state_unavailable": Text(
        "This does not work right now", "This is on our side and should pass soon. Please try again in a moment."
    ),
    "bad_request": _BAD_REQUEST,
    "not_json": _BAD_REQUEST,
    "too_large": _BAD_REQUEST,
    "method_not_allowed": _BAD_REQUEST,
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


def outcome_text(outcome: str) -> str:
    """What became of the invitation of one address, for the person who invites."""
    if outcome in _OUTCOMES:
        return _OUTCOMES[outcome]
    text = _BY_REASON.get(outcome) or _BY_CODE.get(outcome) or _VENDOR_AWAY
    return f"not invited: {text.title}"


_OUTCOMES = {
    "sent": "a link is on its way",
    "added": "has been added, and is told by mail",
    "not_an_address": "not invited: this is not an e-mail address",
    "domain_not_allowed": "not invited: addresses of this domain may not join",
    "domain_denied": "not invited: addresses of this domain may not join",
    "free_mail": "not invited: private addresses may not join",
    "too_many_requests": "not invited: too many invitations at once, try again later",
}
