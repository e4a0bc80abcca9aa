"""What other processes can read and write in the shared store gives nobody a link, and nothing about a person away."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis_server import RedisServer, running_redis
from site_kit import IN_FRAME, SCRIPT, Site

from portal_gateway.access.keys import DecisionKey, PortalKeys
from portal_gateway.access.values import encode
from portal_gateway.models import Access

pytestmark = pytest.mark.asyncio(loop_scope="module")

MakeSite = Callable[..., Awaitable[Site]]
PREFIX = "portal-gateway:1:"
PATIENCE_S = 30.0


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with tempfile.TemporaryDirectory() as directory, running_redis(Path(directory)) as server:
        yield server


def with_redis(redis: RedisServer) -> Callable[[dict[str, Any]], None]:
    return lambda config: config.update(cache={"url": redis.url, "timeout_ms": 2000})


def stored(redis: RedisServer) -> dict[str, str]:
    return {key: redis.command("GET", key) for key in redis.command("KEYS", "*").split()}


async def test_no_key_and_no_value_tells_who_is_meant(make_site: MakeSite, redis: RedisServer) -> None:
    site = await make_site(with_redis(redis))
    for user in ("jane", "noah"):
        browser = await site.browser(user)
        for portal in ("success", "onboarding"):
            await browser.get(f"/portal/{portal}/access", headers=SCRIPT)
            await browser.get(f"/portal/{portal}/launch")
            await browser.get(f"/portal/{portal}/embed", headers=IN_FRAME)
    texts = stored(redis)
    assert len([key for key in texts if "decision:" in key]) == 4
    for text in (*texts, *texts.values()):
        for personal in ("jane", "noah", "moreau", "@", "vance", "extid", "/redirect/", "token=", *site.secrets):
            assert personal not in text.lower()


async def test_every_key_expires(make_site: MakeSite, redis: RedisServer) -> None:
    site = await make_site(with_redis(redis))
    await (await site.browser()).get("/portal/success/access", headers=SCRIPT)
    keys = list(stored(redis))
    assert keys
    assert "-1" not in [redis.command("PTTL", key) for key in keys]


async def test_a_forged_yes_signs_nothing(make_site: MakeSite, redis: RedisServer) -> None:
    """Whoever writes to the store, and knows the API secret, can have the link shown; the vendor still refuses."""
    site = await make_site(with_redis(redis))
    site.switch(no_access="403")
    browser = await site.browser("noah")
    assert (await browser.get("/portal/success/access", headers=SCRIPT)).json()["access"] is False
    portal = site.gateway.settings.portals["success"]
    keys = PortalKeys("success", portal.api_secret.reveal_bytes(), portal.decision_rules)
    [generation] = [value for key, value in stored(redis).items() if "generation:" in key]
    subject = keys.subject(DecisionKey("success", "noah", "extid-noah"))
    name = f"{PREFIX}decision:{keys.user('noah')}"
    assert subject in stored(redis)[name], "the forgery is about the right user"
    forged = encode(Access.grant("vendor_yes"), subject, generation, time.time())
    assert forged is not None
    redis.command("SET", name, forged.decode())
    other = await make_site(with_redis(redis))
    browser = await other.browser("noah")
    assert (await browser.get("/portal/success/access", headers=SCRIPT)).json()["access"] is True
    other.switch(no_access="403")
    assert (await browser.get("/portal/success/launch")).status_code == 403
    async with asyncio.timeout(PATIENCE_S):  # what proved wrong is dropped for everybody
        while name in await asyncio.to_thread(stored, redis):
            pass
