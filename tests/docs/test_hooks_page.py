"""What docs/hooks.md and docs/checking.md say is what the package does."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import httpx
import pytest
import yaml

from portal_gateway import PortalGatewayMiddleware, load_settings
from portal_gateway.cli import main
from portal_gateway.portal import hooks
from portal_gateway.probing import planhat
from portal_gateway.sandbox.server import running

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "hooks.md").read_text()
SECRETS = {
    "PLANHAT_API_TOKEN": "planhat-token",
    "ROCKETLANE_API_KEY": "rocketlane-key",
    "ROCKETLANE_SHARED_SECRET": "shared-secret-of-rocketlane",
    "PLANHAT_HOOK_SECRET": "hook-secret-of-planhat",
    "ROCKETLANE_HOOK_SECRET": "hook-secret-of-rocketlane",
}
HEADERS = {
    "success": {"Authorization": f"Bearer {SECRETS['PLANHAT_HOOK_SECRET']}"},
    "onboarding": {"X-Hook-Secret": SECRETS["ROCKETLANE_HOOK_SECRET"]},
}


async def no_app(*_: object) -> None:
    raise AssertionError("the app was asked")


async def test_its_configuration_answers_its_calls() -> None:
    [config] = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    planhat_event, rocketlane_event = map(json.loads, re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL))
    rocketlane_event["eventTriggeredAt"] = time.time() * 1000
    app = PortalGatewayMiddleware(no_app, load_settings(yaml.safe_load(config), environ=SECRETS))
    async with running(app) as url, httpx.AsyncClient(trust_env=False) as client:
        for name, event in (("success", planhat_event), ("onboarding", rocketlane_event)):
            address = f"{url}/portal/-/hooks/{name}"
            assert (await client.post(address, json=event)).status_code == 401
            answer = await client.post(address, json=event, headers=HEADERS[name])
            assert answer.json() == {"outcome": "forgotten"}
        credentials = httpx.BasicAuth("hook", SECRETS["PLANHAT_HOOK_SECRET"])
        answer = await client.post(f"{url}/portal/-/hooks/success", json={}, auth=credentials)
        assert answer.json() == {"outcome": "forgotten"}


def test_its_outcomes_and_numbers_are_those_of_the_code() -> None:
    documented = set(re.findall(r'\{"outcome": "(\w+)"\}', PAGE))
    source = Path(hooks.__file__).read_text()
    assert documented == set(re.findall(r'"(forgotten\w*|repeated|too_old|ignored)"', source))
    assert (hooks.INTERVAL_S, hooks.MAX_USERS, hooks.REMEMBERED_S, hooks.MAX_EVENT_BYTES) == (
        10,
        1000,
        3600,
        256 * 1024,
    )
    for text in ("last 10 seconds", "1000 users", "an hour ago", "256 KiB"):
        assert text in PAGE


@pytest.mark.parametrize(
    "command", re.findall(r"^portal-gateway (.*)$", (DOCS / "checking.md").read_text(), re.MULTILINE)
)
def test_every_command_of_the_page_about_checking_is_one(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # where there is no configuration: arguments are read first
    assert main(command.split()) == 1
    assert "portal-gateway.yaml: 1 problem\n  (top level): cannot be read" in capsys.readouterr().err


def test_the_findings_shown_are_in_the_words_of_the_code() -> None:
    source = Path(planhat.__file__).read_text()
    for text in ("list of end users", "access of an id that nobody has", "access of the end user", planhat._UNREADABLE):
        assert text in (DOCS / "checking.md").read_text()
        assert text in source
