from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from mail_kit import JANE, MAIL, PATIENT, outcomes, running_outbox
from redis_server import RedisServer, running_redis
from smtp_server import MailServer, running_smtp

from portal_gateway.mail.base import MailUnavailable
from portal_gateway.mail.queue import MailQueue
from portal_gateway.observe.events import Events
from portal_gateway.settings.cache import CacheSettings
from portal_gateway.store.base import Store
from portal_gateway.store.memory import MemoryStore
from portal_gateway.store.registry import open_store


@pytest_asyncio.fixture
async def server() -> AsyncIterator[MailServer]:
    async with running_smtp() as server:
        yield server


@pytest.fixture
def redis(mail_redis: RedisServer) -> RedisServer:
    mail_redis.command("FLUSHALL")
    return mail_redis


def redis_store(redis: RedisServer) -> Store:
    return open_store(CacheSettings(url=redis.url, timeout_ms=10_000), Events())


async def emptied(store: Store) -> None:
    """Until no mail waits in `store`."""
    queue = MailQueue(store)
    async with asyncio.timeout(30):
        while await queue.waiting():
            await asyncio.sleep(0.005)


async def test_a_mail_is_delivered_as_it_was_written(server: MailServer) -> None:
    events, store = Events(), MemoryStore()
    async with running_outbox(server, store, events, PATIENT) as outbox:
        await outbox.send(MAIL)
        await server.wait_for(1)
        await emptied(store)
    [mail] = server.delivered
    assert mail.recipients == [JANE]
    assert mail.message["Subject"] == "Your link"
    assert mail.message["From"] == "Acme <portal@acme.com>"
    assert outcomes(events) == {"queued": 1, "sent": 1}


async def test_sending_waits_for_no_server(server: MailServer) -> None:
    server.deaf = True
    async with running_outbox(server, MemoryStore(), pace=replace(PATIENT, goodbye_s=0)) as outbox:
        for _ in range(3):
            await outbox.send(MAIL)
        await server.wait_for_session(1)
    assert server.delivered == []


async def test_what_cannot_be_a_mail_is_refused_at_once(server: MailServer) -> None:
    store = MemoryStore()
    async with running_outbox(server, store) as outbox:
        with pytest.raises(ValueError, match="one line"):
            await outbox.send(replace(MAIL, subject="Your link\r\nBcc: spy@evil.com"))
    assert len(store) == 0


