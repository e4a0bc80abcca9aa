"""Whether a DOCTYPE puts the page in quirks mode, where `<table>` does not end a `<p>` (HTML 13.2.6.4.1)."""

from __future__ import annotations

import re

_PLAIN = re.compile(rb"<!doctype[\t\n\f\r ]+html[\t\n\f\r ]*>", re.IGNORECASE)
_WITH_ID = re.compile(
    rb"""<!doctype[\t\n\f\r ]+html[\t\n\f\r ]+(public|system)[\t\n\f\r ]*(?:"([^">]*)"|'([^'>]*)')"""
    rb"""([\t\n\f\r ]*["'])?""",
    re.IGNORECASE,
)
_STANDARD = (b"-//w3c//dtd xhtml 1.", b"-//w3c//dtd html 4.01//")
_STANDARD_WITH_SYSTEM_ID = (b"-//w3c//dtd html 4.01 transitional//", b"-//w3c//dtd html 4.01 frameset//")


def quirks_mode(doctype: bytes) -> bool | None:
    """True or False where the common doctypes decide it, None where the long list of old ones would have to."""
    if _PLAIN.fullmatch(doctype):
        return False
    match = _WITH_ID.match(doctype)
    if match is None:
        return None
    identifier = (match[2] if match[2] is not None else match[3]).lower()
    if match[1].lower() == b"system":
        return False if identifier == b"about:legacy-compat" else None
    if identifier.startswith(_STANDARD):
        return False
    if identifier.startswith(_STANDARD_WITH_SYSTEM_ID):
        return match[4] is None
    return None
