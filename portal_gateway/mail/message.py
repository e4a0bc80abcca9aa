"""A mail as it goes over the wire (RFC 5322). Pure.

No header can be injected: nothing that ends a line, anywhere in Unicode, gets into one. Bytes are ASCII throughout, so
that any server takes them.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from email import policy
from email.header import Header
from email.headerregistry import Address as Mailbox
from email.message import EmailMessage
from typing import Any
from urllib.parse import quote

from portal_gateway.admission.addresses import Address, parse_address
from portal_gateway.mail.base import Mail

# A mail of ours has some 10 KB. RFC 5321 section 4.5.3.1.7 has every server take 64 KB.
MAX_BYTES = 64 * 1024

_POLICY = policy.SMTP.clone(cte_type="7bit")
_LINE = 76  # RFC 2047 section 2
# Line breaks of all kinds are among them: the standard library splits at U+0085 and U+2028 too.
_NOT_IN_HEADERS = {"Cc", "Cs", "Zl", "Zp"}
# What is written as it is. The rest is encoded (RFC 2047), also what looks as if it were already.
_PLAIN = re.compile(r"(?!.*=\?)[ -~]*")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9 ]*")


def compose(
    mail: Mail, mail_id: str, sender: tuple[str, Address], reply_to: tuple[str, Address], now: datetime
) -> bytes:
    """Raises ValueError for what cannot be one mail to one person. `sender` and `reply_to` are name and address."""
    recipient = parse_address(mail.to)
    if recipient is None:
        raise ValueError("a mail goes to one address")
    message = EmailMessage(policy=_POLICY)
    message["From"] = _Written("From", _mailbox(*sender))
    message["To"] = Mailbox("", recipient.local, recipient.domain)
    message["Reply-To"] = _Written("Reply-To", _mailbox(*reply_to))
    message["Subject"] = _Written("Subject", _words(mail.subject, _PLAIN))
    message["Date"] = now
    message["Message-ID"] = f"<{mail_id}@{sender[1].domain}>"
    # RFC 3834 section 5, and what Exchange heeds instead: no "I am on holiday" to each invitation.
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    # RFC 2369. One mail to one person on request of a person is no list that one click could leave (RFC 8058).
    message["List-Unsubscribe"] = f"<mailto:{quote(str(reply_to[1]), safe='@')}?subject=unsubscribe>"
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    # Of both parts: set before them, it would move into the first.
    message["Content-Language"] = _Written("Content-Language", _words(mail.language, _PLAIN))
    composed = message.as_bytes()
    if len(composed) > MAX_BYTES:
        raise ValueError(f"a mail has at most {MAX_BYTES} bytes")
    return composed


class _Written(str):
    """A header that `email.header` has written, as a header object of `email.policy`.

    `email.policy` itself is not up to names and subjects that people have made up: it decodes what looks like an
    encoded word, line breaks and all, and loses spaces between those that it makes.
    """

    name: str

    def __new__(cls, name: str, value: Header) -> _Written:
        written = super().__new__(cls, value.encode(maxlinelen=_LINE - len(f"{name}: "), linesep=_POLICY.linesep))
        written.name = name
        return written

    def fold(self, *, policy: Any) -> str:
        return f"{self.name}: {self}{policy.linesep}"


def _mailbox(name: str, address: Address) -> Header:
    """RFC 5322 section 3.4, but what would have to be quoted is encoded."""
    if not name:
        return Header(str(address))
    header = _words(name, _PLAIN_NAME)
    header.append(f"<{address}>", "us-ascii")
    return header


def _words(text: str, plain: re.Pattern[str]) -> Header:
    return Header(_one_line(text), "us-ascii" if plain.fullmatch(text) else "utf-8")


def _one_line(text: str) -> str:
    if any(unicodedata.category(character) in _NOT_IN_HEADERS for character in text):
        raise ValueError("a header is one line, without control characters")
    return text
