"""Shows the demo's mails as they were delivered: a small site, as everybody's mailbox in one.

What is in a mail is somebody else's: its HTML is shown in a frame that runs nothing, and whose links open in a tab.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parseaddr

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from portal_gateway.sandbox.mail_sink import MailSink, ReceivedMail
from portal_gateway.sandbox.pages import static_files, templates

_LIST_POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'"
# A frame without an address of its own has its page's policy: mails bring their style along.
_MAIL_POLICY = "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self'"


class Mailbox:
    """The pages of one sink."""

    def __init__(self, sink: MailSink) -> None:
        self._sink = sink

    async def index(self, request: Request) -> Response:
        return _page(request, "index.html", _LIST_POLICY, mails=[_summary(mail) for mail in self._sink.mails])

    async def mail(self, request: Request) -> Response:
        mail = self._sink.find(request.path_params["number"])
        if mail is None:
            raise HTTPException(404)
        html = mail.part("html")
        return _page(
            request,
            "mail.html",
            _MAIL_POLICY,
            mail=_summary(mail),
            headers=mail.message.items(),
            lines=(mail.part("plain") or "").splitlines(),
            html=None if html is None else f'<base target="_blank">{html}',
        )


def create_mailbox(sink: MailSink) -> Starlette:
    """The site that shows what `sink` has received."""
    mailbox = Mailbox(sink)
    return Starlette(
        routes=[Route("/", mailbox.index), Route("/{number:int}", mailbox.mail), static_files("mailbox")],
    )


def _page(request: Request, name: str, policy: str, **context: object) -> Response:
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"}
    return templates.TemplateResponse(request, f"mailbox/{name}", context, headers=headers)


def _summary(mail: ReceivedMail) -> dict[str, object]:
    message = mail.message
    return {
        "number": mail.number,
        "to": parseaddr(str(message["To"]))[1],
        "sender": str(message["From"]),
        "subject": str(message["Subject"]),
        "received": datetime.fromtimestamp(mail.received_at, UTC),
    }
