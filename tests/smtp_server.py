"""A real SMTP server of a test's own (aiosmtpd), on a free port of the loopback interface, in the test's event loop."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PATIENCE_S = 30.0
USERNAME, PASSWORD = "gateway", "s3cret-päss"


@dataclass(frozen=True)
class Delivered:
    """A mail that the server has taken."""

    sender: str
    recipients: list[str]
    content: bytes
    encrypted: bool
    user: str | None

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=policy.default)  # type: ignore[return-value]


class MailServer:
    """What a test sets before, and sees afterwards. Replies that are set are given once each, in order."""

    def __init__(self, security: str = "none", certificate: Path | None = None, *, login: bool = False) -> None:
        self.delivered: list[Delivered] = []
        self.sessions = 0
        self.rcpt_replies: list[str] = []
        self.data_replies: list[str] = []
        self.drops_in_data = 0  # hang up when the content has come, so many times
        self.deaf = False  # takes commands, answers none
        self._security = security
        self._tls = _context(certificate) if certificate else None
        self._login = login
        self._news = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._transports: set[asyncio.BaseTransport] = set()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = int(listener.getsockname()[1])

    async def start(self) -> None:
        tls = self._tls if self._security == "tls" else None
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, "127.0.0.1", self.port, ssl=tls)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for transport in self._transports:
                transport.close()
            await self._server.wait_closed()
            self._server = None

    async def wait_for(self, count: int) -> None:
        """Until so many mails were taken."""
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(lambda: len(self.delivered) >= count)

    async def wait_for_session(self, count: int) -> None:
        """Until somebody has connected for the `count`-th time."""
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(lambda: self.sessions >= count)

    def _protocol(self) -> SMTP:
        with warnings.catch_warnings():
            # Over TLS from the first byte, aiosmtpd does not notice that it is encrypted.
            warnings.filterwarnings("ignore", "Requiring AUTH while not requiring TLS")
            return self._smtp()

    def _smtp(self) -> SMTP:
        return SMTP(
            self,
            hostname="mail.test",
            tls_context=self._tls if self._security == "starttls" else None,
            require_starttls=self._security == "starttls",
            auth_required=self._login,
            auth_require_tls=self._security == "starttls",
            authenticator=_authenticate,
            timeout=PATIENCE_S,
            loop=asyncio.get_running_loop(),
        )

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        if server.transport not in self._transports:
            self._transports.add(server.transport)
            self.sessions += 1
            async with self._news:
                self._news.notify_all()
        return responses

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.deaf:
            await asyncio.Event().wait()
        reply = self.rcpt_replies.pop(0) if self.rcpt_replies else "250 OK"
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.drops_in_data:
            self.drops_in_data -= 1
            server.transport.abort()  # type: ignore[union-attr]
            return "421 gone"
        reply = self.data_replies.pop(0) if self.data_replies else "250 OK"
        if reply.startswith("250"):
            login: Any = session.auth_data
            self.delivered.append(
                Delivered(
                    str(envelope.mail_from),
                    envelope.rcpt_tos,
                    bytes(envelope.original_content or b""),
                    session.ssl is not None or self._security == "tls",
                    login.login.decode() if login else None,
                )
            )
            async with self._news:
                self._news.notify_all()
        return reply


@asynccontextmanager
async def running_smtp(
    security: str = "none", certificate: Path | None = None, *, login: bool = False
) -> AsyncIterator[MailServer]:
    """A server that listens. `security` as in the settings; `certificate` is a PEM file with the key in it."""
    server = MailServer(security, certificate, login=login)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def make_certificate(directory: Path, host: str = "127.0.0.1") -> Path:
    """A certificate that vouches for itself, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.test")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - dt.timedelta(days=1), now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = directory / "mail.pem"
    path.write_bytes(
        built.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


def _context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def _authenticate(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, login: LoginPassword
) -> AuthResult:
    right = (login.login, login.password) == (USERNAME.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=False, auth_data=login if right else None)
