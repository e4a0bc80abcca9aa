"""Single sign-on that a vendor asks for: its visitor comes with an address to go back to, and gets there with a token.

Rules of this file
- A token is sent to an address of the list only: this very origin, and this very path or what is below it.
- What browsers and we might read differently is refused, not repaired; what is taken is passed on byte for byte.
- An address that brings a token of its own is refused: the vendor might take that one for ours.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, unquote_plus, urlsplit

from portal_gateway.errors import RequestRefused
from portal_gateway.settings.sso import SsoSettings
from portal_gateway.wire.urls import origin_of, plain_path

# Longer ones would not fit into what servers take for a request line, together with a token.
MAX_LENGTH = 2048


class ReturnAddresses:
    """The addresses that one portal's visitors may be sent back to."""

    def __init__(self, settings: SsoSettings) -> None:
        self._parameter = settings.return_parameter
        self._token_parameter = settings.token_parameter
        self._allowed = [(origin_of(url), urlsplit(url).path.rstrip("/")) for url in settings.return_to]

    def asked_for(self, query: bytes) -> str | None:
        """The address that a request names, None if it names none. Raises RequestRefused if it is not allowed."""
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        named = [value for name, value in pairs if name == self._parameter]
        if not named:
            return None
        if len(named) > 1 or not self._is_allowed(named[0]):
            raise RequestRefused(400, "return_refused", "the address to return to is not on the list")
        return named[0]

    def with_token(self, address: str, token: str) -> str:
        base, hash_, fragment = address.partition("#")
        separator = "" if base.endswith(("?", "&")) else "&" if "?" in base else "?"
        return f"{base}{separator}{self._token_parameter}={quote(token, safe='')}{hash_}{fragment}"

    def _is_allowed(self, address: str) -> bool:
        if len(address) > MAX_LENGTH or not address.isascii():
            return False
        origin = origin_of(address)
        if origin is None:
            return False
        parts = urlsplit(address)
        path = plain_path(parts.path)
        return path is not None and self._is_listed(origin, path) and not self._has_token(parts.query)

    def _is_listed(self, origin: str, path: str) -> bool:
        return any(
            origin == listed and (path == prefix or path.startswith(prefix + "/")) for listed, prefix in self._allowed
        )

    def _has_token(self, query: str) -> bool:
        # Some servers also separate by semicolons, and some read "token[]" as "token".
        names = (unquote_plus(pair.partition("=")[0]).partition("[")[0].strip() for pair in re.split("[&;]", query))
        return self._token_parameter in names
