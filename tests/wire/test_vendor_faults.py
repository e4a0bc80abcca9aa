"""Vendors that hang, fail, answer garbage or have had enough of us: what they are asked meanwhile, and how it ends."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from frameworks_support import PATIENCE_S, SCOPE_SESSION, Vendors

from portal_gateway.errors import BreakerOpen, VendorBusy, VendorError, VendorUnavailable
from portal_gateway.models import Access, EndUser
from portal_gateway.providers import breaker, guard, limiter, pause
from portal_gateway.providers.base import Provider
from portal_gateway.providers.registry import build_provider
from portal_gateway.providers.urgency import Urgency
from portal_gateway.sandbox.demo import running_vendors
from portal_gateway.sandbox.serve import create_sandbox
from portal_gateway.settings import load_settings
from portal_gateway.store.base import Store
from portal_gateway.store.memory import MemoryStore

JANE = EndUser("jane", "jane@vance.example", company_id="201")
TIMEOUT_S = 0.3
MANY = 6000

NewProvider = Callable[..., Provider]


@pytest.fixture
async def vendors() -> AsyncIterator[Vendors]:
    sandbox = create_sandbox()
    async with running_vendors(sandbox, "127.0.0.1") as urls:
        yield Vendors(sandbox, *urls)


@pytest.fixture
async def provider(vendors: Vendors) -> AsyncIterator[NewProvider]:
    built: list[Provider] = []

    def build(name: str, store: Store | None = None, **options: Any) -> Provider:
        config = vendors.config(SCOPE_SESSION)
        config["portals"][name] |= options
        settings = load_settings(config, environ=vendors.environ)
        built.append(build_provider(name, settings.portals[name], store=store))
        return built[-1]

    yield build
    for each in built:
        await each.aclose()


async def answers(provider: Provider, users: Iterable[EndUser]) -> Counter[str]:
    """How often each user's access check ended how, all asked at once."""
    outcomes = await asyncio.gather(*(provider.check_access(user) for user in users), return_exceptions=True)
    assert not [outcome for outcome in outcomes if not isinstance(outcome, Access | VendorError)]
    return Counter(outcome.code if isinstance(outcome, VendorError) else outcome.reason for outcome in outcomes)


def people(count: int) -> list[EndUser]:
    return [EndUser(f"nobody-{number}", f"{number}@vance.com", company_id=str(number + 1)) for number in range(count)]


async def until_it_answers(ask: Callable[[], Awaitable[Access]]) -> Access:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await ask()
            except VendorUnavailable:  # it may be slow still with what it was asked before
                await asyncio.sleep(0.02)


FAULTS = [
    pytest.param({"status": 500}, id="500"),
    pytest.param({"status": 503}, id="503"),
    pytest.param({"fault": "hang"}, id="hangs"),
    pytest.param({"latency_s": 2 * TIMEOUT_S}, id="slow"),
    pytest.param({"fault": "trickle"}, id="trickles"),
    pytest.param({"fault": "html"}, id="garbage"),
    pytest.param({"fault": "huge"}, id="huge"),
]


