from __future__ import annotations

import httpx
import pytest

from portal_gateway.sandbox import demo as module
from portal_gateway.sandbox.demo import running_demo


async def test_people_join_by_mail() -> None:
    async with running_demo() as demo, httpx.AsyncClient() as client:
        welcome = demo.welcome()
        assert demo.mail_url is not None
        for url in (demo.url, demo.mail_url, f"{demo.url}/portal/onboarding/invitations"):
            assert url in welcome
        link = next(line.strip() for line in welcome.splitlines() if "/join/" in line)
        assert (await client.get(link)).status_code == 200
        assert demo.mail_url in (await client.get(f"{demo.url}/login")).text


async def test_without_the_extra_it_runs_and_says_what_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _name: None)
    async with running_demo() as demo, httpx.AsyncClient() as client:
        assert demo.mail_url is None
        assert "pip install 'portal-gateway[mail]'" in demo.welcome()
        assert "Mailbox" not in demo.welcome()
        page = await client.get(f"{demo.url}/login")
        assert page.status_code == 200
        assert "Mails" not in page.text
        assert (await client.get(f"{demo.url}/portal/onboarding/join")).status_code in (302, 303, 404)
