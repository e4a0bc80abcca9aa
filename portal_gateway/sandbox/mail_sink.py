"""An SMTP server (RFC 5321) that delivers to nobody: it keeps the mails of the demo, for its pages to show."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage

from portal_gateway.sandbox.clock import Clock

# The older ones are dropped.
MAX_MAILS = 100
_MAX_BYTES = 1024 * 1024
_REPLIES = {"EHLO": "250 mail.sandbox", "HELO": "250 mail.sandbox"} | dict.fromkeys(
    ("MAIL", "RCPT", "RSET", "NOOP"), "250 OK"
)


@dataclass(frozen=True)
class ReceivedMail:
    """A mail as it came over the wire."""

    number: int
    received_at: float
    content: bytes

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=policy.default)

    def part(self, subtype: str) -> str | None:
        """The body as "plain" or "html"."""
        body = self.message.get_body((subtype,))
        return None if body is None else str(body.get_content())


class MailSink:
    """Takes every mail."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._count = 0
        self.mails: deque[ReceivedMail] = deque(maxlen=MAX_MAILS)

    def find(self, number: int) -> ReceivedMail | None:
        return next((mail for mail in self.mails if mail.number == number), None)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until it ends."""
        try:
            await self._converse(reader, writer)
        except (ValueError, OSError, asyncio.IncompleteReadError):
            pass  # a line that is too long, or somebody who has gone
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _reply(writer, "220 mail.sandbox")
        while line := await reader.readline():
            verb = line.split(maxsplit=1)[0].decode("latin-1").upper() if line.strip() else ""
            if verb == "DATA":
                await _reply(writer, "354 Go on, a dot ends it")
                self._keep(await _content(reader))
                await _reply(writer, "250 OK")
            elif verb == "QUIT":
                await _reply(writer, "221 Bye")
                return
            else:
                await _reply(writer, _REPLIES.get(verb, "502 Not here"))

    def _keep(self, content: bytes) -> None:
        self._count += 1
        self.mails.appendleft(ReceivedMail(self._count, self._clock.now(), content))


@asynccontextmanager
async def running_mail_sink(sink: MailSink) -> AsyncIterator[int]:
    """Serve `sink` on the loopback interface; yields its port."""
    server = await asyncio.start_server(sink.serve, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


async def _reply(writer: asyncio.StreamWriter, line: str) -> None:
    writer.write(f"{line}\r\n".encode())
    await writer.drain()


async def _content(reader: asyncio.StreamReader) -> bytes:
    """What comes before the line with a dot alone; other lines that begin with a dot had one put before it
    (section 4.5.2). Raises ValueError, IncompleteReadError."""
    content = bytearray()
    while (line := await reader.readuntil(b"\r\n")) != b".\r\n":
        content += line.removeprefix(b".")
        if len(content) > _MAX_BYTES:
            raise ValueError("too large")
    return bytes(content)