@pytest.mark.parametrize("name", ["success", "onboarding"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_vendor_that_fails_is_left_alone_and_asked_again(
    name: str, fault: dict[str, Any], vendors: Vendors, provider: NewProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = vendors.sandbox.planhat_vendor if name == "success" else vendors.sandbox.rocketlane_vendor
    limits = {"per_minute": MANY} if name == "success" else {"per_minute": MANY, "lists_per_minute": MANY}
    subject = provider(name, timeout_s=TIMEOUT_S, limits=limits)
    vendor.switches.update(fault)

    first = await answers(subject, people(12))
    assert not {"vendor_yes", "vendor_no", "member", "no_project"} & set(first)
    asked = len(vendor.calls)
    assert asked <= 2 * 12
    assert await answers(subject, people(1000)) == {"breaker_open": 1000}
    assert len(vendor.calls) == asked

    vendor.switches.reset()
    monkeypatch.setattr(guard, "loop_time", lambda: limiter.loop_time() + breaker.MAX_PAUSE_S)  # nobody waits for it
    assert (await until_it_answers(lambda: subject.check_access(JANE))).granted
    for person in people(20):
        assert not (await until_it_answers(lambda person=person: subject.check_access(person))).granted  # type: ignore[misc]


async def test_what_planhat_refuses_does_not_keep_it_from_others(vendors: Vendors, provider: NewProvider) -> None:
    vendors.sandbox.planhat_vendor.switches.update({"no_access": "404"})
    subject = provider("success", limits={"per_minute": MANY})
    assert await answers(subject, people(100)) == {"vendor_not_found": 100}
    assert (await subject.check_access(JANE)).granted


async def test_a_storm_of_429_ends_with_the_first(
    vendors: Vendors, provider: NewProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others have used up the tenant's limit. Planhat does not tell when to come back."""
    monkeypatch.setattr(pause, "UNTOLD_S", 60.0)
    vendor = vendors.sandbox.planhat_vendor
    vendor.switches.update({"rate_limit_per_minute": 1})
    subject = provider("success")
    await answers(subject, people(5))
    asked = len(vendor.calls)
    assert await answers(subject, people(1000)) == {"vendor_busy": 1000}
    with pytest.raises(VendorBusy):
        await subject.mint(JANE, "link")
    assert len(vendor.calls) == asked


async def test_rocketlane_tells_when_to_come_back_and_all_replicas_hear(
    vendors: Vendors, provider: NewProvider
) -> None:
    vendor = vendors.sandbox.rocketlane_vendor
    vendors.sandbox.clock.advance(30)  # its next minute begins in 30 seconds or more
    vendor.switches.update({"rate_limit_per_minute": 1})
    store = MemoryStore()
    replicas = [provider("onboarding", store) for _ in range(2)]
    await answers(replicas[0], people(2))
    asked = len(vendor.calls)
    with pytest.raises(VendorBusy) as caught:
        await replicas[1].check_access(JANE)
    assert 29 < (caught.value.retry_after_s or 0) < 91
    assert len(vendor.calls) == asked


@pytest.mark.parametrize("name", ["success", "onboarding"])
async def test_a_cold_start_of_two_replicas_stays_below_the_limit(
    name: str, vendors: Vendors, provider: NewProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(limiter.MAX_WAIT_S, Urgency.LAUNCH, 1.5)
    sandbox, store = vendors.sandbox, MemoryStore()
    vendor = sandbox.planhat_vendor if name == "success" else sandbox.rocketlane_vendor
    vendor.switches.update({"rate_limit_per_minute" if name == "success" else "list_rate_limit_per_minute": 60})
    limits = {"per_minute": 60} if name == "success" else {"per_minute": 400, "lists_per_minute": 60}
    replicas = [provider(name, store, limits=limits) for _ in range(2)]
    told = sum(await asyncio.gather(*(answers(replica, people(250)) for replica in replicas)), Counter())
    assert told["vendor_busy"] > 480
    answered = sum(count for reason, count in told.items() if reason != "vendor_busy")
    assert 6 <= answered == len(vendor.calls) <= 9


# --- faults below HTTP ----------------------------------------------------------------------------


class Listener:
    """Accepts a connection, reads a line if it is told to, says something and hangs up."""

    def __init__(self, says: bytes, *, reads: bool) -> None:
        self.connections = 0
        self.paths: list[str] = []
        self._says = says
        self._reads = reads

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self._reads:
            self.paths.append((await reader.readuntil(b"\r\n\r\n")).decode().split()[1])
        writer.write(self._says)
        writer.close()


@asynccontextmanager
async def listening(listener: Listener) -> AsyncIterator[str]:
    server = await asyncio.start_server(listener, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    "says",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", id="half a head"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhttps://", id="half a body"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="another protocol"),
    ],
)
async def test_a_lost_connection_repeats_a_check_and_never_a_mint(says: bytes, provider: NewProvider) -> None:
    listener = Listener(says, reads=True)
    async with listening(listener) as address:
        subject = provider("success", api_url=f"http://{address}")
        with pytest.raises(VendorUnavailable):
            await subject.check_access(JANE)
        with pytest.raises(VendorUnavailable):
            await subject.mint(JANE, "link")
    assert listener.paths == ["/shareabletokens/access/extid-jane"] * 2 + ["/shareabletokens/extid-jane"]


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"], ids=["hangs up", "does not speak TLS"])
async def test_without_tls_nothing_is_sent_and_so_a_mint_is_tried_again(says: bytes, provider: NewProvider) -> None:
    listener = Listener(says, reads=False)
    async with listening(listener) as address:
        subject = provider("success", api_url=f"https://{address}")
        with pytest.raises(VendorUnavailable, match="ConnectError"):
            await subject.mint(JANE, "link")
    assert listener.connections == 2


async def test_a_page_waits_less_than_a_millisecond_for_a_vendor_that_is_left_alone(provider: NewProvider) -> None:
    """Not timed: nothing is waited for, not even the next turn of the event loop."""
    listener = Listener(b"", reads=True)
    async with listening(listener) as address:
        subject = provider("success", api_url=f"http://{address}")
        assert (await answers(subject, people(10)))["breaker_open"] > 0
        asked = listener.connections
        check = subject.check_access(JANE)
        with pytest.raises(BreakerOpen):
            check.send(None)
        assert listener.connections == asked
