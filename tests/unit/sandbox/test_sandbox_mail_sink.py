from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from email.message import EmailMessage

import aiosmtplib
import httpx
import pytest

from portal_gateway.sandbox.clock import FixedClock
from portal_gateway.sandbox.mail_sink import MAX_MAILS, MailSink, running_mail_sink
from portal_gateway.sandbox.mailbox import create_mailbox


@pytest.fixture
def sink() -> MailSink:
    return MailSink(FixedClock(1_800_000_000.0))


@pytest.fixture
async def port(sink: MailSink) -> AsyncIterator[int]:
    async with running_mail_sink(sink) as port:
        yield port


@pytest.fixture
async def mailbox(sink: MailSink) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_mailbox(sink))
    async with httpx.AsyncClient(transport=transport, base_url="http://mail.test") as client:
        yield client


def mail(subject: str = "Your link", text: str = "Hello\n", html: str | None = None) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Acme <portal@acme.example>", "jane@vance.example", subject
    message.set_content(text)
    if html is not None:
        message.add_alternative(html, subtype="html")
    return message


async def send(port: int, *messages: EmailMessage) -> None:
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as client:
        for message in messages:
            await client.send_message(message)


async def test_it_takes_mails(sink: MailSink, port: int) -> None:
    await send(port, mail("One"), mail("Two", ".a\n..b\n.\nc\n"))
    two, one = sink.mails
    assert (one.message["Subject"], two.message["Subject"]) == ("One", "Two")
    assert (two.part("plain") or "").splitlines() == [".a", "..b", ".", "c"]
    assert two.part("html") is None
    assert (sink.find(1), sink.find(3)) == (one, None)


async def test_the_older_ones_go(sink: MailSink, port: int) -> None:
    await send(port, *(mail(str(number)) for number in range(MAX_MAILS + 1)))
    assert len(sink.mails) == MAX_MAILS
    assert sink.find(1) is None


async def test_what_is_no_mail_ends_the_connection(sink: MailSink, port: int) -> None:
    for line in (b"x" * 100_000 + b"\r\n", b"DATA\r\nhalf a mail"):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(line)
        writer.write_eof()
        async with asyncio.timeout(10):
            await reader.read()
        writer.close()
    assert not sink.mails


async def test_commands_that_it_does_not_know(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"VRFY jane\r\n\r\nquit\r\n")
    assert (await reader.read()).split(b"\r\n")[1:] == [b"502 Not here", b"502 Not here", b"221 Bye", b""]
    writer.close()


class TestMailbox:
    async def test_mails_are_shown(self, mailbox: httpx.AsyncClient, port: int) -> None:
        assert "Nothing yet" in (await mailbox.get("/")).text
        await send(port, mail("Für dich", "Open\nhttps://app.test/accept?token=a&b\n", "<p>Open</p>"))
        index = (await mailbox.get("/")).text
        assert "Für dich" in index
        assert 'href="/1"' in index
        page = (await mailbox.get("/1")).text
        assert '<a href="https://app.test/accept?token=a&amp;b" target="_blank" rel="noreferrer">' in page
        assert "&lt;p&gt;Open&lt;/p&gt;" in page
        assert (await mailbox.get("/2")).status_code == 404

    async def test_nothing_in_a_mail_becomes_part_of_the_page(self, mailbox: httpx.AsyncClient, port: int) -> None:
        evil = '"><script>alert(1)</script>'
        await send(port, mail(evil, evil, evil))
        for path in ("/", "/1"):
            answer = await mailbox.get(path)
            assert "<script>" not in answer.text
            assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "script-src" not in answer.headers["content-security-policy"]
        assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in (await mailbox.get("/1")).text

    async def test_a_mail_of_text_alone_has_no_frame(self, mailbox: httpx.AsyncClient, port: int) -> None:
        await send(port, mail())
        assert "<iframe" not in (await mailbox.get("/1")).text
