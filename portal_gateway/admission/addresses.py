"""E-mail addresses that strangers type in: what can be delivered to, and what two spellings have in common."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

import idna

# RFC 5321 section 4.5.3.1, erratum 1690 for the whole.
MAX_ADDRESS, MAX_LOCAL = 254, 64

# Dot-atoms of RFC 5322 section 3.2.3. Quoted local parts and those beyond ASCII (SMTPUTF8) are refused: hardly anybody
# has one, and every one of them is a risk in a header.
_ENCODED_WORD = "=?"  # how one begins (RFC 2047); section 5 has none in an address, yet readers decode them there
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABELS = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class Address:
    """`local` as it was typed, `domain` as DNS knows it: lower case, A-labels (RFC 5890)."""

    local: str
    domain: str

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"

    @property
    def mailbox(self) -> str:
        """What is compared: no mail system in use tells case apart."""
        return f"{self.local.lower()}@{self.domain}"

    @property
    def person(self) -> str:
        """What is counted: whoever has one tag behind a plus sign has as many as they like (RFC 5233)."""
        local = self.local.lower()
        return f"{local.partition('+')[0] or local}@{self.domain}"


def parse_address(text: str) -> Address | None:
    """The address in `text`, or None if it is none that mail could be sent to."""
    local, at, domain = text.strip().rpartition("@")
    ascii_domain = parse_domain(domain)
    if not at or ascii_domain is None or len(local) > MAX_LOCAL or not _LOCAL.fullmatch(local):
        return None
    if _ENCODED_WORD in local:
        return None
    address = Address(local, ascii_domain)
    return address if len(str(address)) <= MAX_ADDRESS else None


def parse_domain(text: str) -> str | None:
    """The domain of mail in `text` as DNS knows it, or None: no single label, no IP address, no trailing dot.

    Mapped as browsers do (UTS 46). What is sent goes to the domain that results, so nobody gets the mail of another.
    """
    try:
        domain = idna.encode(text, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        return None
    return domain if _LABELS.fullmatch(domain) and len(domain) <= 253 else None


def domain_of_site(url: str) -> str | None:
    """The domain that a company's mail has, told by its web site as people fill it in: "https://www.acme.com/about"."""
    text = url.strip()
    try:
        host = urlsplit(text if "//" in text else f"//{text}").hostname
    except ValueError:
        return None
    return (parse_domain(host.removeprefix("www.")) or parse_domain(host)) if host else None
