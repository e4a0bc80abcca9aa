"""Headers of an authenticating proxy as the source of identity.

1. They are believed only if the direct peer is one of `trusted_proxies`.
2. The middleware strips them from every other peer (`header_names`), so the host app does not believe them
   either.
3. A header that is repeated, or that comes in a second spelling (`X_User_Id`), may be the client's own one
   beside the proxy's: then nobody is known, and the error says why.
"""

from __future__ import annotations

from portal_gateway.errors import IdentityError
from portal_gateway.identity.fields import user_from
from portal_gateway.models import EndUser
from portal_gateway.settings.identity import HeadersIdentity
from portal_gateway.wire.asgi import Scope
from portal_gateway.wire.header_names import fields_named, fold_name
from portal_gateway.wire.headers import as_pairs
from portal_gateway.wire.memo import Memo
from portal_gateway.wire.trust import TrustedPeers

MAX_USERS = 4096


class HeadersSource:
    """Reads the configured headers of requests from trusted peers."""

    name = "headers"
    immediate = True

    def __init__(self, settings: HeadersIdentity, trusted: TrustedPeers) -> None:
        self._settings = settings
        self._trusted = trusted
        self._by_folded = {fold_name(name.encode()): name for name in settings.header_names()}
        # The same people come again: what their headers say is read once.
        self._user_of = Memo(self._read, max_entries=MAX_USERS, max_key=1024)
        self._ours = fields_named(self._by_folded, folded=True)

    @property
    def header_names(self) -> frozenset[bytes]:
        """The folded names (see `fold_name`) of all headers this source believes."""
        return frozenset(self._by_folded)

    def at_hand(self, scope: Scope) -> EndUser | None:
        """The user the proxy names. Raises IdentityError if the headers are ambiguous or not UTF-8."""
        if not self._trusted.trusts(scope):
            return None
        return self._user_of[tuple(self._ours(as_pairs(scope["headers"])) or ())]

    async def identify(self, scope: Scope) -> EndUser | None:
        """The same."""
        return self.at_hand(scope)

    def _read(self, pairs: tuple[tuple[bytes, bytes], ...]) -> EndUser | None:
        found: dict[str, str] = {}
        for key, value in pairs:
            name = self._by_folded[fold_name(key)]
            if name in found or key.lower() != name.lower().encode():
                raise IdentityError(f"the identity header {name} is repeated or comes in two spellings")
            found[name] = _decoded(name, value)
        return user_from(found, self._settings)

    async def aclose(self) -> None:
        self._user_of.clear()


def _decoded(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise IdentityError(f"the identity header {name} is not UTF-8") from None
