"""Comparing e-mail addresses without taking one person for another.

Only ASCII letters are folded: Unicode case folding makes "ß" the same as "ss" and the Kelvin sign the same as
"k", which are different mailboxes that different people can own.
"""

from __future__ import annotations

from collections.abc import Collection

from portal_gateway.errors import IncompleteIdentity
from portal_gateway.models import EndUser


def folded(email: str) -> str:
    """`email` in the form in which addresses are compared."""
    return "".join(c.lower() if c.isascii() else c for c in email.strip())


def mailbox_of(user: EndUser) -> str:
    """The user's address as it is compared. Raises IncompleteIdentity for none or one that cannot be one."""
    if not user.email or not user.email.strip():
        raise IncompleteIdentity("email")
    mailbox = folded(user.email)
    local, _, domain = mailbox.partition("@")
    plain = mailbox.isprintable() and " " not in mailbox and "@" not in domain
    if not (plain and local and domain):
        raise IncompleteIdentity("valid email")
    return mailbox


def domain_allowed(mailbox: str, domains: Collection[str]) -> bool:
    """Whether `mailbox` is in exactly one of `domains` (lower case, IDNA); a subdomain is another domain."""
    return _ascii_domain(mailbox.rpartition("@")[2]) in domains


def _ascii_domain(domain: str) -> str | None:
    """The domain as DNS knows it, or None if it is none, or if the conversion would change who it names.

    IDNA 2003, which Python's codec implements, maps "ß" to "ss" and wide letters to narrow ones.
    """
    if domain.isascii():
        return domain
    try:
        encoded = domain.encode("idna")
        return encoded.decode() if encoded.decode("idna") == domain.lower() else None
    except UnicodeError:
        return None
