"""The SMTP client and a real server: encryption, login, refusals, and what breaks on the way."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from smtp_server import PASSWORD, USERNAME, MailServer, make_certificate, running_smtp

from portal_gateway.mail.smtp import Deferred, NotSent, ServerAway, SmtpClient, Undeliverable
from portal_gateway.settings.mail import MailSettings
from portal_gateway.settings.secrets import Secret

MESSAGE = b"Subject: hello\r\n\r\nfirst\r\n.\r\n..\r\nlast\r\n"
JANE = "jane@vance.com"

NewClient = Callable[..., Awaitable[SmtpClient]]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return make_certificate(tmp_path)


@pytest_asyncio.fixture
async def new_client() -> AsyncIterator[NewClient]:
    """Clients of a server with the settings given; hang up in the end."""
    clients: list[SmtpClient] = []

    async def new(server: MailServer, **settings: object) -> SmtpClient:
        values = {"host": "127.0.0.1", "port": server.port, "security": "none", "timeout_s": 20}
        client = SmtpClient(MailSettings.model_validate({**values, "from": "Acme <portal@acme.com>", **settings}))
        clients.append(client)
        return client

    yield new
    for client in clients:
        await client.hang_up()


def login(password: str = PASSWORD) -> dict[str, object]:
    return {"username": USERNAME, "password": Secret(password.encode(), "test")}


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
async def test_a_mail_arrives_byte_for_byte(security: str, certificate: Path, new_client: NewClient) -> None:
    encrypted = security != "none"
    async with running_smtp(security, certificate if encrypted else None) as server:
        client = await new_client(server, security=security, ca_file=certificate if encrypted else None)
        await client.send(JANE, MESSAGE)
        [mail] = server.delivered
        assert (mail.sender, mail.recipients, mail.content) == ("portal@acme.com", [JANE], MESSAGE)
        assert mail.encrypted is encrypted


async def test_one_connection_for_mails_in_a_row(new_client: NewClient) -> None:
    async with running_smtp() as server:
        client = await new_client(server)
        for _ in range(3):
            await client.send(JANE, MESSAGE)
        assert (len(server.delivered), server.sessions) == (3, 1)
        await client.hang_up()
        await client.send(JANE, MESSAGE)
        assert server.sessions == 2


async def test_a_connection_that_the_server_closed_meanwhile_is_replaced(new_client: NewClient) -> None:
    async with running_smtp() as server:
        client = await new_client(server)
        await client.send(JANE, MESSAGE)
        await server.stop()
        await server.start()
        await client.send(JANE, MESSAGE)
        assert (len(server.delivered), server.sessions) == (2, 2)


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_login(security: str, certificate: Path, new_client: NewClient) -> None:
    async with running_smtp(security, certificate, login=True) as server:
        client = await new_client(server, security=security, ca_file=certificate, **login())
        await client.send(JANE, MESSAGE)
        assert [mail.user for mail in server.delivered] == [USERNAME]


async def test_a_wrong_password(certificate: Path, new_client: NewClient) -> None:
    async with running_smtp("starttls", certificate, login=True) as server:
        client = await new_client(server, security="starttls", ca_file=certificate, **login("wr0ng"))
        with pytest.raises(ServerAway, match="refuses our login with 535") as caught:
            await client.send(JANE, MESSAGE)
        assert "wr0ng" not in str(caught.value)


async def test_no_password_where_one_is_needed(certificate: Path, new_client: NewClient) -> None:
    async with running_smtp("starttls", certificate, login=True) as server:
        client = await new_client(server, security="starttls", ca_file=certificate)
        with pytest.raises(ServerAway, match="530"):
            await client.send(JANE, MESSAGE)


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_certificate_nobody_vouches_for(security: str, certificate: Path, new_client: NewClient) -> None:
    async with running_smtp(security, certificate) as server:
        client = await new_client(server, security=security)
        with pytest.raises(ServerAway, match="certificate"):
            await client.send(JANE, MESSAGE)


async def test_a_certificate_of_another_host(tmp_path: Path, new_client: NewClient) -> None:
    certificate = make_certificate(tmp_path, host="127.0.0.2")
    async with running_smtp("starttls", certificate) as server:
        client = await new_client(server, security="starttls", ca_file=certificate)
        with pytest.raises(ServerAway, match=r"127\.0\.0\.1"):
            await client.send(JANE, MESSAGE)


async def test_a_server_without_encryption_gets_neither_mail_nor_password(new_client: NewClient) -> None:
    async with running_smtp() as server:
        client = await new_client(server, security="starttls", **login())
        with pytest.raises(ServerAway, match="STARTTLS"):
            await client.send(JANE, MESSAGE)
        assert server.delivered == []


@pytest.mark.parametrize("step", ["rcpt_replies", "data_replies"])
@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        pytest.param("450 4.2.0 greylisted", Deferred, id="4xx"),
        pytest.param("421 4.3.2 going down", Deferred, id="421"),
        pytest.param("550 5.1.1 no jane@vance.com here", Undeliverable, id="5xx"),
    ],
)
async def test_refusals(step: str, reply: str, outcome: type[NotSent], new_client: NewClient) -> None:
    async with running_smtp() as server:
        client = await new_client(server)
        getattr(server, step).append(reply)
        with pytest.raises(outcome, match=reply[:3]) as caught:
            await client.send(JANE, MESSAGE)
        assert JANE not in str(caught.value)
        await client.send(JANE, MESSAGE)
        assert len(server.delivered) == 1, "the next mail is not affected"


async def test_a_connection_that_breaks_in_the_content(new_client: NewClient) -> None:
    async with running_smtp() as server:
        client = await new_client(server)
        server.drops_in_data = 1
        with pytest.raises(Deferred, match="connection lost"):
            await client.send(JANE, MESSAGE)
        await client.send(JANE, MESSAGE)
        assert len(server.delivered) == 1


async def test_a_server_that_does_not_answer(new_client: NewClient) -> None:
    async with running_smtp() as server:
        client = await new_client(server, timeout_s=0.1)
        server.deaf = True
        with pytest.raises(Deferred, match="connection lost"):
            await client.send(JANE, MESSAGE)


async def test_nobody_listens(new_client: NewClient) -> None:
    async with running_smtp() as server:
        await server.stop()
        client = await new_client(server)
        with pytest.raises(ServerAway, match=r"Connect|refused"):
            await client.send(JANE, MESSAGE)
        await server.start()
        await client.send(JANE, MESSAGE)


async def test_something_else_listens_and_is_silent(new_client: NewClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = MailServer()
        server.port = listener.getsockname()[1]
        client = await new_client(server, timeout_s=0.1)
        with pytest.raises(ServerAway, match="Timed out"):
            await client.send(JANE, MESSAGE)
