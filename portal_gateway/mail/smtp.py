"""One mail at a time to one SMTP server (RFC 5321, RFC 6409), over one connection that is kept while there are more.

What went wrong says what to do about it, and names no person: servers repeat addresses in what they answer, so of that
only the number is passed on.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING

from portal_gateway.settings.mail import MailSettings, parse_mailbox

if TYPE_CHECKING:
    from aiosmtplib import SMTP

# How many times the time of one step a whole mail may take, from connecting on: it is some ten steps.
STEPS_IN_TIME = 4
_GOODBYE_S = 1.0
# Log in, or encrypt, first (RFC 4954 section 6, RFC 3207 section 4): no fault of the mail.
_NO_SESSION = 530


class NotSent(Exception):
    """The server has not taken the mail, or it is not known whether it has. The text is safe to log."""


class ServerAway(NotSent):
    """There is no session: it is not to be had, not encrypted as configured, or refuses our login."""


class Deferred(NotSent):
    """This mail not now: a reply in 400, or the connection was lost in its middle."""


class Undeliverable(NotSent):
    """This mail never: a reply in 500."""


class SmtpClient:
    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings
        self._sender = str(parse_mailbox(settings.from_)[1])
        self._tls = ssl.create_default_context(cafile=settings.ca_file) if settings.security != "none" else None
        self._session: SMTP | None = None
        self.max_send_s = STEPS_IN_TIME * settings.timeout_s

    async def send(self, to: str, message: bytes) -> None:
        """Returns when the server has taken the mail. Raises NotSent."""
        from aiosmtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException

        try:
            async with asyncio.timeout(self.max_send_s):
                session = await self._open_session()
                await session.sendmail(self._sender, [to], message)
        except SMTPRecipientsRefused as error:
            raise _refusal(error.recipients[0].code) from None
        except SMTPResponseException as error:
            raise _refusal(error.code) from None
        except (SMTPException, OSError) as error:
            self._close()
            raise Deferred(f"connection lost ({type(error).__name__})") from None
        except BaseException:  # cancelled, or ServerAway
            self._close()
            raise

    async def hang_up(self) -> None:
        """Close the connection, if there is one."""
        from aiosmtplib import SMTPException

        if self._session is not None and self._session.is_connected:
            with suppress(SMTPException, OSError):
                await self._session.quit(timeout=_GOODBYE_S)
        self._close()

    async def _open_session(self) -> SMTP:
        """The session of the last mail if it still answers, or a new one. Raises ServerAway."""
        from aiosmtplib import SMTP, SMTPException

        if self._session is not None and self._session.is_connected:
            try:
                await self._session.rset()
            except (SMTPException, OSError):
                self._close()
            else:
                return self._session
        settings = self._settings
        session = SMTP(
            hostname=settings.host,
            port=settings.server_port,
            username=settings.username,
            password=settings.password.reveal() if settings.password else None,
            timeout=settings.timeout_s,
            use_tls=settings.security == "tls",
            start_tls=settings.security == "starttls",
            tls_context=self._tls,
        )
        self._session = session
        try:
            await session.connect()
        except (SMTPException, OSError) as error:
            raise ServerAway(_trouble(error)) from None
        return session

    def _close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None


def _refusal(code: int) -> NotSent:
    if code == _NO_SESSION:
        return ServerAway(f"refuses us with {code}")
    return Undeliverable(f"refused with {code}") if 500 <= code <= 599 else Deferred(f"put off with {code}")


def _trouble(error: Exception) -> str:
    from aiosmtplib import SMTPAuthenticationError, SMTPException, SMTPResponseException

    if isinstance(error, SMTPAuthenticationError):
        return f"refuses our login with {error.code}"
    if isinstance(error, SMTPResponseException):
        return f"refuses us with {error.code}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, SMTPException):
        return error.message  # of the client itself
    return error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
