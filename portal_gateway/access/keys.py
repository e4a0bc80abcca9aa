"""Whose decision it is: a key for this process, and names that replicas share without saying who is meant.

The names are keyed hashes. Their key comes from the portal's API secret, which all replicas know and which is
another one for another tenant: whoever reads the store can neither tell nor guess a user.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple


class DecisionKey(NamedTuple):
    """`subject` is what of the user the provider decides by: another e-mail address, another key. `mark` is what
    other replicas call the user; empty if there are none."""

    portal: str
    user_id: str
    subject: str
    mark: str = ""


class PortalKeys:
    """The names of one portal, its users, and their decisions."""

    def __init__(self, portal: str, secret: bytes, rules: str) -> None:
        """`rules` are the settings that decisions depend on: what was decided under others is not believed."""
        self._key = blake2b(secret, digest_size=32, person=b"portal-decisions").digest()
        self._rules = rules
        self.portal = self._hash("portal", portal)

    def user(self, user_id: str) -> str:
        """The mark of a user of this portal."""
        return self._hash("user", self.portal, user_id)

    def subject(self, key: DecisionKey) -> str:
        """Of whom and under which rules a decision holds."""
        return self._hash("subject", self.portal, key.user_id, key.subject, self._rules)

    def _hash(self, *parts: str) -> str:
        digest = blake2b(digest_size=16, key=self._key)
        for part in parts:
            data = part.encode("utf-8", "surrogatepass")
            digest.update(b"%d:" % len(data))  # so that no two lists of parts are the same bytes
            digest.update(data)
        return digest.hexdigest()