@pytest.mark.parametrize("replies", ["rcpt_replies", "data_replies"])
async def test_a_mail_that_is_put_off_is_tried_again(
    replies: str, server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    getattr(server, replies).extend(["450 4.2.0 busy", "451 4.7.1 greylisted jane@vance.com"])
    events, store = Events(), MemoryStore()
    async with running_outbox(server, store, events) as outbox:
        await outbox.send(MAIL)
        await server.wait_for(1)
        await emptied(store)
    assert outcomes(events) == {"queued": 1, "deferred": 2, "sent": 1}
    assert [record.getMessage().split("(")[1] for record in caplog.records] == [
        "put off with 450)",
        "put off with 451)",
    ]


async def test_a_mail_that_is_refused_is_not_tried_again(server: MailServer, caplog: pytest.LogCaptureFixture) -> None:
    server.rcpt_replies.append("550 5.1.1 no jane@vance.com here")
    events, store = Events(), MemoryStore()
    async with running_outbox(server, store, events) as outbox:
        await outbox.send(MAIL)
        await emptied(store)
        await outbox.send(MAIL)
        await server.wait_for(1)
        await emptied(store)
    assert outcomes(events) == {"queued": 2, "undeliverable": 1, "sent": 1}
    [record] = caplog.records
    assert "undeliverable (refused with 550)" in record.getMessage()
    assert JANE not in caplog.text


async def test_a_broken_connection_sends_it_again_as_the_same_mail(server: MailServer) -> None:
    server.drops_in_data = 1
    async with running_outbox(server, MemoryStore()) as outbox:
        await outbox.send(MAIL)
        await server.wait_for(1)
    assert len(server.delivered) == 1


async def test_one_mail_in_trouble_holds_up_no_other(server: MailServer) -> None:
    server.rcpt_replies.append("450 4.2.0 busy")
    async with running_outbox(server, MemoryStore(), pace=PATIENT) as outbox:
        await outbox.send(MAIL)
        await outbox.send(replace(MAIL, to="pam@vance.com"))
        await server.wait_for(1)
    assert [mail.recipients for mail in server.delivered] == [["pam@vance.com"]]


async def test_a_server_that_is_away_at_first(server: MailServer, caplog: pytest.LogCaptureFixture) -> None:
    await server.stop()
    events = Events()
    async with running_outbox(server, MemoryStore(), events) as outbox:
        await outbox.send(MAIL)
        async with asyncio.timeout(30):
            while not caplog.records:
                await asyncio.sleep(0.005)
        await server.start()
        await server.wait_for(1)
    assert outcomes(events) == {"queued": 1, "sent": 1}
    [record] = caplog.records
    assert "no session with the SMTP server, mails wait" in record.getMessage(), "once, however often it is tried"


async def test_a_mail_that_has_become_useless_is_dropped(server: MailServer, caplog: pytest.LogCaptureFixture) -> None:
    await server.stop()
    events, store = Events(), MemoryStore()
    async with running_outbox(server, store, events) as outbox:
        await outbox.send(replace(MAIL, ttl_s=0.01))
        await emptied(store)
    assert events.counts["mail", "", "expired"] == 1
    assert caplog.records[-1].getMessage().endswith("expired")


async def test_too_many_mails(server: MailServer) -> None:
    await server.stop()
    events = Events()
    async with running_outbox(server, MemoryStore(), events, PATIENT) as outbox:
        outbox._queue = MailQueue(MemoryStore(), max_waiting=1)
        await outbox.send(MAIL)
        with pytest.raises(MailUnavailable, match="too many"):
            await outbox.send(MAIL)
    assert outcomes(events) == {"queued": 1, "not_queued": 1}


async def test_what_is_under_way_at_the_end_is_finished(server: MailServer) -> None:
    store = MemoryStore()
    async with running_outbox(server, store, pace=PATIENT) as outbox:
        for _ in range(5):
            await outbox.send(MAIL)
    assert len(server.delivered) == 5
    await outbox.aclose()
    outbox.start()
    assert outbox._worker is not None
    assert outbox._worker.done(), "closed is closed"


async def test_what_ends_with_the_process_is_told(server: MailServer, caplog: pytest.LogCaptureFixture) -> None:
    await server.stop()
    async with running_outbox(server, MemoryStore()) as outbox:
        await outbox.send(MAIL)
    assert "1 undelivered end with this process" in caplog.text


async def test_closing_does_not_wait_for_a_server_that_hangs(server: MailServer, redis: RedisServer) -> None:
    server.deaf = True
    store = redis_store(redis)
    async with running_outbox(server, store, pace=replace(PATIENT, goodbye_s=0)) as outbox:
        await outbox.send(MAIL)
        await server.wait_for_session(1)
    [mail_id] = await MailQueue(store).waiting()
    assert await store.get(f"mail-lease:{mail_id}") is None, "others may send it at once"
    await store.aclose()


async def test_another_process_delivers_what_one_left_behind(server: MailServer, redis: RedisServer) -> None:
    await server.stop()
    program = f"""
        import asyncio, os, signal
        from portal_gateway.mail.base import Mail
        from portal_gateway.mail.outbox import open_mailer
        from portal_gateway.observe.events import Events
        from portal_gateway.settings.cache import CacheSettings
        from portal_gateway.settings.mail import MailSettings
        from portal_gateway.store.registry import open_store

        async def main():
            store = open_store(CacheSettings(url="{redis.url}", timeout_ms=10_000))
            values = {{"host": "127.0.0.1", "port": {server.port}, "security": "none", "from": "portal@acme.com"}}
            # What it holds a lease on when it dies is free again when that has run out, after six times the time-out.
            mailer = open_mailer(MailSettings(**values, timeout_s=0.2), store, Events())
            for n in range(3):
                await mailer.send(Mail(f"jane{{n}}@vance.com", "Your link", "text", "<p>html", "join"))
            os.kill(os.getpid(), signal.SIGKILL)

        asyncio.run(main())
    """
    ran = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", textwrap.dedent(program)], capture_output=True)
    assert ran.returncode == -signal.SIGKILL, ran.stderr.decode()
    await server.start()
    store = redis_store(redis)
    async with running_outbox(server, store) as outbox:
        outbox.start()
        await server.wait_for(3)
        await emptied(store)
    assert sorted(mail.recipients[0] for mail in server.delivered) == [f"jane{n}@vance.com" for n in range(3)]
    await store.aclose()


async def test_replicas_send_each_mail_once(server: MailServer, redis: RedisServer) -> None:
    stores = [redis_store(redis) for _ in range(3)]
    everybody = [f"jane{n}@vance.com" for n in range(30)]
    async with (
        running_outbox(server, stores[0]) as one,
        running_outbox(server, stores[1]) as other,
        running_outbox(server, stores[2]) as third,
    ):
        third.start()
        for n, to in enumerate(everybody):
            await (one, other)[n % 2].send(replace(MAIL, to=to))
        await server.wait_for(30)
        await emptied(stores[0])
    assert sorted(mail.recipients[0] for mail in server.delivered) == sorted(everybody)
    for store in stores:
        await store.aclose()


async def test_a_store_that_is_away_when_the_mail_was_just_sent(
    server: MailServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The mail is dropped when the store is back, not sent again."""


async def test_a_store_that_is_away(server: MailServer, tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_redis(tmp_path_factory.mktemp("redis")) as redis:
        store = open_store(CacheSettings(url=redis.url, timeout_ms=1000), Events())
        async with running_outbox(server, store) as outbox:
            await outbox.send(MAIL)
            await server.wait_for(1)
            await asyncio.to_thread(redis.kill)
            with pytest.raises(MailUnavailable, match="store"):
                await outbox.send(MAIL)
            await asyncio.to_thread(redis.start)
            async with asyncio.timeout(30):
                while len(server.delivered) < 2:
                    try:
                        await outbox.send(MAIL)
                        await server.wait_for(2)
                    except MailUnavailable:
                        await asyncio.sleep(0.005)
        await store.aclose()
