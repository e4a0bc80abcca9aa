"""The token in a magic link: `kid.id.expiry.mac`, signed and telling nothing about anybody.

What the link is for (address, portal, project) is kept in the store under the id, and may be used once. The
signature makes ids that were never given out cost no look-up, binds the link to its portal and purpose, and tells an
expired link from a forged one when the store has long forgotten it.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Literal

from portal_gateway.joining.keyring import Keyring

Purpose = Literal["join", "invitation"]

# Clocks of replicas that differ by more than this have other troubles.
LEEWAY_S = 5

_TOKEN = re.compile(r"([a-z0-9_-]{1,32})\.([A-Za-z0-9_-]{22})\.([0-9]{1,12})\.([A-Za-z0-9_-]{43})")
_KIND = "portal-gateway magic link"


class InvalidLink(Exception):
    """No link of ours, or one for another portal or purpose."""


class ExpiredLink(Exception):
    """A link of ours whose time is over."""

    def __init__(self, link: MagicLink) -> None:
        super().__init__()
        self.link = link


@dataclass(frozen=True, slots=True)
class MagicLink:
    """A token that has been made or verified. `expires_at` is in epoch seconds."""

    token: str
    link_id: str
    expires_at: int


class LinkSigner:
    """Makes and verifies tokens."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def make(self, purpose: Purpose, portal: str, expires_at: int) -> MagicLink:
        link_id = secrets.token_urlsafe(16)
        mac = self._keyring.mac(_KIND, purpose, portal, link_id, str(expires_at))
        return MagicLink(f"{self._keyring.kid}.{link_id}.{expires_at}.{mac}", link_id, expires_at)

    def verify(self, token: str, purpose: Purpose, portal: str, now: float) -> MagicLink:
        """Raises InvalidLink, ExpiredLink. `now` is in epoch seconds."""
        match = _TOKEN.fullmatch(token)
        if match is None:
            raise InvalidLink
        kid, link_id, expiry, mac = match.groups()
        if not self._keyring.is_mac(mac, kid, _KIND, purpose, portal, link_id, expiry):
            raise InvalidLink
        link = MagicLink(token, link_id, int(expiry))
        if now > link.expires_at + LEEWAY_S:
            raise ExpiredLink(link)
        return link
