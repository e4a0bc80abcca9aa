"""One mail to one person, and what can be done with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

# Mails carry links of a limited life; RFC 5321 section 4.5.4.1 has senders give up after four or five days.
DEFAULT_TTL_S = 24 * 3600.0


class MailUnavailable(Exception):
    """The mail was not accepted: too many are waiting, or the store they wait in does not answer."""


@dataclass(frozen=True, slots=True)
class Mail:
    """`to` is an ASCII address (RFC 5321); `subject` is one line; `text` and `html` say the same.

    `kind` is a slug for events, `language` a tag (RFC 5646). After `ttl_s` seconds it is not worth delivering any more,
    such as when the link in it is dead.
    """

    to: str
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)
    kind: str
    language: str = "en"
    ttl_s: float = DEFAULT_TTL_S


class Mailer(Protocol):
    def start(self) -> None:
        """Begin to deliver what an earlier process left behind. `send` does so too; a second call does nothing."""
        ...

    async def send(self, mail: Mail) -> None:
        """Accept for delivery; whether the address exists is found out later, so that the time taken tells nothing.

        Raises MailUnavailable, and ValueError for what cannot be a mail, such as a subject of two lines.
        """
        ...

    async def aclose(self) -> None:
        """Deliver what can be delivered at once, leave the rest where it is."""
        ...
