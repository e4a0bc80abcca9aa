"""`portal-gateway demo` and `portal-gateway sandbox` as a person runs them."""

from __future__ import annotations

import re
import signal
from contextlib import closing

import httpx
import pytest
from frameworks_support import follow, visitor
from processes import PORTAL_GATEWAY, Process, finished, running_process

from portal_gateway.listening import listen

# What a service manager may do: no stdin at all.
WITHOUT_STDIN = ("sh", "-c", 'exec "$@" <&-', "sh")


async def printed_urls(process: Process, last_line: str) -> dict[str, str]:
    """The addresses by what they are, read until the line that begins with `last_line`."""
    text = ""
    while not (line := await process.line()).startswith(last_line):
        assert line, f"ended: {process.log}"
        text += line
    return {name.strip(): url for name, url in re.findall(r"^ *(\S.*?)  +(http://\S+)$", text, re.MULTILINE)}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_demo_serves_and_ends_at_a_signal(number: signal.Signals) -> None:
    async with running_process(*WITHOUT_STDIN, *PORTAL_GATEWAY, "demo", "--port", "0") as process:
        urls = await printed_urls(process, "Ctrl-C")
        app, planhat, rocketlane, mailbox = urls.values()
        async with visitor(app) as client:
            await client.post("/login", data={"user_id": "jane"})
            # The first page of a cold process may leave the link to the browser.
            assert "portal-link" in (await client.get("/")).text
            portal = await follow(client, "/portal/success/launch")
            assert str(portal.url).startswith(planhat)
            assert "Logged in as <strong>Jane Moreau</strong>" in portal.text
            assert (await client.get(rocketlane + "/cp")).status_code == 401
            assert (await client.get(mailbox)).status_code == 200
        assert await process.stop(number) == 0
    assert process.log == ""
    with pytest.raises(httpx.ConnectError):
        httpx.get(app, trust_env=False)


async def test_the_demo_ends_while_somebody_still_reads() -> None:
    async with running_process(*PORTAL_GATEWAY, "demo", "--port", "0", "--host", "127.0.0.1") as process:
        app = next(iter((await printed_urls(process, "Ctrl-C")).values()))
        async with visitor(app) as client, client.stream("GET", "/login") as response:
            assert response.status_code == 200
            assert await process.stop(signal.SIGINT) == 0
    assert process.log == ""


async def test_a_taken_port_is_said_in_one_line() -> None:
    with closing(listen("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        status, out, errors = await finished("demo", "--port", str(port))
    assert (status, out) == (1, "")
    assert errors == (
        f"portal-gateway: cannot listen on 127.0.0.1 port {port}: Address already in use; choose another with --port\n"
    )


async def test_the_sandbox_alone_serves_and_ends() -> None:
    arguments = ("sandbox", "--planhat-port", "0", "--rocketlane-port", "0")
    async with running_process(*PORTAL_GATEWAY, *arguments) as process:
        urls = await printed_urls(process, "Made up")
        for url in urls.values():
            assert httpx.get(url, trust_env=False).status_code in (303, 401)
        assert await process.stop(signal.SIGINT) == 0
    assert set(urls) == {"Planhat sandbox", "Rocketlane sandbox"}
    assert process.log == ""
