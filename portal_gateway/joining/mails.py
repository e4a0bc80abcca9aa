"""The mails that carry magic links, as text and HTML."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from portal_gateway.admission.addresses import Address
from portal_gateway.languages.catalogue import LanguageTag, language
from portal_gateway.mail.base import Mail


@dataclass(frozen=True, slots=True)
class Invited:
    """What an invitation says beside its link. All of it is text that people have typed in."""

    by: str
    project: str
    message: str


class Letters:
    """Writes the mails, in the language of whoever asks for them."""

    def join(self, to: Address, label: str, url: str, minutes: int, tag: LanguageTag) -> Mail:
        """For somebody who has asked for a link."""
        return self._mail("join", to, tag, minutes * 60, label=label, url=url, minutes=minutes)

    def invitation(self, to: Address, label: str, url: str, days: int, invited: Invited, tag: LanguageTag) -> Mail:
        """For somebody who is invited by a customer."""
        return self._mail("invitation", to, tag, days * 86_400, label=label, url=url, days=days, invited=invited)

    def _mail(self, kind: str, to: Address, tag: LanguageTag, ttl_s: float, *, label: str, **values: object) -> Mail:
        texts = language(tag)
        subject = " ".join(texts(f"mails.{kind}.subject", label=label).split())
        values = {"t": texts, "subject": subject, "label": label, **values}
        text = self._templates.get_template(f"{kind}.txt").render(values)
        html = self._templates.get_template(f"{kind}.html").render(values)
        return Mail(str(to), subject, text, html, kind, tag, ttl_s=ttl_s)

    @cached_property
    def _templates(self) -> Environment:
        return Environment(
            loader=PackageLoader("portal_gateway.joining"),
            autoescape=select_autoescape(("html",), default=False),
            undefined=StrictUndefined,
            trim_blocks=True,
            keep_trailing_newline=True,
        )
