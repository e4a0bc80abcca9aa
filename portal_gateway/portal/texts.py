"""What a person is told when a portal does not open: what happened, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from portal_gateway.errors import AccessDenied, GatewayError
from portal_gateway.languages.catalogue import FALLBACK, Language, language

# Errors that mean the same to a person.
_SAME = {
    "not_json": "bad_request",
    "too_large": "bad_request",
    "method_not_allowed": "bad_request",
}


@dataclass(frozen=True, slots=True)
class Text:
    title: str
    body: str


def text(key: str, texts: Language) -> Text:
    return Text(texts(f"errors.{key}.title"), texts(f"errors.{key}.body"))


def error_key(error: GatewayError) -> str:
    """The text for an error of a portal route: a key below `errors`."""
    if isinstance(error, AccessDenied) and _is_known(error.reason):
        return error.reason
    return _known(error.code)


def text_for(error: GatewayError) -> Text:
    """The English text, which programs and operators get."""
    return text(error_key(error), language(FALLBACK))


def outcome_text(outcome: str, texts: Language) -> str:
    """What became of the invitation of one address, for the person who invites."""
    if f"outcomes.{outcome}" in texts:
        return texts(f"outcomes.{outcome}")
    return texts("outcomes.other", reason=text(_known(outcome), texts).title)


def _known(code: str) -> str:
    code = _SAME.get(code, code)
    return code if _is_known(code) else "vendor_away"


def _is_known(key: str) -> bool:
    return f"errors.{key}.title" in language(FALLBACK)
