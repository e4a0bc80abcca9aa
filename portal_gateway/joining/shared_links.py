"""The key in a shared link: `project.expiry.kid.mac`. It opens the form of one project, and nothing else."""

from __future__ import annotations

import re

from portal_gateway.joining.keyring import Keyring
from portal_gateway.joining.magic_links import LEEWAY_S, InvalidLink

_KEY = re.compile(r"([1-9][0-9]{0,17})\.([0-9]{1,12})\.([a-z0-9_-]{1,32})\.([A-Za-z0-9_-]{43})")
_KIND = "portal-gateway shared link"


class ExpiredKey(Exception):
    """A key of ours whose time is over."""


class SharedLinks:
    """Makes and verifies the keys of shared links. They are taken back by dropping what signed them."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def key(self, portal: str, project_id: int, expires_at: int) -> str:
        """`expires_at` is in epoch seconds."""
        mac = self._keyring.mac(_KIND, portal, str(project_id), str(expires_at))
        return f"{project_id}.{expires_at}.{self._keyring.kid}.{mac}"

    def project_id(self, key: str, portal: str, now: float) -> int:
        """Raises InvalidLink, ExpiredKey."""
        match = _KEY.fullmatch(key)
        if match is None:
            raise InvalidLink
        project_id, expiry, kid, mac = match.groups()
        if not self._keyring.is_mac(mac, kid, _KIND, portal, project_id, expiry):
            raise InvalidLink
        if now > int(expiry) + LEEWAY_S:
            raise ExpiredKey
        return int(project_id)
